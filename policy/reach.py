"""Computes the reach of backups, schedules, storage locations, deletions and patches: everything they can touch.

The input is the object that would be written. An absent field means everything; if Velero's reading is in doubt, the
wider one counts. Selectors never narrow, since the owners of objects write their labels. Objects that an included object
brings along (the volume of a PVC, the definition of a custom resource) belong to its namespace.
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
    """Return the reach of every backup that the template will ever make, and of the schedule itself."""
    template = mapping(mapping(manifest.get("spec")).get("template"))
    name = text(mapping(manifest.get("metadata")).get("name"))
    return replace(_of_spec(template, facts), own_objects=frozenset({f"schedule/{name}"}))


def deletion_reach(kind: str, name: str, of: Reach) -> Reach:
    """Return the reach of a deletion. Deleting a backup destroys all its data and deletes its restores."""
    own = {f"{kind}/{name}"} | ({f"restore/of {name}"} if kind == "backup" else set())
    return replace(of, writes=of.namespaces, hooks=False, annotation_hooks=False, own_objects=frozenset(own))


def location_reach(kind: str, name: str) -> Reach:
    """Return the reach of a location change. A location may contain anyone's backups, so it reaches everything."""
    return Reach(
        reads=EVERYTHING,
        writes=EVERYTHING,
        cluster_scoped=True,
        locations=frozenset({name}),
        own_objects=frozenset({f"{kind}/{name}"}),
    )


def union_reach(*reaches: Reach) -> Reach:
    """Return the combined reach of several steps, or of an object before and after a change."""
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
    """Return the object after a JSON merge patch (RFC 7386). A patch reaches both the old and the new object."""
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
    """Return the live names that a manifest's lists select: for showing what a backup protects, never for deciding."""
    wanted, unwanted = strings(included), strings(excluded)
    return frozenset(name for name in live if (not wanted or _any_fits(wanted, name)) and not _any_fits(unwanted, name))


def namespaces(included: Any, excluded: Any, among: frozenset[str]) -> frozenset[str]:
    """Return literal names, patterns as written plus the known names they match, or everything.

    An empty name lists all namespaces in Velero's collector, and a name that no namespace can have stands for something
    unknown (such as a redacted backup's). Only literal excludes count: older Velero versions support no patterns there,
    and a pattern isn't narrowed, since it also matches names created later.
    """
    wanted = strings(included)
    if not wanted or not all(
        _is_name(name) or (is_pattern(name) and name != "*" and is_valid_glob(name)) for name in wanted
    ):
        return EVERYTHING
    patterns = frozenset(name for name in wanted if is_pattern(name))
    literal = frozenset(wanted) - patterns
    matched = frozenset(name for name in among for pattern in patterns if matches_glob(pattern, name))
    return literal | (matched - excluded_names(excluded)) | patterns


def excluded_names(excluded: Any) -> frozenset[str]:
    """Return excluded literal names. One malformed pattern makes Velero ignore the whole list."""
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
        without=frozenset() if widened else _excluded(spec),
        hooks=has_hooks(spec),
        annotation_hooks=True,
        locations=_locations(spec, facts),
        configmaps=configmaps - facts.own_configmaps,
    )


def _cluster_scoped(spec: Spec, reads: frozenset[str]) -> bool:
    """Whether Velero includes cluster-scoped objects: if told to, or if all namespaces are included and nothing forbids it."""
    explicit = spec.get("includeClusterResources")
    if explicit is False and not any(spec.get(key) for key in _SCOPED):
        return False
    if explicit is True or strings(spec.get("includedClusterScopedResources")):
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
    """Return the named kinds. Velero matches names that it can't resolve as patterns: `sec*` includes secrets.

    A list with names that would be folded beyond ASCII, trimmed or escaped counts as everything.
    """
    found = frozenset(name.lower() if name.isascii() else "" for name in names)
    return found if found and all(is_canonical(name.removesuffix(".")) for name in found) else EVERYTHING


def _excluded(spec: Spec) -> frozenset[str]:
    """Return certainly excluded kinds; the list of a scope excludes only objects of that scope."""
    inside = {name for name in excluded_kinds(strings(spec.get(_SCOPED[3]))) if are_all_namespaced([name])}
    across = {
        name
        for name in excluded_kinds(strings(spec.get(_SCOPED[1])))
        if is_builtin(name) and not are_all_namespaced([name])
    }
    return excluded_kinds(strings(spec.get("excludedResources"))) | inside | across


def excluded_kinds(names: Iterable[str]) -> frozenset[str]:
    """Return the kinds that are certainly meant. One malformed pattern makes Velero ignore the whole list."""
    listed = tuple(names)
    if not all(is_canonical_pattern(name) for name in listed):
        return frozenset()
    return frozenset(found for name in listed if (found := proven(name)))


def _policy_filters(name: str, facts: ClusterFacts) -> bool:
    """Whether a resource policy has include and exclude lists of its own; one that wasn't read counts as if it had."""
    document = facts.policies.get(name)
    return document is None or bool(document.get("includeExcludePolicy"))


def _ordered_namespaces(spec: Spec) -> frozenset[str]:
    """Return the namespaces in `{"pods": "ns/a,ns/b"}`. It only orders included objects, but counts nevertheless."""
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
    """Return a list of a manifest. A value that isn't a list of strings counts as empty names, which mean everything."""
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
