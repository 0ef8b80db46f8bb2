"""Selects the live objects that a backup includes, by the rules of its filters."""

import fnmatch
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from domain.json_types import Json
from sandbox.kubernetes.objects import Objects
from sandbox.kubernetes.schemas.kinds import Kind
from sandbox.velero.resources import Names, listed

EXCLUDE_LABEL = "velero.io/exclude-from-backup"
OLD_FILTERS = ("includedResources", "excludedResources", "includeClusterResources")
NEW_FILTERS = (
    "includedClusterScopedResources",
    "excludedClusterScopedResources",
    "includedNamespaceScopedResources",
    "excludedNamespaceScopedResources",
)
FIRST = ("customresourcedefinitions", "persistentvolumeclaims", "persistentvolumes", "pods")
NEVER = frozenset({"events", "nodes"})


@dataclass(frozen=True, slots=True)
class Item:
    """One object to back up."""

    kind: Kind
    body: Json

    @property
    def namespace(self) -> str:
        return str(self.body["metadata"].get("namespace") or "")

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])

    @property
    def path(self) -> str:
        scope = f"namespaces/{self.namespace}" if self.namespace else "cluster"
        return f"{scope}/{self.name}.json"

    @property
    def listed(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def type(self) -> str:
        return f"{self.kind.api_version}/{self.kind.kind}"


def namespaces_of(backup: Json) -> list[str]:
    return list((backup.get("spec") or {}).get("includedNamespaces") or ["*"])


def matches(selector: Json | None, labels: Mapping[str, str]) -> bool:
    if not selector:
        return True
    equal = all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    return equal and all(_expression(term, labels) for term in selector.get("matchExpressions") or [])


def _expression(term: Json, labels: Mapping[str, str]) -> bool:
    value = labels.get(term["key"])
    match term["operator"]:
        case "In":
            return value in term.get("values", [])
        case "NotIn":
            return value not in term.get("values", [])
        case "Exists":
            return value is not None
        case _:
            return value is None


def selected(spec: Json, labels: Mapping[str, str]) -> bool:
    either = spec.get("orLabelSelectors")
    if either:
        return any(matches(one, labels) for one in either)
    return matches(spec.get("labelSelector"), labels)


@dataclass(slots=True)
class Filter:
    """The filters of one spec, resolved once against the served `kinds`."""

    spec: Json
    kinds: Collection[Kind]
    excluded_namespaces: frozenset[str] = frozenset()
    lists: dict[str, Names] = field(init=False)

    def __post_init__(self) -> None:
        known = tuple(self.kinds)
        scopes = {**dict.fromkeys(OLD_FILTERS[:2]), **dict.fromkeys(NEW_FILTERS[:2], False)}
        scopes |= dict.fromkeys(NEW_FILTERS[2:], True)
        self.lists = {name: listed(self.spec.get(name), known, namespaced=scope) for name, scope in scopes.items()}
        unwanted = self.lists[OLD_FILTERS[1]].names
        self.lists[OLD_FILTERS[1]] = Names(tuple(name for name in unwanted if name != "*"))

    @property
    def everything(self) -> bool:
        return "*" in (self.spec.get("includedNamespaces") or ["*"]) and not self.spec.get("excludedNamespaces")

    @property
    def narrowed(self) -> bool:
        return bool(self.spec.get("labelSelector") or self.spec.get("orLabelSelectors"))

    def takes_namespace(self, name: str) -> bool:
        if name in self.excluded_namespaces or _any_glob(name, self.spec.get("excludedNamespaces") or ()):
            return False
        return _any_glob(name, self.spec.get("includedNamespaces") or ["*"])

    def takes_kind(self, kind: Kind) -> bool:
        if kind.plural in NEVER or not self._covers(kind, *OLD_FILTERS[:2]):
            return False
        if kind.namespaced:
            return self._covers(kind, *NEW_FILTERS[2:])
        excluded = self.lists[NEW_FILTERS[1]]
        return not excluded.all and not excluded.matches(kind.qualified)

    def _covers(self, kind: Kind, including: str, excluding: str) -> bool:
        included, excluded = self.lists[including], self.lists[excluding]
        if (excluding in NEW_FILTERS and excluded.all) or excluded.matches(kind.qualified):
            return False
        return not included.names or included.all or included.matches(kind.qualified)

    def takes_cluster_kind(self, kind: Kind) -> bool:
        """Return whether cluster-scoped objects are included for themselves, not only as dependencies.

        With the new filters a backup of everything includes none: the server adds its own exclude before it checks
        whether there are excludes (observed on 1.18.2).
        """
        if (asked := self.spec.get("includeClusterResources")) is not None:
            return bool(asked)
        if (included := self.lists[NEW_FILTERS[0]]).names:
            return included.all or included.matches(kind.qualified)
        return self.everything and any(self.spec.get(name) for name in OLD_FILTERS)

    @property
    def takes_dependencies(self) -> bool:
        return self.spec.get("includeClusterResources") is not False


def _any_glob(name: str, patterns: Iterable[str]) -> bool:
    return any(pattern == "*" or fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Selection:
    items: tuple[Item, ...]
    missing_namespaces: tuple[str, ...] = ()


def select(objects: Objects, spec: Json) -> Selection:
    """Return the items that a backup with this spec would contain now."""
    spaces = objects.list("namespaces")
    hidden = frozenset(_name(s) for s in spaces if _labels(s).get(EXCLUDE_LABEL) == "true")
    rules = Filter(spec, objects.kinds.values(), hidden)
    names = [_name(space) for space in spaces if rules.takes_namespace(_name(space))]
    items = [item for kind in _ordered(objects) if kind.namespaced for item in _namespaced(objects, kind, rules, names)]
    items += _cluster(objects, rules, names, items)
    literal = [word for word in spec.get("includedNamespaces") or () if not set(word) & set("*?[")]
    existing = {_name(space) for space in spaces}
    items.sort(key=lambda item: _rank(item.kind))
    return Selection(tuple(items), tuple(word for word in literal if word not in existing))


def _ordered(objects: Objects) -> list[Kind]:
    return sorted(objects.kinds.values(), key=_rank)


def _rank(kind: Kind) -> int:
    return FIRST.index(kind.plural) if kind.plural in FIRST else len(FIRST)


def _name(body: Json) -> str:
    return str(body["metadata"]["name"])


def _labels(body: Json) -> dict[str, str]:
    return body["metadata"].get("labels") or {}


def _wanted(rules: Filter, body: Json) -> bool:
    labels = _labels(body)
    return labels.get(EXCLUDE_LABEL) != "true" and selected(rules.spec, labels)


def _namespaced(objects: Objects, kind: Kind, rules: Filter, names: list[str]) -> list[Item]:
    if not rules.takes_kind(kind):
        return []
    found = objects.list(kind.plural) if len(names) > 3 else [b for n in names for b in objects.list(kind.plural, n)]
    chosen = set(names)
    return [Item(kind, body) for body in found if body["metadata"]["namespace"] in chosen and _wanted(rules, body)]


def _cluster(objects: Objects, rules: Filter, names: list[str], taken: list[Item]) -> list[Item]:
    needed = _dependencies(objects, taken) if rules.takes_dependencies else set()
    spaces = {item.namespace for item in taken} if rules.narrowed else set(names)
    found = []
    for kind in _ordered(objects):
        if kind.namespaced or not rules.takes_kind(kind):
            continue
        for body in objects.list(kind.plural):
            if kind.plural == "namespaces":
                wanted = _name(body) in spaces
            else:
                own = rules.takes_cluster_kind(kind) and _wanted(rules, body)
                wanted = own or (kind.plural, _name(body)) in needed
            if wanted:
                found.append(Item(kind, body))
    return found


def _dependencies(objects: Objects, taken: list[Item]) -> set[tuple[str, str]]:
    """Return the dependencies: volumes of PVCs, cluster roles of service accounts, definitions of custom resources."""
    needed: set[tuple[str, str]] = set()
    accounts = {(item.namespace, item.name) for item in taken if item.kind.plural == "serviceaccounts"}
    for item in taken:
        if item.kind.plural == "persistentvolumeclaims" and (volume := item.body.get("spec", {}).get("volumeName")):
            needed.add(("persistentvolumes", volume))
        if item.kind.custom:
            needed.add(("customresourcedefinitions", item.kind.qualified))
    if not accounts:
        return needed
    for binding in objects.list("clusterrolebindings"):
        subjects = {(s.get("namespace"), s.get("name")) for s in binding.get("subjects") or ()}
        if subjects & accounts:
            needed.add(("clusterrolebindings", _name(binding)))
            needed.add(("clusterroles", binding["roleRef"]["name"]))
    return needed
