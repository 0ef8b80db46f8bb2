"""Checks that stop or warn about a restore before Velero sees it. Pure.

They cover what Velero refuses itself (FailedValidation), what it accepts and then ends PartiallyFailed, and what it
reports as Completed although nothing was restored.

Source: velero 1.18 restore_controller validateAndComplete; the rest was observed on a real cluster.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from commands.grammar.command import Command
from commands.planning import object_fields
from commands.planning.facts import Facts
from commands.restore.source import backup_facts
from domain.json_types import Json
from domain.plan import Guard, Level
from domain.reach import Reach
from policy.cluster_facts import BackupFacts, ClusterFacts
from policy.globs import any_matches, globs_overlap, is_pattern, is_valid_glob
from policy.guards import BACKUP_NOT_COMPLETED
from policy.restore_reach import namespaces_in, restore_reach

_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
NEVER = frozenset(
    {
        "nodes",
        "events",
        "events.events.k8s.io",
        "backups.velero.io",
        "restores.velero.io",
        "resticrepositories.velero.io",
        "csinodes.storage.k8s.io",
        "volumeattachments.storage.k8s.io",
        "backuprepositories.velero.io",
    }
)
TERMINATING = "namespace-terminating"
ENDED = frozenset({"Completed", "PartiallyFailed", "Failed", "FailedValidation"})


def backup_guards(cmd: Command, backup: Json | None, facts: Facts) -> Iterable[Guard]:
    """The backup exists, is Completed and can be read."""
    if backup is None:
        if schedule := cmd.text("from-schedule"):
            text = f"Schedule `{schedule}` has no Completed backup to restore."
            yield Guard("no-good-backup", Level.REFUSE, text, facts.names("backups")[:5])
        return
    name, phase = object_fields.name(backup), object_fields.phase(backup)
    yield from _phase_guard(cmd, name, phase)
    if (backup.get("metadata") or {}).get("deletionTimestamp"):
        yield Guard("backup-deleting", Level.REFUSE, f"Backup `{name}` is being deleted.")
    location_name = str(object_fields.spec(backup).get("storageLocation", ""))
    location = facts.get("backupstoragelocations", location_name)
    if location is not None and object_fields.status(location).get("phase") == "Unavailable":
        text = f"Backup `{name}` can't be read: storage location `{location_name}` is Unavailable."
        yield Guard("location-unavailable", Level.REFUSE, text)


def _phase_guard(cmd: Command, name: str, phase: str) -> Iterable[Guard]:
    if phase == "Completed":
        return
    allowed = cmd.is_true("allow-failed") or (
        phase == "PartiallyFailed" and cmd.optional_bool("allow-partially-failed")
    )
    if phase in {"PartiallyFailed", "Failed"} and allowed:
        yield Guard(BACKUP_NOT_COMPLETED, Level.APPROVE, f"Backup `{name}` is {phase}: some data may be missing.")
    elif phase in {"PartiallyFailed", "Failed"}:
        text = f"Backup `{name}` is {phase}: some data may be missing. Add --allow-failed to restore it anyway."
        yield Guard(BACKUP_NOT_COMPLETED, Level.REFUSE, text)
    else:
        yield Guard(
            BACKUP_NOT_COMPLETED, Level.REFUSE, f"Backup `{name}` is {phase}. Only finished backups can be restored."
        )


def scope_guards(spec: Json, source: BackupFacts) -> Iterable[Guard]:
    """Lists that Velero refuses, or accepts and then restores nothing."""
    included, excluded = spec.get("includedNamespaces") or ["*"], spec.get("excludedNamespaces") or []
    yield from _list_guards("namespaces", included, excluded)
    yield from _list_guards("resources", spec.get("includedResources") or ["*"], spec.get("excludedResources") or [])
    for resource in spec.get("includedResources") or []:
        if resource.lower() in NEVER:
            yield Guard("non-restorable", Level.REFUSE, f"Velero never restores `{resource}`.")
    if invalid := [name for name in (*included, *excluded) if not is_valid_glob(name)]:
        yield Guard("bad-list", Level.REFUSE, f"Velero doesn't support these patterns: {', '.join(invalid)}.")
        return
    inside = sorted(namespaces_in(source.contents)) if source.contents is not None else None
    for name in included:
        yield from _unknown_namespace(name, inside, source)
    for name in excluded:
        if inside is not None and not any(_fits(name, each) for each in inside):
            text = f"Namespace `{name}` in --exclude-namespaces isn't in the backup."
            yield Guard("nothing-left-out", Level.WARN, text, tuple(inside[:8]))


def _list_guards(what: str, included: list[str], excluded: list[str]) -> Iterable[Guard]:
    if "*" in included and len(included) > 1:
        yield Guard("bad-list", Level.REFUSE, f"'*' can't be combined with other included {what}.")
    if "*" in excluded:
        yield Guard("bad-list", Level.REFUSE, f"'*' can't be used for excluded {what}.")
    both = sorted(set(included) & set(excluded))
    if both:
        yield Guard("bad-list", Level.REFUSE, f"Both included and excluded: {', '.join(both)}.")


def _unknown_namespace(name: str, inside: list[str] | None, source: BackupFacts) -> Iterable[Guard]:
    backup = object_fields.name(dict(source.manifest))
    if name == "*":
        return
    if inside is None:
        listed = (source.manifest.get("spec") or {}).get("includedNamespaces") or ["*"]
        if source.manifest and not any(each == "*" or is_pattern(each) for each in listed) and name not in listed:
            yield _missing(name, backup, sorted(listed))
    elif not any(_fits(name, each) for each in inside):
        yield _missing(name, backup, inside)


def _fits(name: str, each: str) -> bool:
    return globs_overlap(name, each) if is_pattern(name) else name == each


def _missing(name: str, backup: str, inside: list[str]) -> Guard:
    text = f"Namespace `{name}` isn't in backup `{backup}`. Velero would restore nothing and report Completed."
    return Guard("unknown-namespace", Level.REFUSE, text, tuple(inside[:8]))


def mapping_guards(spec: Json, source: BackupFacts) -> Iterable[Guard]:
    """Velero doesn't check namespace mappings."""
    mapped: Mapping[str, str] = spec.get("namespaceMapping") or {}
    for origin, target in mapped.items():
        if not _NAMESPACE.fullmatch(target):
            text = f"`{target}` isn't a valid namespace name. Use lowercase letters, digits and '-' (at most 63 characters)."
            yield Guard("bad-namespace", Level.REFUSE, text)
        if source.contents is not None and origin not in namespaces_in(source.contents):
            inside = tuple(sorted(namespaces_in(source.contents))[:8])
            yield Guard(
                "unknown-namespace",
                Level.REFUSE,
                f"Namespace `{origin}` in --namespace-mappings isn't in the backup.",
                inside,
            )
    targets = list(mapped.values())
    for twice in sorted({target for target in targets if targets.count(target) > 1}):
        text = f"Several namespaces map to `{twice}`: objects with the same name would conflict."
        yield Guard("mixed-namespaces", Level.REFUSE, text)


