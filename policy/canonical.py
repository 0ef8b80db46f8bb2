"""Refuses items in a manifest's lists that aren't spelled as Kubernetes spells them.

Velero trims, folds and unescapes less than people expect, and every reader does it differently: an item that only looks
like a name may exclude nothing. The check reads the object that would be written, so it covers every flag and also
schedule templates.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from domain.plan import Guard, Level, Plan, StepVerb
from domain.selectors import is_valid_key, is_valid_value
from policy.globs import is_pattern, is_valid_glob
from policy.kinds import is_canonical, is_canonical_pattern
from policy.reach import mapping

NOT_CANONICAL = "bad-item"

_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_NAMESPACE_PATTERN = re.compile(r"[a-z0-9*?\[\]-]+")
_KINDS = ("Backup", "Restore", "Schedule")

_FLAG_OF_FIELD = {
    "includedNamespaces": "--include-namespaces",
    "excludedNamespaces": "--exclude-namespaces",
    "includedResources": "--include-resources",
    "excludedResources": "--exclude-resources",
    "includedClusterScopedResources": "--include-cluster-scoped-resources",
    "excludedClusterScopedResources": "--exclude-cluster-scoped-resources",
    "includedNamespaceScopedResources": "--include-namespace-scoped-resources",
    "excludedNamespaceScopedResources": "--exclude-namespace-scoped-resources",
    "namespaceMapping": "--namespace-mappings",
    "orderedResources": "--ordered-resources",
    "storageLocation": "--storage-location",
    "volumeSnapshotLocations": "--volume-snapshot-locations",
    "labelSelector": "--selector",
    "orLabelSelectors": "--or-selector",
}

IsCanonical = Callable[[str], bool]


def with_list_guards(plan: Plan) -> Plan:
    """Add the guards of every Backup, Restore and Schedule that the plan writes or patches."""
    found = dict.fromkeys(
        guard
        for step in plan.steps
        if step.kind in _KINDS and step.verb in {StepVerb.CREATE, StepVerb.PATCH}
        for guard in spec_guards(step.manifest.get("spec"))
        if guard not in plan.guards
    )
    return replace(plan, guards=(*found, *plan.guards)) if found else plan


def spec_guards(spec: Any) -> tuple[Guard, ...]:
    """Check the spec of a Backup or Restore, or of a Schedule with its template."""
    given = mapping(spec)
    template = given.get("template")
    found = dict.fromkeys((*_errors(given), *(_errors(mapping(template)) if template else ())))
    return tuple(Guard(NOT_CANONICAL, Level.REFUSE, text, nearest) for text, nearest in found)


def _errors(spec: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for place, item, fits, what in _items(spec, ""):
        if not isinstance(item, str) or not fits(item):
            yield _error(place, item, what, fits)


def _error(place: str, item: Any, what: str, fits: IsCanonical) -> tuple[str, tuple[str, ...]]:
    where = _FLAG_OF_FIELD.get(place, place)
    if not isinstance(item, str):
        return f"{where} contains an item that isn't text: {item!r}.", ()
    meant = _meant(item)
    if not meant:
        return f"{where} contains an empty item: {make_visible(item)}.", ()
    unseen = any(_is_unseen(char) for char in item)
    problem = "contains spaces or invisible characters" if unseen else f"isn't {what}"
    text = f"{where}: {make_visible(item)} {problem}. Velero would use it exactly as it is written."
    return text, (meant,) if meant != item and fits(meant) else ()


def make_visible(item: str) -> str:
    """Return the item with invisible characters escaped."""
    return ascii(item)


def _meant(item: str) -> str:
    kept = (char for char in unicodedata.normalize("NFKC", item) if not _is_unseen(char))
    return "".join(kept).lower().strip(".")


def _is_unseen(char: str) -> bool:
    return unicodedata.category(char)[0] in "ZC"


def _items(spec: Mapping[str, Any], at: str) -> Iterator[tuple[str, Any, IsCanonical, str]]:
    for field, value in spec.items():
        place = f"{at}{field}"
        if field == "resources" and at == "hooks.":
            for hook in _list(value):
                yield from _items(mapping(hook), f"{place}.")
        elif field in {"hooks", "restoreStatus"}:
            yield from _items(mapping(value), f"{place}.")
        elif field.endswith("Resources") and field not in {"includeClusterResources", "orderedResources"}:
            yield from ((place, item, is_canonical_pattern, "a valid resource name") for item in _list(value))
        elif field in {"includedNamespaces", "excludedNamespaces"}:
            yield from ((place, item, _is_namespace_or_pattern, "a valid namespace name") for item in _list(value))
        else:
            yield from _others(field, place, value)


def _others(field: str, place: str, value: Any) -> Iterator[tuple[str, Any, IsCanonical, str]]:
    match field:
        case "namespaceMapping":
            names = [*mapping(value), *mapping(value).values()]
            yield from ((place, item, _is_namespace, "a valid namespace name") for item in names)
        case "orderedResources":
            yield from ((place, key, is_canonical, "a valid resource name") for key in mapping(value))
            listed = [item for names in mapping(value).values() for item in str(names).split(",")]
            yield from ((place, item, _is_object_name, "a valid object name") for item in listed)
        case "storageLocation" | "backupName" | "scheduleName":
            yield from (
                (place, item, is_canonical, "a valid object name")
                for item in [value]
                if item is not None and item != ""
            )
        case "volumeSnapshotLocations":
            yield from ((place, item, is_canonical, "a valid location name") for item in _list(value))
        case "labelSelector":
            yield from _selector(place, value)
        case "orLabelSelectors":
            for each in _list(value):
                yield from _selector(place, each)


def _selector(place: str, value: Any) -> Iterator[tuple[str, Any, IsCanonical, str]]:
    selector = mapping(value)
    labels, terms = (
        mapping(selector.get("matchLabels")),
        [mapping(each) for each in _list(selector.get("matchExpressions"))],
    )
    keys = [*labels, *(term.get("key") for term in terms)]
    values = [*labels.values(), *(each for term in terms for each in _list(term.get("values")))]
    yield from ((place, item, is_valid_key, "a valid label key") for item in keys)
    yield from ((place, item, is_valid_value, "a valid label value") for item in values)


def _list(value: Any) -> Iterable[Any]:
    """Return the list; a value that should be a list and isn't counts as one bad item."""
    if value is None:
        return ()
    return value if isinstance(value, (list, tuple)) else ([value],)


def _is_namespace(name: str) -> bool:
    return bool(_NAMESPACE.fullmatch(name)) and len(name) <= 63


def _is_namespace_or_pattern(name: str) -> bool:
    if not is_pattern(name):
        return _is_namespace(name)
    return bool(_NAMESPACE_PATTERN.fullmatch(name)) and is_valid_glob(name)


def _is_object_name(name: str) -> bool:
    """Whether this is `namespace/name` or the name of a cluster-scoped object. Names of roles may contain colons."""
    return bool(re.fullmatch(r"([a-z0-9-]+/)?[A-Za-z0-9.:_-]+", name))
