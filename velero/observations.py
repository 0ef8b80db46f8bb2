"""Changes of objects in a cluster, and batches of them for one commit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from msgspec import Struct

V = TypeVar("V")


class Change(StrEnum):
    """`added` and `modified` compare with what the consumer knows. `gone` is missing from a list; its last state is unknown."""

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
    """Commit the observations together with `resource_version`; requesting the next batch acknowledges this one.

    During a list, `resource_version` is the one from before the list, so that the list starts again after a crash.
    `complete` marks the end of a list: the consumer has seen every object.
    """

    observations: tuple[Observation[V], ...]
    resource_version: str
    complete: bool = False
