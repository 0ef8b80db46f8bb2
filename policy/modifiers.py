"""Computes what resource modifiers can touch: which fields of which kinds, parsed as Velero does and wider if in doubt.

Labels and annotations are harmless; every other field defines what an object does: commands, images, host access,
subjects. Source: velero 1.18 internal/resourcemodifiers. Velero builds JSON patches with a format string that doesn't
escape, and matches keys in any case: a document that it could read differently counts as a patch of everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from policy.kinds import full_resource_name, full_resource_names, is_canonical, is_cluster_scoped
from policy.reserved_labels import is_reserved

Patched = str
"""`deployments.apps /spec/replicas`: the kind that a condition names (`*`: a pattern of them) and the JSON pointer of the
field (empty: the whole object).
"""

EVERY_FIELD: frozenset[Patched] = frozenset({"* "})

RULE_KEYS = ("conditions", "patches", "mergePatches", "strategicPatches")
CONDITION_KEYS = ("groupResource", "namespaces", "resourceNameRegex", "labelSelector", "matches")
PATCH_KEYS = ("operation", "from", "path", "value")
PATCH_LISTS = ("patches", "mergePatches", "strategicPatches")
_MAX_DEPTH = 40


class ModifierReach(StrEnum):
    """How far modifiers may go: not at all, labels and annotations, any field."""

    NONE = "none"
    METADATA = "metadata"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class ModifierLimits:
    """The limits of a rule on modifiers. `kinds` and `paths` narrow it; None means not set."""

    most: ModifierReach
    kinds: frozenset[str] | None = None
    paths: tuple[str, ...] | None = None

    def permits(self, patched: Patched, own_kinds: frozenset[str] | None) -> bool:
        """Whether the limits permit this patch. `own_kinds` are the rule's kinds, used if the limit has none."""
        kind, _, path = patched.partition(" ")
        kinds = self.kinds if self.kinds is not None else own_kinds
        if self.most is ModifierReach.NONE or not _among(kind, kinds):
            return False
        if self.paths is not None and not any(_under(path, each) for each in self.paths):
            return False
        return self.most is ModifierReach.ANY or is_metadata(patched)

    def is_met_by(self, patched: Iterable[Patched]) -> bool:
        """Whether patches meet the limits as a condition: `any` is met beyond metadata, `metadata` by all, `none` by nothing."""
        return self.most is not ModifierReach.NONE and any(
            self._concerns(each) and (self.most is ModifierReach.METADATA or not is_metadata(each)) for each in patched
        )

    def _concerns(self, patched: Patched) -> bool:
        kind, _, path = patched.partition(" ")
        if kind != "*" and not _among(kind, self.kinds):
            return False
        return self.paths is None or any(_under(path, each) or _under(each, path) for each in self.paths)


def is_metadata(patched: Patched) -> bool:
    """Whether this patches one label or annotation of a namespace-scoped object, and none that controls Velero.

    Labels of a namespace decide what its pods may do, so cluster-scoped objects don't count.
    """
    kind, _, path = patched.partition(" ")
    if not is_canonical(kind) or is_cluster_scoped(kind):
        return False
    parts = path.split("/")
    key = parts[3].replace("~1", "/").replace("~0", "~") if len(parts) == 4 else ""
    return (
        parts[:2] == ["", "metadata"] and parts[2] in {"labels", "annotations"} and bool(key) and not is_reserved(key)
    )


def patched_fields(document: Any) -> frozenset[Patched]:
    """Return the fields that a modifier document patches, including parsed `patchData`. Unreadable parts patch everything."""
    if not isinstance(document, Mapping) or set(document) - {"version", "resourceModifierRules"}:
        return EVERY_FIELD
    rules = document.get("resourceModifierRules")
    if not isinstance(rules, list):
        return EVERY_FIELD
    return frozenset(each for rule in rules for each in _patched_by_rule(rule))


def _patched_by_rule(rule: Any) -> Iterator[Patched]:
    conditions = rule.get("conditions") if isinstance(rule, Mapping) else None
    if not isinstance(conditions, Mapping) or set(rule) - set(RULE_KEYS) or set(conditions) - set(CONDITION_KEYS):
        yield from EVERY_FIELD
        return
    named = conditions.get("groupResource")
    kind = named if isinstance(named, str) and is_canonical(named) else "*"
    for way in PATCH_LISTS:
        listed = rule.get(way) or []
        for patch in listed if isinstance(listed, list) else [None]:
            paths = _paths_of_patch(patch) if way == "patches" else _paths_of_data(patch)
            yield from (f"{kind} {path}" for path in paths)


def _paths_of_patch(patch: Any) -> Iterator[str]:
    if not is_plain_patch(patch):
        yield ""
        return
    operation, path = patch["operation"], patch["path"]
    if operation == "move":
        yield patch.get("from", "")
    if operation in {"add", "replace"} and path in {"/metadata/labels", "/metadata/annotations"}:
        value = patch.get("value", "")
        yield from (f"{path}/{_escaped(key)}" for key in value) if isinstance(value, dict) else (path,)
        if operation == "replace" or not isinstance(value, dict):
            yield path
    elif operation != "test":
        yield path


def is_plain_patch(patch: Any) -> bool:
    """Whether every text of the patch stays the same when Velero puts it between quotes without escaping."""
    if (
        not isinstance(patch, Mapping)
        or set(patch) - set(PATCH_KEYS)
        or not patch.get("operation")
        or not patch.get("path")
    ):
        return False
    quoted = (patch["operation"], patch["path"], patch.get("from", ""))
    value = patch.get("value", "")
    if not all(isinstance(each, str) for each in quoted) or not isinstance(value, str | int | float | dict | list):
        return False
    return all(_is_plain(each) for each in quoted) and (not isinstance(value, str) or _is_plain_value(value))


def _is_plain_value(value: str) -> bool:
    if value.startswith(("{", "[")):
        return False
    inner = value[1:-1] if len(value) > 1 and value.startswith('"') and value.endswith('"') else value
    return _is_plain(inner)


def _is_plain(text: str) -> bool:
    return not any(sign in '"\\' or ord(sign) < 32 for sign in text)


def _paths_of_data(patch: Any) -> Iterator[str]:
    data = patch.get("patchData") if isinstance(patch, Mapping) and set(patch) == {"patchData"} else None
    yield from _leaves(data, "", 0) if isinstance(data, dict) and data else ("",)


def _leaves(node: Any, path: str, depth: int) -> Iterator[str]:
    """Yield the paths that a merge patch sets or removes. A key that isn't text could be spelled differently there."""
    if not isinstance(node, dict) or not node or depth > _MAX_DEPTH:
        yield path
        return
    for key, value in node.items():
        if isinstance(key, str) and not key.startswith("$"):
            yield from _leaves(value, f"{path}/{_escaped(key)}", depth + 1)
        else:
            yield path


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _among(kind: str, kinds: frozenset[str] | None) -> bool:
    return kinds is None or "*" in kinds or full_resource_name(kind) in full_resource_names(kinds)


def _under(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root.rstrip('/')}/")
