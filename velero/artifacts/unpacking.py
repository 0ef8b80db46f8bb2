"""Unpacks untrusted gzip data, with limits for the unpacked size and for its ratio to the packed size."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from domain.errors import DownloadError

_PIECE_BYTES = 1 << 18
_UNLIMITED_RATIO_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """Sizes in bytes. `ratio` applies above 1 MiB: a small file of blanks is harmless."""

    packed: int = 64 << 20
    unpacked: int = 256 << 20
    ratio: int = 200


class Unpacker:
    """`feed` takes received bytes and yields unpacked ones. Data that isn't gzip passes through and is counted too."""

    def __init__(self, caps: UnpackLimits, title: str) -> None:
        self._caps = caps
        self._title = title
        self._packed = 0
        self._unpacked = 0
        self._inflate: zlib._Decompress | None = None
        self._plain: bool | None = None

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        self._packed += len(chunk)
        if self._packed > self._caps.packed:
            raise self._too_large("it is larger than", self._caps.packed)
        if self._plain is None and chunk:
            self._plain = chunk[0] != 0x1F
        if self._plain:
            yield self._count(chunk)
        else:
            yield from self._unpack(chunk)

    def finish(self) -> None:
        """Raises DownloadError if the end of the data is missing."""
        if self._inflate is not None and not self._inflate.eof:
            raise DownloadError(f"{self._title} is incomplete.")

    def _unpack(self, chunk: bytes) -> Iterator[bytes]:
        while chunk:
            if self._inflate is None or self._inflate.eof:
                self._inflate = zlib.decompressobj(wbits=31)
            try:
                piece = self._inflate.decompress(chunk, _PIECE_BYTES)
            except zlib.error as error:
                raise DownloadError(f"{self._title} is damaged: it isn't gzip data.") from error
            if piece:
                yield self._count(piece)
            chunk = self._inflate.unconsumed_tail or self._inflate.unused_data

    def _count(self, piece: bytes) -> bytes:
        self._unpacked += len(piece)
        if self._unpacked > self._caps.unpacked:
            raise self._too_large("unpacked, it is larger than", self._caps.unpacked)
        if self._unpacked > _UNLIMITED_RATIO_BYTES and self._unpacked > self._caps.ratio * self._packed:
            raise DownloadError(
                f"{self._title} is rejected.", why=f"it unpacks to more than {self._caps.ratio} times its size"
            )
        return piece

    def _too_large(self, how: str, limit: int) -> DownloadError:
        return DownloadError(f"{self._title} is too large.", why=f"{how} {limit / (1 << 20):g} MiB")
