"""Current and past versions of objects: one table per kind, each change with its revision."""

import json
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from domain.json_types import Json
from sandbox.kubernetes.schemas.kinds import Kind

Key = tuple[str, str]  # namespace, name
ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]

KEPT_CHANGES = 100_000


class Version:
    """One immutable version of an object; its JSON is encoded at most once."""

    __slots__ = ("_builtin", "_bytes", "_item", "object", "revision")

    def __init__(self, item: Json, revision: int, *, builtin: bool) -> None:
        self.object = item
        self.revision = revision
        self._builtin = builtin
        self._bytes: bytes | None = None
        self._item: bytes | None = None

    def encoded(self) -> bytes:
        if self._bytes is None:
            self._bytes = json.dumps(self.object, separators=(",", ":"), ensure_ascii=False).encode()
        return self._bytes

    def encoded_item(self) -> bytes:
        """Return the JSON of an item in a list: built-in types leave out kind and version there."""
        if not self._builtin:
            return self.encoded()
        if self._item is None:
            bare = {k: v for k, v in self.object.items() if k not in {"kind", "apiVersion"}}
            self._item = json.dumps(bare, separators=(",", ":"), ensure_ascii=False).encode()
        return self._item


@dataclass(frozen=True, slots=True)
class Change:
    type: ChangeType
    resource: str
    key: Key
    version: Version
    old: Version | None

    @property
    def revision(self) -> int:
        return self.version.revision


class Table:
    """All objects of one kind."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.now: dict[Key, Version] = {}
        self.keys: list[Key] = []
        self.changes: list[Change] = []
        self.listable_from = 0  # the oldest revision that a list can still show
        self.watchable_from = 0  # the oldest revision that a watch can start at
        self.listeners: list[Callable[[Change], None]] = []

    def record(self, change: Change) -> None:
        if change.type == "DELETED":
            del self.now[change.key]
            del self.keys[bisect_left(self.keys, change.key)]
        else:
            if change.key not in self.now:
                insort(self.keys, change.key)
            self.now[change.key] = change.version
        self.changes.append(change)
        if len(self.changes) > KEPT_CHANGES:
            self._forget_half()
        for listener in tuple(self.listeners):
            listener(change)

    def _forget_half(self) -> None:
        half = len(self.changes) // 2
        oldest = self.changes[half - 1].revision
        del self.changes[:half]
        self.listable_from = max(self.listable_from, oldest)
        self.watchable_from = max(self.watchable_from, oldest)

    def since(self, revision: int) -> list[Change]:
        return self.changes[bisect_right(self.changes, revision, key=lambda c: c.revision) :]

    def at(self, revision: int) -> tuple[list[Key], dict[Key, Version]]:
        """Return the sorted keys and the objects at a revision."""
        later = self.since(revision)
        if not later:
            return self.keys, self.now
        then = dict(self.now)
        for change in reversed(later):
            if change.old is None:
                then.pop(change.key, None)
            else:
                then[change.key] = change.old
        return sorted(then), then
