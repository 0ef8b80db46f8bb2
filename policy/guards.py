"""Guards that refuse unless a rule lifts them by name: dangers that no broad rule should permit by accident."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from domain.plan import Guard, Level
from domain.reach import Reach
from policy.cluster_facts import BackupFacts, ClusterFacts
from policy.globs import globs_overlap, is_pattern
from policy.kinds import (
    full_resource_name,
    full_resource_names,
    is_cluster_scoped,
    may_be_same_resource,
    resource_of_kind,
)
from policy.powerful_kinds import KINDS_OF_UNKNOWN_CONTENTS, Power, is_among, power_of, power_of_object
from policy.reserved_labels import is_reserved

RESERVED_LABELS = "reserved-labels"
RESTORES_RBAC = "restores-rbac"
RESTORES_CRDS = "restores-crds"
RESTORES_WEBHOOKS = "restores-webhooks"
RESTORES_CLUSTER_WIDE = "restores-cluster-wide"
SYSTEM_NAMESPACE = "system-namespace"
VELERO_NAMESPACE = "velero-namespace"
BOT_NAMESPACE = "bot-namespace"

LIFTABLE = (
    RESERVED_LABELS,
    RESTORES_RBAC,
    RESTORES_CRDS,
    RESTORES_WEBHOOKS,
    RESTORES_CLUSTER_WIDE,
    SYSTEM_NAMESPACE,
    VELERO_NAMESPACE,
    BOT_NAMESPACE,
)

BACKUP_NOT_COMPLETED = "backup-not-completed"

FORBIDDABLE = (BACKUP_NOT_COMPLETED,)
"""Guards that a flag turns into a request for approval; a rule may refuse them regardless of approval."""

SYSTEM_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease")

_POWERS = (
    (Power.RIGHTS, RESTORES_RBAC, "objects that grant permissions"),
    (Power.DEFINITIONS, RESTORES_CRDS, "resource definitions"),
    (Power.ADMISSION, RESTORES_WEBHOOKS, "admission webhooks, policies or API services"),
    (Power.CLUSTER, RESTORES_CLUSTER_WIDE, "objects that act on the whole cluster"),
)


def can_lift(code: str) -> bool:
    return code in LIFTABLE


def label_guards(given: Mapping[str, str], own: Collection[str] = ()) -> tuple[Guard, ...]:
    """Refuse reserved labels and annotations that a person gave. `own` are keys that the plan sets itself."""
    keys = sorted(key for key in given if is_reserved(key) and key not in own)
    if not keys:
        return ()
    text = f"Labels and annotations with these prefixes are reserved: {', '.join(keys)}."
    return (Guard(RESERVED_LABELS, Level.REFUSE, text),)


def restore_guards(reach: Reach, backup: BackupFacts, facts: ClusterFacts) -> tuple[Guard, ...]:
    """Check what a restore writes, and what it reads from protected namespaces to write it elsewhere."""
    found = _powerful(reach, backup, facts)
    return (
        *(
            guard
            for power, code, what in _POWERS
            for guard in _kind_guard(code, what, found.get(power, ()), known=backup.contents is not None)
        ),
        *_namespace_guard(SYSTEM_NAMESPACE, SYSTEM_NAMESPACES, "system namespaces", reach),
        *_namespace_guard(VELERO_NAMESPACE, (facts.velero_namespace,), "Velero's own namespace", reach),
        *_namespace_guard(BOT_NAMESPACE, (facts.bot_namespace,), "the bot's namespace", reach),
    )


def _powerful(reach: Reach, backup: BackupFacts, facts: ClusterFacts) -> Mapping[Power, tuple[str, ...]]:
    """Return the powerful kinds that the restore includes or may include, by power."""
    found: dict[Power, list[str]] = {}
    for name, power in _in_contents(reach, backup, facts) if backup.contents is not None else _assumed(reach, facts):
        found.setdefault(power, []).append(name)
    return {power: tuple(sorted(set(names))) for power, names in found.items()}


def _in_contents(reach: Reach, backup: BackupFacts, facts: ClusterFacts) -> Iterator[tuple[str, Power]]:
    left_out = full_resource_names(reach.without)
    for gvk, items in (backup.contents or {}).items():
        name, across = resource_of_kind(gvk), any("/" not in item for item in items)
        if not items or (across and not reach.cluster_scoped) or is_among(name, left_out):
            continue
        power = power_of_object(name, across=across, extra=facts.powerful_kinds)
        if power is not None and _may_be_in(name, reach.kinds):
            yield name, power


def _assumed(reach: Reach, facts: ClusterFacts) -> Iterator[tuple[str, Power]]:
    """Assume contents of a backup whose list isn't known: kinds of any cluster, of the settings and of the command."""
    left_out = full_resource_names(reach.without)
    everywhere = [(name, power) for power, (inside, _) in KINDS_OF_UNKNOWN_CONTENTS.items() for name in inside]
    if reach.cluster_scoped:
        everywhere += [(name, power) for power, (_, across) in KINDS_OF_UNKNOWN_CONTENTS.items() for name in across]
    everywhere += [(name, Power.CLUSTER) for name in facts.powerful_kinds]
    for name, power in everywhere:
        if full_resource_name(name) not in left_out and _may_be_in(name, reach.kinds):
            yield full_resource_name(name), power
    for name in full_resource_names(reach.kinds) - left_out:
        named = power_of(name, extra=facts.powerful_kinds)
        if named is not None and (reach.cluster_scoped or not is_cluster_scoped(name)):
            yield name, named


def _may_be_in(name: str, kinds: frozenset[str]) -> bool:
    return any(
        may_be_same_resource(name, each) or is_among(name, frozenset({full_resource_name(each)})) for each in kinds
    )


def _kind_guard(code: str, what: str, kinds: tuple[str, ...], *, known: bool) -> tuple[Guard, ...]:
    if not kinds:
        return ()
    verb = "includes" if known else "may include"
    left_out = f"--exclude-resources {','.join(kinds)}"
    return (Guard(code, Level.REFUSE, f"This restore {verb} {what}: {', '.join(kinds[:8])}.", nearest=(left_out,)),)


def _namespace_guard(code: str, names: tuple[str, ...], what: str, reach: Reach) -> tuple[Guard, ...]:
    met = [name for name in names if name and any(_is_or_matches(each, name) for each in reach.namespaces)]
    if not met:
        return ()
    return (
        Guard(
            code,
            Level.REFUSE,
            f"This affects {what}: {', '.join(met)}.",
            nearest=("--exclude-namespaces " + ",".join(met),),
        ),
    )


def _is_or_matches(reached: str, name: str) -> bool:
    return globs_overlap(reached, name) if is_pattern(reached) else reached == name
