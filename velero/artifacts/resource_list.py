"""Parses the list of objects in a backup or restore (BackupResourceList, RestoreResourceList)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from domain.errors import DownloadError
from velero.artifacts.results import parse_json


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


def resources_of(body: bytes) -> tuple[ListedItem, ...]:
    parsed = parse_json(body, "The resource list")
    if not isinstance(parsed, dict):
        raise DownloadError("The resource list can't be read.", why="it isn't a JSON object")
    return tuple(
        _listed(key, item)
        for key, found in parsed.items()
        if isinstance(found, list)
        for item in found
        if isinstance(item, str)
    )


def _listed(key: str, item: str) -> ListedItem:
    api_version, _, kind = key.rpartition("/")
    outcome = ItemOutcome.NONE
    if (found := _OUTCOME.fullmatch(item)) is not None:
        item, outcome = found[1], ItemOutcome(found[2])
    namespace, _, name = item.rpartition("/")
    return ListedItem(api_version, kind, namespace, name, outcome)


def outcomes(listed: Iterable[ListedItem]) -> Counter[ItemOutcome]:
    return Counter(one.outcome for one in listed)
