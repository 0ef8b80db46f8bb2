"""Parses Velero's log of a backup or restore (logrus text or JSON), and collects the output of its hooks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from velero.documents import MESSAGE_BOUNDS, BadDocument, read_json
from velero.fields import parse_timestamp

_MAX_LINE_BYTES = 1 << 20
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
    """One run of a hook. `errors` are Velero's messages about it; without output, it printed nothing or never ran."""

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
    """Splits bytes into lines. A hook's whole output is one line, so lines can be long; above 1 MiB the rest is dropped."""

    def __init__(self, longest: int = _MAX_LINE_BYTES) -> None:
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
    """Parse a line; None if it has neither of logrus' formats."""
    line = raw.strip()
    if line.startswith("{"):
        fields = _from_json(line)
    else:
        fields = {key: _unquote(quoted) if quoted else bare for key, quoted, bare in _PAIR.findall(line)}
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


def _unquote(quoted: str) -> str:
    return _ESCAPE.sub(lambda found: _PLAIN.get(found[1]) or chr(int(found[1][1:], 16)), quoted)


def hook_runs(lines: Iterable[LogLine]) -> tuple[HookRun, ...]:
    """Collect the hook runs of a log.

    Velero logs `running exec hook`, then `stdout: …` and `stderr: …` with the same keys; errors have fewer keys. Velero
    1.18 names no pod there: the order separates two runs of one hook, and a later error names the pod.
    """
    runs: list[HookRun] = []
    for line in lines:
        if line.message == "running exec hook":
            runs.append(_start_run(line.fields))
        elif (at := _find_run(runs, line)) is not None:
            runs[at] = _add_line(runs[at], line)
    return tuple(runs)


def _start_run(fields: Mapping[str, str]) -> HookRun:
    attributes: dict[str, Any] = {attribute: fields.get(key, "") for attribute, key in _HOOK_KEYS.items()}
    return HookRun(**attributes)


def _find_run(runs: list[HookRun], line: LogLine) -> int | None:
    """Return the index of the last run that has the same values for all keys of the line."""
    if _POD_FAILED.fullmatch(line.message):
        return next((at for at in reversed(range(len(runs))) if not runs[at].pod), None)
    if "hookPhase" not in line.fields:
        return None
    keys = [(attribute, line.fields[key]) for attribute, key in _HOOK_KEYS.items() if key in line.fields]
    matching = (at for at in reversed(range(len(runs))) if all(getattr(runs[at], one) == value for one, value in keys))
    return next(matching, None)


def _add_line(run: HookRun, line: LogLine) -> HookRun:
    if _POD_FAILED.fullmatch(line.message):
        return replace(run, pod=line.fields.get("name", ""))
    for stream in ("stdout", "stderr"):
        if line.message.startswith(f"{stream}: "):
            before, output = getattr(run, stream), line.message.removeprefix(f"{stream}: ")
            more: dict[str, Any] = {stream: "\n".join(part for part in (before, output) if part)}
            return replace(run, **more)
    if line.is_error or line.level == "warning":
        error = ": ".join(part for part in (line.message, line.fields.get("error", "")) if part)
        return replace(run, errors=(*run.errors, error))
    return run
