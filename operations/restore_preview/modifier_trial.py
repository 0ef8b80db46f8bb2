"""Resource modifiers, tried on what a backup holds: what each field becomes, what fails, what means nothing. Pure.

Velero restores an object unpatched where a patch fails, and says nothing of a rule that matches no kind.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from domain.json_types import Json
from operations.restore_preview.modifiers import Modified, Modifiers
from velero.fields import section, text

MAX_CHANGES = 500
_LONGEST = 120
_ABSENT = object()
_NEAREST = 5


@dataclass(slots=True)
class ModifierTrial:
    """Filled while the archive is walked."""

    resources: set[str] = field(default_factory=set)
    named: set[int] = field(default_factory=set)
    applied: set[int] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    """What is wrong → the first object that it is wrong for."""
    changes: list[str] = field(default_factory=list)

    def record(self, resource: str, place: str, before: Json, modified: Modified) -> None:
        self.resources.add(resource)
        self.named.update(modified.named)
        self.applied.update(modified.rules)
        for fault in modified.faults:
            self.failed.setdefault(fault, place)
        if modified.rules and len(self.changes) < MAX_CHANGES:
            hidden = resource == "secrets"
            self.changes += [f"{place}: {line}" for line in describe_changes(before, modified.item, hidden=hidden)]

    def refusals(self, modifiers: Modifiers) -> tuple[str, ...]:
        """Why the modifiers as they stand must not run."""
        failing = (
            f"{place}: {fault}. Velero would restore it unmodified." for fault, place in sorted(self.failed.items())
        )
        return (*failing, *(self._meaningless(*each) for each in self._of(modifiers, self.named)))

    def rules_without_match(self, modifiers: Modifiers) -> tuple[str, ...]:
        """Rules that name a kind which is restored, and whose other conditions hold for none of it."""
        failing = {fault.partition(" of ")[0] for fault in self.failed}
        return tuple(
            f"Rule {number} of the resource modifiers changes nothing: its conditions hold for no {named} here."
            for number, named in self._of(modifiers, self.applied)
            if number in self.named and f"rule {number}" not in failing
        )

    def _of(self, modifiers: Modifiers, but: set[int]) -> Iterator[tuple[int, str]]:
        for number, rule in enumerate(modifiers.rules, start=1):
            if number not in but:
                yield number, text(section(rule, "conditions"), "groupResource")

    def _meaningless(self, number: int, named: str) -> str:
        stem = named.lower().rpartition("/")[2].partition(".")[0].rstrip("s")
        near = sorted(each for each in self.resources if stem and each.partition(".")[0].rstrip("s") == stem)
        there = ", ".join(near or sorted(self.resources)[:_NEAREST])
        return (
            f"Rule {number} of the resource modifiers matches nothing that is restored: groupResource {named!r} is no "
            f"`plural.group` of it. {'Meant' if near else 'There'}: {there or 'nothing'}."
        )


def describe_changes(before: Any, after: Any, path: str = "", *, hidden: bool = False) -> Iterator[str]:
    """`spec.replicas: 3 → 0`, one line for each field that differs. `hidden`: without values."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}, key=str):
            at = f"{path}.{key}" if path else str(key)
            yield from describe_changes(before.get(key, _ABSENT), after.get(key, _ABSENT), at, hidden=hidden)
    elif before is _ABSENT or after is _ABSENT or before != after or type(before) is not type(after):
        told = "changed" if hidden else f"{_told(before)} → {_told(after)}"
        yield f"{path}: {told}"


def _told(value: Any) -> str:
    if value is _ABSENT:
        return "absent"
    shown = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"
