"""Everything that a manifest can touch, of backups, schedules, storage locations, deletions and patches.

Computed from the object that would be written. Absent means everything; where Velero's reading is in doubt, the wider
one counts. Selectors never narrow: labels of objects are written by whoever owns them. What an included object pulls
along (the volume of a claim, the definition of a custom resource) belongs to its namespace.
Source of the rules: velero 1.18 pkg/backup/item_collector.go, pkg/util/collections/includes_excludes.go,
internal/resourcepolicies.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from domain.reach import EVERYTHING, Reach
from policy.cluster_facts import ClusterFacts
from policy.globs import is_pattern, is_valid_glob, matches_glob
from policy.kinds import are_all_namespaced, is_builtin, is_canonical, is_canonical_pattern, proven

Spec = Mapping[str, Any]

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_SCOPED = (
    "includedClusterScopedResources",
    "excludedClusterScopedResources",
    "includedNamespaceScopedResources",
    "excludedNamespaceScopedResources",
)


def backup_reach(manifest: Spec, facts: ClusterFacts) -> Reach:
    return _of_spec(mapping(manifest.get("spec")), facts)


def schedule_reach(manifest: Spec, facts: ClusterFacts) -> Reach:
    """Of every backup that its template will ever make, and of the schedule itself."""
    template = mapping(mapping(manifest.get("spec")).get("template"))
    name = text(mapping(manifest.get("metadata")).get("name"))
    return replace(_of_spec(template, facts), own_objects=frozenset({f"schedule/{name}"}))


def deletion_reach(kind: str, name: str, of: Reach) -> Reach:
    """Deleting a backup destroys the data of all that it reached; its restores go with it."""
    own = {f"{kind}/{name}"} | ({f"restore/of {name}"} if kind == "backup" else set())
    return replace(of, writes=of.namespaces, hooks=False, annotation_hooks=False, own_objects=frozenset(own))


def location_reach(kind: str, name: str) -> Reach:
    """A location is where everybody's backups lie: making, changing or removing one reaches all of them."""
    return Reach(
        reads=EVERYTHING,
        writes=EVERYTHING,
        cluster_scoped=True,
        locations=frozenset({name}),
        own_objects=frozenset({f"{kind}/{name}"}),
    )


def union_reach(*reaches: Reach) -> Reach:
    """Of several steps, or of what is there and what it would become."""
    return Reach(
        reads=_all(each.reads for each in reaches),
        writes=_all(each.writes for each in reaches),
        cluster_scoped=any(each.cluster_scoped for each in reaches),
        kinds=_all(each.kinds for each in reaches),
        without=frozenset.intersection(*(each.without for each in reaches)) if reaches else frozenset(),
        hooks=any(each.hooks for each in reaches),
        annotation_hooks=any(each.annotation_hooks for each in reaches),
        configmaps=_all(each.configmaps for each in reaches),
        modified=frozenset(patched for each in reaches for patched in each.modified),
        locations=_all(each.locations for each in reaches),
        own_objects=_all(each.own_objects for each in reaches),
    )


def apply_merge_patch(live: Spec, patch: Spec) -> dict[str, Any]:
    """The object that a JSON merge patch leaves (RFC 7386): a patch reaches what was there and what it becomes."""
    found = dict(live)
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        elif isinstance(value, Mapping):
            found[key] = apply_merge_patch(mapping(found.get(key)), value)
        else:
            found[key] = value
    return found


def select_names(included: Any, excluded: Any, live: Iterable[str]) -> frozenset[str]:
    """Of these names, those that a manifest's lists select: for showing what a backup protects, never for deciding."""
    wanted, unwanted = strings(included), strings(excluded)
    return frozenset(name for name in live if (not wanted or _any_fits(wanted, name)) and not _any_fits(unwanted, name))


def namespaces(included: Any, excluded: Any, among: frozenset[str]) -> frozenset[str]:
    """Literal names, patterns as written with what they match among those known now, or everything.

    A blank name lists all namespaces in Velero's collector, and a name that no namespace can have stands for something
    that was not told (of a redacted backup, say). Only literal excludes count: an older Velero knows no
    patterns there, and a pattern's own language is not narrowed, since it also holds names created later.
    """
    wanted = strings(included)
    if not wanted or not all(
        _is_name(name) or (is_pattern(name) and name != "*" and is_valid_glob(name)) for name in wanted
    ):
        return EVERYTHING
    patterns = frozenset(name for name in wanted if is_pattern(name))
    literal = frozenset(wanted) - patterns
    matched = frozenset(name for name in among for pattern in patterns if matches_glob(pattern, name))
    return literal | (matched - names_left_out(excluded)) | patterns


def names_left_out(excluded: Any) -> frozenset[str]:
    """Literal names of namespaces. One malformed pattern beside them turns off Velero's whole list."""
    names = strings(excluded)
    return frozenset(names) if all(_is_name(each) or _is_pattern(each) for each in names) else frozenset()


def _is_pattern(name: str) -> bool:
    return is_pattern(name) and is_valid_glob(name)


