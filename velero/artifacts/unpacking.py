"""gzip without trust: what comes out is bounded in size and in proportion to what went in."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from domain.errors import DownloadError

_PIECE = 1 << 18
_FREE = 1 << 20


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """`ratio` counts from the first megabyte on: small files of blanks are harmless."""

    packed: int = 64 << 20
    unpacked: int = 256 << 20
    ratio: int = 200


class Unpacker:
    """Feed it what arrives; it yields what was packed. Plain bodies pass through, counted the same."""

    def __init__(self, caps: UnpackLimits, what: str) -> None:
        self._caps = caps
        self._what = what
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
            yield self._counted(chunk)
        else:
            yield from self._inflated(chunk)

    def finish(self) -> None:
        """Raises if the end is missing."""
        if self._inflate is not None and not self._inflate.eof:
            raise DownloadError(f"{self._what} is incomplete.")

    def _inflated(self, chunk: bytes) -> Iterator[bytes]:
        while chunk:
            if self._inflate is None or self._inflate.eof:
                self._inflate = zlib.decompressobj(wbits=31)
            try:
                piece = self._inflate.decompress(chunk, _PIECE)
            except zlib.error as error:
                raise DownloadError(f"{self._what} is damaged: it isn't gzip data.") from error
            if piece:
                yield self._counted(piece)
            chunk = self._inflate.unconsumed_tail or self._inflate.unused_data

    def _counted(self, piece: bytes) -> bytes:
        self._unpacked += len(piece)
        if self._unpacked > self._caps.unpacked:
            raise self._too_large("unpacked, it is larger than", self._caps.unpacked)
        if self._unpacked > _FREE and self._unpacked > self._caps.ratio * self._packed:
            raise DownloadError(
                f"{self._what} is rejected.", why=f"it unpacks to more than {self._caps.ratio} times its size"
            )
        return piece

    def _too_large(self, how: str, limit: int) -> DownloadError:
        return DownloadError(f"{self._what} is too large.", why=f"{how} {limit / (1 << 20):g} MiB")