def terminating_guards(spec: Json, source: BackupFacts, facts: Facts) -> Iterable[Guard]:
    """Refuses target namespaces that are being deleted, as far as the targets are known before the preview."""
    mapped: Mapping[str, str] = spec.get("namespaceMapping") or {}
    included, excluded = spec.get("includedNamespaces") or ["*"], spec.get("excludedNamespaces") or []
    if source.contents is None:
        inside = {name for name in included if not is_pattern(name)}
    else:
        inside = {each for each in namespaces_in(source.contents) if any_matches(included, each)}
    targets = sorted({mapped.get(name, name) for name in inside if not any_matches(excluded, name)})
    terminating = tuple(name for name in targets if _is_terminating(facts.get("namespaces", name)))
    if terminating:
        yield terminating_guard(terminating)


def terminating_guard(names: tuple[str, ...]) -> Guard:
    """Observed on a real cluster: three kinds of objects took 125 s with a timeout of 40 s, and nothing cancels it."""
    which = f"Namespace `{names[0]}` is" if len(names) == 1 else f"Namespaces {', '.join(names[:5])} are"
    text = (
        f"{which} being deleted. Velero would wait up to 10 minutes (by default) for each kind of object, and all other "
        "restores would wait too. Try again when the deletion is done, or restore into another namespace."
    )
    return Guard(TERMINATING, Level.REFUSE, text)


def _is_terminating(namespace: Json | None) -> bool:
    if namespace is None:
        return False
    deleted = bool((namespace.get("metadata") or {}).get("deletionTimestamp"))
    return deleted or object_fields.phase(namespace) == "Terminating"


def node_port_guards(spec: Json, source: BackupFacts, facts: Facts) -> Iterable[Guard]:
    """Observed on a real cluster: a node port that the author chose is restored even without --preserve-nodeports."""
    mapped: Mapping[str, str] = spec.get("namespaceMapping") or {}
    services = [place.partition("/")[0] for place in (source.contents or {}).get("v1/Service", ())]
    live = [name for name in mapped if name in services and facts.get("namespaces", name) is not None]
    if live:
        text = f"Services in {', '.join(live)} with a fixed node port conflict with the originals, which still use it. The restore would end PartiallyFailed. Exclude services with --exclude-resources services, or change the port with --modifier."
        yield Guard("node-ports", Level.WARN, text)


def running_guards(reach: Reach, facts: Facts, cluster: ClusterFacts) -> Iterable[Guard]:
    """One restore per namespace at a time."""
    for item in facts.all("restores"):
        if object_fields.phase(item) in ENDED or (item.get("metadata") or {}).get("deletionTimestamp"):
            continue
        backup = facts.get("backups", str(object_fields.spec(item).get("backupName", "")))
        other = restore_reach(item, backup_facts(backup, facts), cluster)
        shared = _shared(reach.writes, other.writes)
        if shared:
            text = f"Restore `{object_fields.name(item)}` is running in {shared}. Only one restore per namespace can run at a time. Try again when it has finished."
            yield Guard("restore-running", Level.REFUSE, text)


def _shared(mine: frozenset[str], other: frozenset[str]) -> str:
    if "*" in mine or "*" in other:
        named = sorted((mine | other) - {"*"})
        return ", ".join(named[:5]) or "the whole cluster"
    return ", ".join(sorted(mine & other)[:5])
