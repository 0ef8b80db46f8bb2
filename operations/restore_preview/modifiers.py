"""What resource modifiers make of an object on its way back. Pure. Source: velero 1.18 internal/resourcemodifiers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from commands.restore.source import pattern_of
from domain.errors import UsageError
from domain.json_types import Json
from domain.selectors import selector_matches
from operations.restore_preview.patches import CannotApply, TestFailed, apply_json_patch, merge_patch, strategic_merge
from velero.documents import CONFIG_MAP_BOUNDS, BadDocument, read_json, read_yaml
from velero.fields import items, section, strings, text

_STRATEGIC_GROUPS = frozenset({"", "apps", "batch", "snapshot.storage.k8s.io", "velero.io"})
"""What Velero's server has in its scheme (pkg/cmd/server/server.go); it knows how to merge lists of nothing else."""
_UNREADABLE = (CannotApply, UsageError, BadDocument, KeyError, TypeError)
"""Somebody else's text: whatever is wrong in a rule is a fault of that rule."""


@dataclass(frozen=True, slots=True)
class Modified:
    """`faults` are what Velero counts as errors; the object is restored all the same, unpatched by that rule.

    `named`: rules whose groupResource means this kind; `rules`: those whose other conditions hold too, and that were applied.
    """

    item: Json
    rules: tuple[int, ...] = ()
    named: tuple[int, ...] = ()
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Modifiers:
    rules: tuple[Json, ...] = ()

    def apply_to(self, item: Json, resource: str) -> Modified:
        """Conditions speak of the object before any rule, in the namespace that it came from."""
        made, done, named, faults = item, [], [], []
        for number, rule in enumerate(self.rules, start=1):
            try:
                conditions = section(rule, "conditions")
                if _globbed(text(conditions, "groupResource"), resource):
                    named.append(number)
                if not matches_conditions(conditions, item, resource):
                    continue
                made = _patched(made, rule)
            except _UNREADABLE as error:
                faults.append(f"rule {number} of the resource modifiers can't be applied: {error}")
            else:
                done.append(number)
        return Modified(made, tuple(done), tuple(named), tuple(faults))


def parse_modifiers(data: Mapping[str, Any]) -> Modifiers | None:
    """None where Velero could not read it either."""
    if len(data) != 1:
        return None
    try:
        found = read_yaml(str(next(iter(data.values()))), CONFIG_MAP_BOUNDS)
    except BadDocument:
        return None
    rules = found.get("resourceModifierRules") if isinstance(found, dict) else None
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        return None
    return Modifiers(tuple(rules))


def matches_conditions(conditions: Json, item: Json, resource: str) -> bool:
    meta = section(item, "metadata")
    namespace, namespaces = text(meta, "namespace"), strings(conditions, "namespaces")
    if namespace and namespaces and not any(_globbed(one, namespace) for one in namespaces):
        return False
    if not _globbed(text(conditions, "groupResource"), resource):
        return False
    named = text(conditions, "resourceNameRegex")
    if named and not pattern_of(named).matches_part(text(meta, "name")):
        return False
    selector = conditions.get("labelSelector")
    if isinstance(selector, dict) and not selector_matches(selector, section(meta, "labels")):
        return False
    return _holds(item, items(conditions, "matches"))


def _holds(item: Json, tests: list[Json]) -> bool:
    try:
        apply_json_patch(
            item, [{"op": "test", "path": one.get("path"), "value": _value(one.get("value", ""))} for one in tests]
        )
    except (TestFailed, CannotApply):
        return False
    return True


def _globbed(pattern: str, name: str) -> bool:
    return pattern_of(_as_regex(pattern)).matches_all(name)


def _as_regex(pattern: str) -> str:
    """A single star stops at a dot: `*` means `configmaps` and not `deployments.apps`."""
    parts = re.split(r"(\*+|\?)", pattern)
    signs = {"*": "[^.]*", "?": "[^.]"}
    return "".join(signs.get(part, ".*" if part.startswith("**") else re.escape(part)) for part in parts)


def _patched(item: Json, rule: Json) -> Json:
    try:
        made = apply_json_patch(item, [_operation(patch) for patch in items(rule, "patches")])
    except TestFailed:
        return item
    version = text(item, "apiVersion")
    if rule.get("strategicPatches") and version.rpartition("/")[0] not in _STRATEGIC_GROUPS:
        raise CannotApply(f"Velero knows no strategic patch of {text(item, 'kind')} ({version}): use mergePatches")
    for ways, laid in (("mergePatches", merge_patch), ("strategicPatches", strategic_merge)):
        for patch in items(rule, ways):
            made = laid(made, read_yaml(text(patch, "patchData"), CONFIG_MAP_BOUNDS))
    if not isinstance(made, dict):
        raise CannotApply("the result isn't an object")
    return made


def _operation(patch: Json) -> Json:
    given = {"op": patch.get("operation"), "path": patch.get("path"), "from": patch.get("from")}
    return {**given, "value": _value(patch.get("value", ""))}


def _value(text: Any) -> Any:
    """`7` is a number, `"7"` in quotes a string, and so is what is no JSON."""
    if not isinstance(text, str):
        return text
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    try:
        return read_json(text, CONFIG_MAP_BOUNDS)
    except ValueError:
        return text
