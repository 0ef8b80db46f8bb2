"""Velero's own log of a run: logrus' text or JSON, line by line, with what its hooks printed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from velero.documents import MESSAGE_BOUNDS, BadDocument, read_json
from velero.fields import parse_timestamp

_LONGEST = 1 << 20
# The lookbehind keeps a megabyte without a single `=` from being scanned once per character.
_PAIR = re.compile(r'(?<![\w./-])([\w./-]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))')
_ESCAPE = re.compile(r'\\(n|t|r|"|\\|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4})')
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}
_HOOK_KEYS = {
    "namespace": "namespace",
    "pod": "name",
    "container": "hookContainer",
    "phase": "hookPhase",
    "source": "hookSource",
    "name": "hookName",
    "command": "hookCommand",
}
_POD_FAILED = re.compile(r"Error running (pre|post) hooks for pod")


@dataclass(frozen=True, slots=True)
class LogLine:
    at: datetime | None
    level: str
    message: str
    fields: Mapping[str, str]

    @property
    def is_error(self) -> bool:
        return self.level in {"error", "fatal", "panic"}


@dataclass(frozen=True, slots=True)
class HookRun:
    """`errors` are what Velero said of it; a hook whose output is empty printed nothing or never ran."""

    namespace: str
    pod: str
    container: str
    phase: str
    source: str
    name: str
    command: str
    stdout: str = ""
    stderr: str = ""
    errors: tuple[str, ...] = ()


class LineSplitter:
    """Bytes to lines. Lines may be very long (a hook's whole output is one); above 1 MiB the rest is dropped."""

    def __init__(self, longest: int = _LONGEST) -> None:
        self._longest = longest
        self._rest = bytearray()

    def feed(self, piece: bytes) -> Iterator[str]:
        *whole, rest = piece.split(b"\n")
        for part in whole:
            self._keep(part)
            yield self._line()
        self._keep(rest)

    def finish(self) -> Iterator[str]:
        if self._rest:
            yield self._line()

    def _keep(self, part: bytes) -> None:
        self._rest += part[: self._longest - len(self._rest)]

    def _line(self) -> str:
        line = self._rest.decode(errors="replace")
        self._rest.clear()
        return line


def parse_log_line(raw: str) -> LogLine | None:
    """None for what is neither of logrus' formats."""
    line = raw.strip()
    if line.startswith("{"):
        fields = _from_json(line)
    else:
        fields = {key: _unquoted(quoted) if quoted else bare for key, quoted, bare in _PAIR.findall(line)}
    if "msg" not in fields:
        return None
    level = fields.get("level", "")
    rest = {key: value for key, value in fields.items() if key not in {"time", "level", "msg"}}
    return LogLine(parse_timestamp(fields.get("time")), "warning" if level == "warn" else level, fields["msg"], rest)


def _from_json(line: str) -> dict[str, str]:
    try:
        parsed = read_json(line, MESSAGE_BOUNDS)
    except BadDocument:
        return {}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in parsed.items()}


def _unquoted(quoted: str) -> str:
    return _ESCAPE.sub(lambda found: _PLAIN.get(found[1]) or chr(int(found[1][1:], 16)), quoted)


def hook_runs(lines: Iterable[LogLine]) -> tuple[HookRun, ...]:
    """Velero writes `running exec hook`, then `stdout: …` and `stderr: …` with the same keys; errors carry fewer.

    A real 1.18 names no pod in them: two runs of one hook are told apart by their order, a pod by the error after it.
    """
    runs: list[HookRun] = []
    for line in lines:
        if line.message == "running exec hook":
            runs.append(_begun(line.fields))
        elif (at := _belongs(runs, line)) is not None:
            runs[at] = _noted(runs[at], line)
    return tuple(runs)


def _begun(fields: Mapping[str, str]) -> HookRun:
    named: dict[str, Any] = {attribute: fields.get(key, "") for attribute, key in _HOOK_KEYS.items()}
    return HookRun(**named)


def _belongs(runs: list[HookRun], line: LogLine) -> int | None:
    """The last run that agrees with every key which the line has."""
    if _POD_FAILED.fullmatch(line.message):
        return next((at for at in reversed(range(len(runs))) if not runs[at].pod), None)
    if "hookPhase" not in line.fields:
        return None
    keys = [(attribute, line.fields[key]) for attribute, key in _HOOK_KEYS.items() if key in line.fields]
    agree = (at for at in reversed(range(len(runs))) if all(getattr(runs[at], one) == value for one, value in keys))
    return next(agree, None)


def _noted(run: HookRun, line: LogLine) -> HookRun:
    if _POD_FAILED.fullmatch(line.message):
        return replace(run, pod=line.fields.get("name", ""))
    for stream in ("stdout", "stderr"):
        if line.message.startswith(f"{stream}: "):
            before, said = getattr(run, stream), line.message.removeprefix(f"{stream}: ")
            more: dict[str, Any] = {stream: "\n".join(part for part in (before, said) if part)}
            return replace(run, **more)
    if line.is_error or line.level == "warning":
        said = ": ".join(part for part in (line.message, line.fields.get("error", "")) if part)
        return replace(run, errors=(*run.errors, said))
    return run
