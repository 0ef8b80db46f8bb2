"""Reads a log of any size in one pass: counts its lines, errors and warnings, and keeps its end and its first errors."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

MAX_TAIL_BYTES = 4 << 20
MAX_ERROR_LINES = 5
MAX_HOOK_BYTES = 4 << 20
_MAX_LINE_BYTES = 1 << 20
_MAX_ERROR_LINE_BYTES = 4 << 10

# Literals first: a search for them costs little per byte, and only lines that have one are looked at.
_LEVEL = re.compile(rb'level(?:=|":\s{0,9}")(error|fatal|panic|warn)')
_HOOK_LINE = re.compile(rb"hook(?:Phase|s for pod)")
_TIME = re.compile(rb'\s*(?:time=(?:"[^"]*"|\S*) )?')
_MAX_TIME_BYTES = 100


@dataclass(frozen=True, slots=True)
class LogSummary:
    """`error_lines` and `hook_lines` come from the whole log; `tail` is its end, from the start of a line."""

    size: int
    lines: int
    errors: int
    warnings: int
    error_lines: tuple[str, ...]
    hook_lines: tuple[str, ...]
    hook_lines_left_out: int
    tail: bytes

    @property
    def bytes_left_out(self) -> int:
        return self.size - len(self.tail)


class LogReader:
    """Takes the log in pieces. Its memory depends on the limits alone, not on the log's size or on the length of a line."""

    def __init__(self) -> None:
        self._size = self._lines = self._errors = self._warnings = 0
        self._error_lines: list[str] = []
        self._hook_lines: list[str] = []
        self._hook_bytes = self._hook_lines_left_out = 0
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self._rest = b""
        self._skipping = False
        """The rest of a line that is longer than the limit is skipped, up to its end."""

    def feed(self, piece: bytes) -> None:
        self._size += len(piece)
        self._lines += piece.count(b"\n")
        self._keep_tail(piece)
        if self._skipping:
            end = piece.find(b"\n")
            if end < 0:
                return
            self._skipping, piece = False, piece[end:]
        block = self._rest + piece
        end = block.rfind(b"\n") + 1
        self._read_lines(block[:end])
        self._rest = block[end:]
        if len(self._rest) > _MAX_LINE_BYTES:
            self._rest, self._skipping = self._rest[:_MAX_LINE_BYTES], True

    def finish(self) -> LogSummary:
        if self._rest:
            self._lines += 1
            self._read_lines(self._rest)
        return LogSummary(
            self._size,
            self._lines,
            self._errors,
            self._warnings,
            tuple(self._error_lines),
            tuple(self._hook_lines),
            self._hook_lines_left_out,
            self._cut_tail(),
        )

    def _keep_tail(self, piece: bytes) -> None:
        self._tail.append(piece)
        self._tail_bytes += len(piece)
        while self._tail_bytes - len(self._tail[0]) > MAX_TAIL_BYTES:
            self._tail_bytes -= len(self._tail.popleft())

    def _cut_tail(self) -> bytes:
        tail = b"".join(self._tail)
        self._tail.clear()
        start = len(tail) - MAX_TAIL_BYTES
        if start <= 0:
            return tail
        return tail[tail.find(b"\n", start - 1, -1) + 1 or start :]

    def _read_lines(self, block: bytes) -> None:
        at = start = end = 0
        while (found := _LEVEL.search(block, at)) is not None:
            if found.start() >= end:
                start, end = _line_at(block, found.start())
            at = found.end()
            if _is_level_of_line(block, start, found):
                self._count(found[1], block[start:end])
                at = end
        at = 0
        while (found := _HOOK_LINE.search(block, at)) is not None:
            start, end = _line_at(block, found.start())
            self._keep_hook_line(block[start:end])
            at = end

    def _count(self, level: bytes, line: bytes) -> None:
        if level == b"warn":
            self._warnings += 1
            return
        self._errors += 1
        if len(self._error_lines) < MAX_ERROR_LINES:
            cut = " …" if len(line) > _MAX_ERROR_LINE_BYTES else ""
            self._error_lines.append(line[:_MAX_ERROR_LINE_BYTES].decode(errors="replace") + cut)

    def _keep_hook_line(self, line: bytes) -> None:
        if self._hook_bytes + len(line) > MAX_HOOK_BYTES:
            self._hook_lines_left_out += 1
            return
        self._hook_bytes += len(line)
        self._hook_lines.append(line.decode(errors="replace"))


def _is_level_of_line(block: bytes, start: int, found: re.Match[bytes]) -> bool:
    """Tell the line's own level from the same words in a message. The cost doesn't depend on the length of the line."""
    at = found.start()
    if b'"' in found[0]:
        return block.startswith(b"{", start) and block[at - 2 : at] in {b'{"', b',"', b' "'}
    return at - start <= _MAX_TIME_BYTES and _TIME.fullmatch(block, start, at) is not None


def _line_at(block: bytes, position: int) -> tuple[int, int]:
    end = block.find(b"\n", position)
    return block.rfind(b"\n", 0, position) + 1, len(block) if end < 0 else end


def summarize_log(body: bytes) -> LogSummary:
    reader = LogReader()
    reader.feed(body)
    return reader.finish()
