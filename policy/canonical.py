"""Items of a manifest's lists that are not spelled as Kubernetes spells them: refused, whoever wrote them.

Velero trims, folds and unescapes less than people expect, and every reader does it differently: an item that only looks
like a name may exclude nothing. Looked at in the object that would be written, so neither the flag that it came by nor a
schedule's template makes a difference.
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

IsCanonical = Callable[[str], bool]


def with_list_guards(plan: Plan) -> Plan:
    """With the guards of every Backup, Restore and Schedule that the plan writes or patches."""
    found = dict.fromkeys(
        guard
        for step in plan.steps
        if step.kind in _KINDS and step.verb in {StepVerb.CREATE, StepVerb.PATCH}
        for guard in spec_guards(step.manifest.get("spec"))
        if guard not in plan.guards
    )
    return replace(plan, guards=(*found, *plan.guards)) if found else plan


def spec_guards(spec: Any) -> tuple[Guard, ...]:
    """Of a Backup's or Restore's spec, or of a Schedule's with its template."""
    given = mapping(spec)
    template = given.get("template")
    found = dict.fromkeys((*_faults(given), *(_faults(mapping(template)) if template else ())))
    return tuple(Guard(NOT_CANONICAL, Level.REFUSE, text, nearest) for text, nearest in found)


def _faults(spec: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for place, item, fits, what in _items(spec, ""):
        if not isinstance(item, str) or not fits(item):
            yield _told(place, item, what, fits)


def _told(place: str, item: Any, what: str, fits: IsCanonical) -> tuple[str, tuple[str, ...]]:
    if not isinstance(item, str):
        return f"{place} has an item that is not text: {item!r}.", ()
    meant = _meant(item)
    if not meant:
        return f"{place} has a blank item: {make_visible(item)}.", ()
    unseen = any(_is_unseen(sign) for sign in item)
    fault = "has blanks or invisible characters in it" if unseen else f"is not {what}"
    text = (
        f"{place}: {make_visible(item)} {fault}. Velero takes it as it is written, not as the name that it looks like."
    )
    return text, (meant,) if meant != item and fits(meant) else ()


def make_visible(item: str) -> str:
    """With what cannot be seen made visible."""
    return ascii(item)


def _meant(item: str) -> str:
    kept = (sign for sign in unicodedata.normalize("NFKC", item) if not _is_unseen(sign))
    return "".join(kept).lower().strip(".")


def _is_unseen(sign: str) -> bool:
    return unicodedata.category(sign)[0] in "ZC"


def _items(spec: Mapping[str, Any], at: str) -> Iterator[tuple[str, Any, IsCanonical, str]]:
    for field, value in spec.items():
        place = f"{at}{field}"
        if field == "resources" and at == "hooks.":
            for hook in _list(value):
                yield from _items(mapping(hook), f"{place}.")
        elif field in {"hooks", "restoreStatus"}:
            yield from _items(mapping(value), f"{place}.")
        elif field.endswith("Resources") and field not in {"includeClusterResources", "orderedResources"}:
            yield from ((place, item, is_canonical_pattern, "a resource's name") for item in _list(value))
        elif field in {"includedNamespaces", "excludedNamespaces"}:
            yield from ((place, item, _is_namespace_or_pattern, "a namespace's name") for item in _list(value))
        else:
            yield from _others(field, place, value)


def _others(field: str, place: str, value: Any) -> Iterator[tuple[str, Any, IsCanonical, str]]:
    match field:
        case "namespaceMapping":
            names = [*mapping(value), *mapping(value).values()]
            yield from ((place, item, _is_namespace, "a namespace's name") for item in names)
        case "orderedResources":
            yield from ((place, key, is_canonical, "a resource's name") for key in mapping(value))
            listed = [item for names in mapping(value).values() for item in str(names).split(",")]
            yield from ((place, item, _is_place, "an object's name") for item in listed)
        case "storageLocation" | "backupName" | "scheduleName":
            yield from (
                (place, item, is_canonical, "an object's name") for item in [value] if item is not None and item != ""
            )
        case "volumeSnapshotLocations":
            yield from ((place, item, is_canonical, "a location's name") for item in _list(value))
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
    yield from ((place, item, is_valid_key, "a label's name") for item in keys)
    yield from ((place, item, is_valid_value, "a label's value") for item in values)


def _list(value: Any) -> Iterable[Any]:
    """What should be a list and is not, is one bad item."""
    if value is None:
        return ()
    return value if isinstance(value, (list, tuple)) else ([value],)


def _is_namespace(name: str) -> bool:
    return bool(_NAMESPACE.fullmatch(name)) and len(name) <= 63


def _is_namespace_or_pattern(name: str) -> bool:
    if not is_pattern(name):
        return _is_namespace(name)
    return bool(_NAMESPACE_PATTERN.fullmatch(name)) and is_valid_glob(name)


def _is_place(name: str) -> bool:
    """`namespace/name`, or the name of something cluster-scoped. Names of roles may hold colons."""
    return bool(re.fullmatch(r"([a-z0-9-]+/)?[A-Za-z0-9.:_-]+", name))
