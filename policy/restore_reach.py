"""Computes the reach of a Restore: it reads its source and writes its mapped targets.

Source of the rules: velero 1.18 pkg/restore/restore.go getOrderedResourceCollection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.reach import EVERYTHING, Reach
from policy.cluster_facts import BackupFacts, ClusterFacts
from policy.globs import is_pattern
from policy.kinds import are_all_namespaced, resource_of_kind
from policy.modifiers import patched_fields
from policy.reach import (
    Spec,
    backup_reach,
    configmap_of,
    excluded_kinds,
    excluded_names,
    has_hooks,
    kinds_named,
    mapping,
    namespaces,
    strings,
    text,
)

_OWN_FACTS = ClusterFacts()


def restore_reach(manifest: Spec, backup: BackupFacts, facts: ClusterFacts) -> Reach:
    spec = mapping(manifest.get("spec"))
    reads = _sources(spec, backup)
    return Reach(
        reads=reads,
        writes=_targets(reads, mapping(spec.get("namespaceMapping"))),
        cluster_scoped=_cluster_scoped(spec, backup),
        kinds=kinds_named(strings(spec.get("includedResources"))),
        without=excluded_kinds(strings(spec.get("excludedResources"))),
        hooks=has_hooks(spec),
        annotation_hooks=True,
        locations=_location(backup, facts),
        configmaps=configmap_of(spec.get("resourceModifier")) - facts.own_configmaps,
        modified=frozenset(
            each
            for name in configmap_of(spec.get("resourceModifier"))
            for each in patched_fields(facts.modifiers.get(name))
        ),
    )


def kinds_in(contents: Mapping[str, Sequence[str]]) -> frozenset[str]:
    return frozenset(resource_of_kind(kind) for kind, items in contents.items() if items)


def namespaces_in(contents: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """Return the namespaces of the objects, and of Namespace objects, which a restore creates."""
    inside = {item.partition("/")[0] for items in contents.values() for item in items if "/" in item}
    return frozenset(inside | {item for item in contents.get("v1/Namespace", ()) if "/" not in item})


def _sources(spec: Spec, backup: BackupFacts) -> frozenset[str]:
    """Return the namespaces that the restore reads. Known contents of a finished backup bound patterns and "everything"."""
    base = _base(backup)
    bounded = "*" not in base and not any(is_pattern(name) for name in base)
    wanted = namespaces(spec.get("includedNamespaces"), spec.get("excludedNamespaces"), base)
    if "*" in wanted:
        return base - excluded_names(spec.get("excludedNamespaces"))
    return frozenset(name for name in wanted if not is_pattern(name)) if bounded else wanted


def _base(backup: BackupFacts) -> frozenset[str]:
    if backup.contents is not None:
        return namespaces_in(backup.contents)
    return backup_reach(backup.manifest, _OWN_FACTS).reads if backup.manifest else EVERYTHING


def _targets(reads: frozenset[str], mapped: Mapping[str, Any]) -> frozenset[str]:
    """Return the namespaces that the restore writes. Every target counts, also of a source that isn't included."""
    targets = frozenset(_target(text(target)) for target in mapped.values())
    kept = frozenset(name for name in reads if name not in mapped)
    return EVERYTHING if "*" in kept | targets else kept | targets


def _target(name: str) -> str:
    """Return the target; a pattern counts as everything, since Velero's reading is in doubt."""
    return "*" if not name or is_pattern(name) else name


def _cluster_scoped(spec: Spec, backup: BackupFacts) -> bool:
    explicit = spec.get("includeClusterResources")
    included = strings(spec.get("includedNamespaces"))
    everything = not included or any(name.strip() in {"", "*"} for name in included)
    wanted = strings(spec.get("includedResources"))
    if explicit is False or (explicit is not True and not everything) or (wanted and are_all_namespaced(wanted)):
        return False
    return backup.contents is None or any(
        kind != "v1/Namespace" and any("/" not in item for item in items) for kind, items in backup.contents.items()
    )


def _location(backup: BackupFacts, facts: ClusterFacts) -> frozenset[str]:
    return frozenset(
        {text(mapping(backup.manifest.get("spec")).get("storageLocation")) or facts.default_location or "*"}
    )
