"""Applies resource modifiers to an object as Velero would. Pure. Source: velero 1.18 internal/resourcemodifiers."""

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
"""The API groups in the Velero server's scheme (pkg/cmd/server/server.go); it can merge lists only for these."""
_RULE_ERRORS = (CannotApply, UsageError, BadDocument, KeyError, TypeError)
"""Rules are untrusted text: any of these errors is reported as an error of the rule."""


@dataclass(frozen=True, slots=True)
class Modified:
    """The modified object, and the numbers of the rules that were applied, matched its groupResource, or failed.

    Velero counts each of `errors` as an error and restores the object without that rule.
    """

    item: Json
    applied: tuple[int, ...] = ()
    matched: tuple[int, ...] = ()
    failing: tuple[int, ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Modifiers:
    rules: tuple[Json, ...] = ()

    def apply_to(self, item: Json, resource: str) -> Modified:
        """Conditions are tested on the object before any rule, in its original namespace."""
        current = item
        applied, matched, failing, errors = [], [], [], []
        for number, rule in enumerate(self.rules, start=1):
            try:
                conditions = section(rule, "conditions")
                if _globbed(text(conditions, "groupResource"), resource):
                    matched.append(number)
                if not matches_conditions(conditions, item, resource):
                    continue
                current = _patched(current, rule)
            except _RULE_ERRORS as error:
                failing.append(number)
                errors.append(f"rule {number} of the resource modifiers can't be applied: {error}")
            else:
                applied.append(number)
        return Modified(current, tuple(applied), tuple(matched), tuple(failing), tuple(errors))


def parse_modifiers(data: Mapping[str, Any]) -> Modifiers | None:
    """None if Velero couldn't read the ConfigMap either."""
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
    """A single star doesn't match a dot: `*` matches `configmaps` but not `deployments.apps`."""
    parts = re.split(r"(\*+|\?)", pattern)
    wildcards = {"*": "[^.]*", "?": "[^.]"}
    return "".join(wildcards.get(part, ".*" if part.startswith("**") else re.escape(part)) for part in parts)


def _patched(item: Json, rule: Json) -> Json:
    try:
        patched = apply_json_patch(item, [_operation(patch) for patch in items(rule, "patches")])
    except TestFailed:
        return item
    version = text(item, "apiVersion")
    if rule.get("strategicPatches") and version.rpartition("/")[0] not in _STRATEGIC_GROUPS:
        raise CannotApply(f"Velero has no strategic patch for {text(item, 'kind')} ({version}); use mergePatches")
    for key, merge in (("mergePatches", merge_patch), ("strategicPatches", strategic_merge)):
        for patch in items(rule, key):
            patched = merge(patched, read_yaml(text(patch, "patchData"), CONFIG_MAP_BOUNDS))
    if not isinstance(patched, dict):
        raise CannotApply("the result isn't an object")
    return patched


def _operation(patch: Json) -> Json:
    given = {"op": patch.get("operation"), "path": patch.get("path"), "from": patch.get("from")}
    return {**given, "value": _value(patch.get("value", ""))}


def _value(text: Any) -> Any:
    """`7` is a number, `"7"` in quotes is a string, and text that isn't JSON is a string."""
    if not isinstance(text, str):
        return text
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    try:
        return read_json(text, CONFIG_MAP_BOUNDS)
    except ValueError:
        return text
