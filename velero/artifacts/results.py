"""What went wrong in a run, line by line (BackupResults, RestoreResults), in groups that people can read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from domain.errors import DownloadError
from domain.json_types import Json
from velero.documents import ARTIFACT_BOUNDS, BadDocument, read_json
from velero.fields import section

_MOST = 20_000
_LONGEST = 4_000
_MARKS = (("resource", " resource: /"), ("name", " name: /"), ("message", " message: /"), ("error", " error: /"))
_FREE_TEXTS = (
    re.compile(r'could not restore, (?P<kind>[\w.]+)(?::| ")(?P<name>[^\s"]+)"? (?P<text>already exists.*)'),
    re.compile(r"error restoring (?P<kind>[\w.-]+)/(?:[^/\s]+/)?(?P<name>[^/\s]+): (?P<text>.*)"),
    re.compile(r'(?P<kind>[A-Z][\w.]*) "(?P<name>[^"]+)" is invalid: (?P<text>.*)'),
)


@dataclass(frozen=True, slots=True)
class ResultEntry:
    """`scope` is a namespace, or empty for the cluster's and Velero's own; `detail` the lines after the first."""

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
    """The same thing said of several objects."""

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
    """Largest group first; within one, in Velero's order."""
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
    return tuple(_entry(scope, line[:_LONGEST]) for scope, line in lines[:_MOST])


def _lines(found: object) -> Iterator[str]:
    if isinstance(found, list):
        yield from (line for line in found if isinstance(line, str))


def _entry(scope: str, line: str) -> ResultEntry:
    if line.startswith(" "):
        return _marked(scope, line)
    first, _, rest = line.partition("\n")
    for pattern in _FREE_TEXTS:
        if (found := pattern.fullmatch(first)) is not None:
            return ResultEntry(scope, found["kind"], found["name"], found["text"], rest.strip("\n"))
    return ResultEntry(scope, "", "", first, rest.strip("\n"))


def _marked(scope: str, line: str) -> ResultEntry:
    """As Velero's log hook writes it: ` resource: /pods name: /web-0 message: /Error backing up item error: /…`."""
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
    said = ": ".join(part for part in (parts["message"], parts["error"]) if part)
    first, _, detail = said.partition("\n")
    return ResultEntry(scope, parts["resource"], parts["name"], first.strip(), detail.strip("\n"))
