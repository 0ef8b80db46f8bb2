"""What was seen in a cluster, and what is handed over at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from msgspec import Struct

V = TypeVar("V")


class Change(StrEnum):
    """`added` and `modified` against what the consumer knows. `gone`: missing from a list; how it ended was not seen."""

    ADDED = "added"
    MODIFIED = "modified"
    DELETED = "deleted"
    GONE = "gone"


class Observation(Struct, Generic[V], frozen=True, gc=False):
    """`value` is the last state; None when `gone`."""

    change: Change
    resource: str
    uid: str
    name: str
    value: V | None


@dataclass(frozen=True, slots=True)
class Batch(Generic[V]):
    """Commit the observations together with `resource_version`, then ask for the next: that is the acknowledgement.

    While a list is under way it carries the place before the list, so that a crash in between lists again.
    `complete` marks the end of a list: everything there is has been seen.
    """

    observations: tuple[Observation[V], ...]
    resource_version: str
    complete: bool = False
