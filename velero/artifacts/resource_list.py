"""Parses the list of objects in a backup or restore (BackupResourceList, RestoreResourceList)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from domain.errors import DownloadError
from velero.documents import ARTIFACT_BOUNDS, MESSAGE_BOUNDS, read_json


class ItemOutcome(StrEnum):
    """FAILED alone isn't an error: it also marks objects that already exist and differ. Errors are in Results."""

    NONE = ""
    CREATED = "created"
    UPDATED = "updated"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class ListedItem:
    api_version: str
    kind: str
    namespace: str
    name: str
    outcome: ItemOutcome = ItemOutcome.NONE


_OUTCOME = re.compile(r"(.*)\((created|updated|failed|skipped)\)", re.DOTALL)


_BEGIN = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{\s*(\}\s*\Z)?")
_KEY = re.compile(rb'\s*"([^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+)"\s*:\s*(?:\[\s*(\])?|(null))')
_ITEM = re.compile(rb'\s*"([^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+)"\s*([,\]])')
_NEXT = re.compile(rb"\s*(,|\}\s*\Z)")


class ResourceList(Collection[ListedItem]):
    """The items of a list, parsed while they are iterated: parsed at once, 200,000 of them take ten times the memory.

    Raises DownloadError only when it is created. Parsing is done step by step, so that a thread that does it never holds
    up the event loop.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        if len(body) > ARTIFACT_BOUNDS.size:
            raise _unreadable(f"it has {len(body)} bytes; the limit is {ARTIFACT_BOUNDS.size}")
        self._length = 0
        for _ in self:
            self._length += 1
            if self._length > ARTIFACT_BOUNDS.values:
                raise _unreadable(f"it has more than {ARTIFACT_BOUNDS.values} values")

    def __len__(self) -> int:
        return self._length

    def __contains__(self, item: object) -> bool:
        return any(item == one for one in self)

    def __iter__(self) -> Iterator[ListedItem]:
        begin = _expect(_BEGIN, self._body, 0)
        at, is_last = begin.end(), begin[1] is not None
        while not is_last:
            key = _expect(_KEY, self._body, at)
            at = key.end()
            if key[2] is None and key[3] is None:
                api_version, _, kind = _text(key[1]).rpartition("/")
                closing = b","
                while closing == b",":
                    item = _expect(_ITEM, self._body, at)
                    at, closing = item.end(), item[2]
                    yield _listed(api_version, kind, _text(item[1]))
            end = _expect(_NEXT, self._body, at)
            at, is_last = end.end(), end[1] != b","


def resources_of(body: bytes) -> ResourceList:
    return ResourceList(body)


def _expect(pattern: re.Pattern[bytes], body: bytes, at: int) -> re.Match[bytes]:
    found = pattern.match(body, at)
    if found is None:
        raise _unreadable("it isn't a JSON object that lists names by kind")
    return found


def _text(raw: bytes) -> str:
    try:
        return raw.decode() if b"\\" not in raw else str(read_json(b'"' + raw + b'"', MESSAGE_BOUNDS))
    except ValueError as error:
        raise _unreadable("it isn't valid JSON") from error


def _unreadable(why: str) -> DownloadError:
    return DownloadError("The resource list can't be read.", why=why)


def _listed(api_version: str, kind: str, item: str) -> ListedItem:
    outcome = ItemOutcome.NONE
    if item.endswith(")") and (found := _OUTCOME.fullmatch(item)) is not None:
        item, outcome = found[1], ItemOutcome(found[2])
    namespace, _, name = item.rpartition("/")
    return ListedItem(api_version, kind, namespace, name, outcome)


def outcomes(listed: Iterable[ListedItem]) -> Counter[ItemOutcome]:
    return Counter(one.outcome for one in listed)
