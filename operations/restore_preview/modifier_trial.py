"""Tries resource modifiers on the objects of a backup: which fields change, which rules fail or match nothing. Pure.

Velero restores an object unmodified if a patch fails, and ignores a rule that matches no resource. Both are reported here
before the restore runs.
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
_MAX_VALUE_LENGTH = 120
_MISSING = object()
_MAX_NEAREST = 5


@dataclass(slots=True)
class ModifierTrial:
    """Collects the results while the archive is read. Rules are counted from 1."""

    resources: set[str] = field(default_factory=set)
    matched: set[int] = field(default_factory=set)
    """Rules whose groupResource matches a restored object."""
    applied: set[int] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    """Each error with the first object that it occurs for."""
    failing: set[int] = field(default_factory=set)
    changes: list[str] = field(default_factory=list)

    def record(self, resource: str, subject: str, before: Json, modified: Modified) -> None:
        self.resources.add(resource)
        self.matched.update(modified.matched)
        self.applied.update(modified.applied)
        self.failing.update(modified.failing)
        for error in modified.errors:
            self.failed.setdefault(error, subject)
        if modified.applied and len(self.changes) < MAX_CHANGES:
            hidden = resource == "secrets"
            self.changes += [f"{subject}: {line}" for line in describe_changes(before, modified.item, hidden=hidden)]

    def refusals(self, modifiers: Modifiers) -> tuple[str, ...]:
        """Why the restore must not run with these modifiers; empty if it may."""
        failing = (
            f"{subject}: {error}. Velero would restore it unmodified." for error, subject in sorted(self.failed.items())
        )
        return (*failing, *(self._no_match(*each) for each in _rules_except(modifiers, self.matched)))

    def rules_without_match(self, modifiers: Modifiers) -> tuple[str, ...]:
        """Rules whose groupResource is restored, but whose other conditions match none of its objects."""
        return tuple(
            f"Rule {number} of the resource modifiers changes nothing: no {resource} in this restore meets its conditions."
            for number, resource in _rules_except(modifiers, self.applied)
            if number in self.matched and number not in self.failing
        )

    def _no_match(self, number: int, named: str) -> str:
        stem = named.lower().rpartition("/")[2].partition(".")[0].rstrip("s")
        near = sorted(each for each in self.resources if stem and each.partition(".")[0].rstrip("s") == stem)
        restored = ", ".join(near or sorted(self.resources)[:_MAX_NEAREST]) or "nothing"
        return f"Rule {number} of the resource modifiers matches nothing in this restore: groupResource `{named}`. " + (
            f"Did you mean {restored}?" if near else f"Restored resources: {restored}."
        )


def _rules_except(modifiers: Modifiers, numbers: set[int]) -> Iterator[tuple[int, str]]:
    """The rules with other numbers, each with its groupResource."""
    for number, rule in enumerate(modifiers.rules, start=1):
        if number not in numbers:
            yield number, text(section(rule, "conditions"), "groupResource")


def describe_changes(before: Any, after: Any, path: str = "", *, hidden: bool = False) -> Iterator[str]:
    """`spec.replicas: 3 → 0`, one line for each field that differs. `hidden` omits the values."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}, key=str):
            at = f"{path}.{key}" if path else str(key)
            yield from describe_changes(before.get(key, _MISSING), after.get(key, _MISSING), at, hidden=hidden)
    elif before is _MISSING or after is _MISSING or before != after or type(before) is not type(after):
        change = "changed" if hidden else f"{_format_value(before)} → {_format_value(after)}"
        yield f"{path}: {change}"


def _format_value(value: Any) -> str:
    if value is _MISSING:
        return "(missing)"
    shown = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return shown if len(shown) <= _MAX_VALUE_LENGTH else f"{shown[:_MAX_VALUE_LENGTH]}…"