def _of_spec(spec: Spec, facts: ClusterFacts) -> Reach:
    reads = namespaces(spec.get("includedNamespaces"), spec.get("excludedNamespaces"), facts.live_namespaces)
    configmaps = configmap_of(spec.get("resourcePolicy"))
    widened = any(_policy_filters(name, facts) for name in configmaps)
    whole_cluster = widened or _cluster_scoped(spec, reads)
    return Reach(
        reads=reads if "*" in reads else reads | _ordered_namespaces(spec),
        cluster_scoped=whole_cluster,
        kinds=EVERYTHING if widened else _kinds(spec, whole_cluster),
        without=frozenset() if widened else _without(spec),
        hooks=has_hooks(spec),
        annotation_hooks=True,
        locations=_locations(spec, facts),
        configmaps=configmaps - facts.own_configmaps,
    )


def _cluster_scoped(spec: Spec, reads: frozenset[str]) -> bool:
    """Velero takes cluster-scoped objects of their own when told to, or when all namespaces are meant and not told not to."""
    said = spec.get("includeClusterResources")
    if said is False and not any(spec.get(key) for key in _SCOPED):
        return False
    if said is True or strings(spec.get("includedClusterScopedResources")):
        return True
    if "*" in strings(spec.get("excludedClusterScopedResources")):
        return False
    wanted = strings(spec.get("includedResources"))
    return "*" in reads and not (wanted and are_all_namespaced(wanted))


def _kinds(spec: Spec, whole_cluster: bool) -> frozenset[str]:
    plain = strings(spec.get("includedResources"))
    inside, across = (strings(spec.get(key)) for key in (_SCOPED[2], _SCOPED[0]))
    if not plain and "*" not in strings(spec.get("excludedNamespaceScopedResources")) and not inside:
        return EVERYTHING
    if not plain and whole_cluster and not across:
        return EVERYTHING
    found = kinds_named((*plain, *inside, *across))
    return found if found == EVERYTHING else found | _ordered_kinds(spec)


def kinds_named(names: Iterable[str]) -> frozenset[str]:
    """Velero keeps names that it cannot resolve and matches them as patterns: `sec*` takes secrets.

    What is folded beyond ASCII, trimmed or escaped is not second-guessed: such a list takes everything.
    """
    found = frozenset(name.lower() if name.isascii() else "" for name in names)
    return found if found and all(is_canonical(name.removesuffix(".")) for name in found) else EVERYTHING


def _without(spec: Spec) -> frozenset[str]:
    """Only of names whose meaning is certain; each scope's list leaves out objects of that scope alone."""
    inside = {name for name in excluded_kinds(strings(spec.get(_SCOPED[3]))) if are_all_namespaced([name])}
    across = {
        name
        for name in excluded_kinds(strings(spec.get(_SCOPED[1])))
        if is_builtin(name) and not are_all_namespaced([name])
    }
    return excluded_kinds(strings(spec.get("excludedResources"))) | inside | across


def excluded_kinds(names: Iterable[str]) -> frozenset[str]:
    """What is proven to be meant. One malformed pattern turns off Velero's whole list (its matcher gives up there)."""
    listed = tuple(names)
    if not all(is_canonical_pattern(name) for name in listed):
        return frozenset()
    return frozenset(found for name in listed if (found := proven(name)))


def _policy_filters(name: str, facts: ClusterFacts) -> bool:
    """A resource policy may carry include and exclude lists of its own: one that was not read counts as if it did."""
    document = facts.policies.get(name)
    return document is None or bool(document.get("includeExcludePolicy"))


def _ordered_namespaces(spec: Spec) -> frozenset[str]:
    """`{"pods": "ns/a,ns/b"}` only orders what is included; counted all the same."""
    items = (item for value in mapping(spec.get("orderedResources")).values() for item in text(value).split(","))
    return frozenset(item.strip().partition("/")[0] for item in items if "/" in item)


def _ordered_kinds(spec: Spec) -> frozenset[str]:
    return frozenset(text(key).lower() for key in mapping(spec.get("orderedResources")))


def _locations(spec: Spec, facts: ClusterFacts) -> frozenset[str]:
    return frozenset(
        {
            text(spec.get("storageLocation")) or facts.default_location or "*",
            *strings(spec.get("volumeSnapshotLocations")),
        }
    )


def has_hooks(spec: Spec) -> bool:
    return bool(mapping(spec.get("hooks")).get("resources"))


def configmap_of(reference: Any) -> frozenset[str]:
    name = text(mapping(reference).get("name"))
    return frozenset({name}) if name else frozenset()


def strings(value: Any) -> tuple[str, ...]:
    """A list of a manifest. What is not a list of strings is read as blank, which means everything."""
    if value is None or value == []:
        return ()
    if not isinstance(value, (list, tuple)):
        return ("",)
    return tuple(each if isinstance(each, str) else "" for each in value)


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def _any_fits(patterns: Iterable[str], name: str) -> bool:
    return any(is_valid_glob(pattern) and (pattern == "*" or matches_glob(pattern, name)) for pattern in patterns)


def _all(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    found = frozenset[str]().union(*sets)
    return EVERYTHING if "*" in found else found
