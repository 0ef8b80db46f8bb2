"""Guards that refuse unless a rule lifts them by name: what no broad rule should permit by accident."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from commands.policy.facts import BackupFacts, ClusterFacts
from commands.policy.globs import is_pattern, meet
from commands.policy.kinds import all_full, may_be_same
from commands.policy.reserved import is_reserved
from commands.policy.restores import kinds_in
from domain.plan import Guard, Level
from domain.reach import Reach

RESERVED_LABELS = "reserved-labels"
RESTORES_RBAC = "restores-rbac"
RESTORES_CRDS = "restores-crds"
RESTORES_WEBHOOKS = "restores-webhooks"
SYSTEM_NAMESPACE = "system-namespace"
VELERO_NAMESPACE = "velero-namespace"
BOT_NAMESPACE = "bot-namespace"

LIFTABLE = (
    RESERVED_LABELS,
    RESTORES_RBAC,
    RESTORES_CRDS,
    RESTORES_WEBHOOKS,
    SYSTEM_NAMESPACE,
    VELERO_NAMESPACE,
    BOT_NAMESPACE,
)

BACKUP_NOT_COMPLETED = "backup-not-completed"

FORBIDDABLE = (BACKUP_NOT_COMPLETED,)
"""They ask for approval where somebody insists by a flag; a rule may refuse them whoever approves."""

SYSTEM_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease")

_RBAC_INSIDE = ("roles", "rolebindings")
_RBAC_ACROSS = ("clusterroles", "clusterrolebindings")
_CRDS = ("customresourcedefinitions",)
_WEBHOOKS = (
    "mutatingwebhookconfigurations",
    "validatingwebhookconfigurations",
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "apiservices",
)


def can_lift(code: str) -> bool:
    return code in LIFTABLE


def label_guards(given: Mapping[str, str], own: Collection[str] = ()) -> tuple[Guard, ...]:
    """`given`: labels and annotations as a person asked for them; `own`: keys that the plan sets itself."""
    keys = sorted(key for key in given if is_reserved(key) and key not in own)
    if not keys:
        return ()
    text = f"Labels and annotations under these prefixes are reserved: {', '.join(keys)}."
    return (Guard(RESERVED_LABELS, Level.REFUSE, text),)


def restore_guards(reach: Reach, backup: BackupFacts, facts: ClusterFacts) -> tuple[Guard, ...]:
    """Of what a restore writes, and of what it reads from protected namespaces to write it elsewhere."""
    return (
        *_kind_guard(RESTORES_RBAC, "roles and role bindings", _rbac(reach), reach, backup),
        *_kind_guard(RESTORES_CRDS, "custom resource definitions", _across(_CRDS, reach), reach, backup),
        *_kind_guard(
            RESTORES_WEBHOOKS, "admission webhooks and API services", _across(_WEBHOOKS, reach), reach, backup
        ),
        *_namespace_guard(SYSTEM_NAMESPACE, SYSTEM_NAMESPACES, "system namespaces", reach),
        *_namespace_guard(VELERO_NAMESPACE, (facts.velero_namespace,), "Velero's own namespace", reach),
        *_namespace_guard(BOT_NAMESPACE, (facts.bot_namespace,), "this service's own namespace", reach),
    )


def _rbac(reach: Reach) -> tuple[str, ...]:
    return (*_RBAC_INSIDE, *_across(_RBAC_ACROSS, reach))


def _across(kinds: tuple[str, ...], reach: Reach) -> tuple[str, ...]:
    return kinds if reach.cluster_scoped else ()


def _kind_guard(code: str, what: str, kinds: tuple[str, ...], reach: Reach, backup: BackupFacts) -> tuple[Guard, ...]:
    possible = all_full(kinds) - all_full(reach.without)
    wanted = [kind for kind in sorted(possible) if any(may_be_same(kind, each) for each in reach.kinds)]
    inside = None if backup.contents is None else kinds_in(backup.contents)
    found = wanted if inside is None else [kind for kind in wanted if kind in inside]
    if not found:
        return ()
    doubt = "may restore" if inside is None else "restores"
    left_out = f"--exclude-resources {','.join(found)}"
    return (Guard(code, Level.REFUSE, f"This {doubt} {what}.", nearest=(left_out,)),)


def _namespace_guard(code: str, names: tuple[str, ...], what: str, reach: Reach) -> tuple[Guard, ...]:
    met = [name for name in names if name and any(_is_or_matches(each, name) for each in reach.namespaces)]
    if not met:
        return ()
    return (
        Guard(
            code,
            Level.REFUSE,
            f"This reaches {what}: {', '.join(met)}.",
            nearest=("--exclude-namespaces " + ",".join(met),),
        ),
    )


def _is_or_matches(reached: str, name: str) -> bool:
    return meet(reached, name) if is_pattern(reached) else reached == name
