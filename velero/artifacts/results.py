"""Parses the errors and warnings of a backup or restore (BackupResults, RestoreResults), and groups equal messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from domain.errors import DownloadError
from domain.json_types import Json
from velero.documents import ARTIFACT_BOUNDS, BadDocument, read_json
from velero.fields import section

_MAX_ENTRIES = 20_000
_MAX_ENTRY_LENGTH = 4_000
_MARKS = (("resource", " resource: /"), ("name", " name: /"), ("message", " message: /"), ("error", " error: /"))
_FREE_TEXT_PATTERNS = (
    re.compile(r'could not restore, (?P<kind>[\w.]+)(?::| ")(?P<name>[^\s"]+)"? (?P<text>already exists.*)'),
    re.compile(r"error restoring (?P<kind>[\w.-]+)/(?:[^/\s]+/)?(?P<name>[^/\s]+): (?P<text>.*)"),
    re.compile(r'(?P<kind>[A-Z][\w.]*) "(?P<name>[^"]+)" is invalid: (?P<text>.*)'),
)


@dataclass(frozen=True, slots=True)
class ResultEntry:
    """`scope` is a namespace, or empty for the cluster and Velero itself; `detail` holds the lines after the first."""

    scope: str
    resource: str
    name: str
    message: str
    detail: str = ""

    @property
    def subject(self) -> str:
        where = f"{self.scope}/{self.name}" if self.scope and self.name else self.name or self.scope
        return " ".join(part for part in (self.resource, where) if part)


@dataclass(frozen=True, slots=True)
class Group:
    """The same message about several objects."""

    message: str
    entries: tuple[ResultEntry, ...]


@dataclass(frozen=True, slots=True)
class Results:
    errors: tuple[ResultEntry, ...] = ()
    warnings: tuple[ResultEntry, ...] = ()


def results_of(body: bytes) -> Results:
    parsed = parse_json(body, "The error list")
    if not isinstance(parsed, dict):
        raise DownloadError("The error list can't be read.", why="it isn't a JSON object")
    return Results(_entries(section(parsed, "errors")), _entries(section(parsed, "warnings")))


def group_by_message(entries: tuple[ResultEntry, ...]) -> tuple[Group, ...]:
    """Group by message, largest group first; entries keep Velero's order."""
    groups: dict[str, list[ResultEntry]] = {}
    for entry in entries:
        groups.setdefault(entry.message, []).append(entry)
    return tuple(
        Group(message, tuple(found)) for message, found in sorted(groups.items(), key=lambda item: -len(item[1]))
    )


def parse_json(body: bytes, what: str) -> object:
    try:
        parsed: object = read_json(body, ARTIFACT_BOUNDS)
    except BadDocument as error:
        raise DownloadError(f"{what} can't be read.", why=str(error)) from error
    return parsed


def _entries(source: Json) -> tuple[ResultEntry, ...]:
    lines = [("", line) for key in ("velero", "cluster") for line in _lines(source.get(key))]
    for namespace, found in section(source, "namespaces").items():
        lines += [(namespace, line) for line in _lines(found)]
    return tuple(_entry(scope, line[:_MAX_ENTRY_LENGTH]) for scope, line in lines[:_MAX_ENTRIES])


def _lines(found: object) -> Iterator[str]:
    if isinstance(found, list):
        yield from (line for line in found if isinstance(line, str))


def _entry(scope: str, line: str) -> ResultEntry:
    if line.startswith(" "):
        return _entry_with_marks(scope, line)
    first, _, rest = line.partition("\n")
    for pattern in _FREE_TEXT_PATTERNS:
        if (found := pattern.fullmatch(first)) is not None:
            return ResultEntry(scope, found["kind"], found["name"], found["text"], rest.strip("\n"))
    return ResultEntry(scope, "", "", first, rest.strip("\n"))


def _entry_with_marks(scope: str, line: str) -> ResultEntry:
    """Parse an entry of Velero's log hook: ` resource: /pods name: /web-0 message: /Error backing up item error: /…`."""
    parts = dict.fromkeys(("resource", "name", "message", "error"), "")
    last, rest = "", line
    for field, mark in _MARKS:
        before, found, after = rest.partition(mark)
        if not found:
            continue
        if last:
            parts[last] = before
        last, rest = field, after
    if not last:
        return ResultEntry(scope, "", "", line.strip())
    parts[last] = rest
    text = ": ".join(part for part in (parts["message"], parts["error"]) if part)
    first, _, detail = text.partition("\n")
    return ResultEntry(scope, parts["resource"], parts["name"], first.strip(), detail.strip("\n"))
