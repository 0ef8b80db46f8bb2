"""Removes from the facts what the actor may not see, before anything is suggested, listed, downloaded or planned."""

from __future__ import annotations

import copy
from collections.abc import Callable

from commands.planning import pending_approvals
from commands.planning.facts import Facts
from commands.restore import conflicts
from domain.json_types import Json
from policy.cluster_facts import BackupFacts, ClusterFacts
from policy.reach import schedule_reach
from policy.restore_reach import restore_reach
from policy.visible import View, Visibility, protected_namespaces, visibility_of, visibility_of_backup

REDACTED_NAMESPACE = "(others)"
PARTLY_VISIBLE = "(some)"


def redact_facts(facts: Facts, view: View, about: ClusterFacts) -> None:
    """Changes `facts` in place. Hidden objects look absent; redacted ones keep phase, times and the visible namespaces."""
    if view.everything:
        return
    conflicts.redact_pending_restores(facts, view)
    pending_approvals.redact_pending_approvals(facts, view)
    _remember_sources(facts)
    judged: dict[str, dict[str, Visibility]] = {}
    for resource in ("backups", "schedules", "restores"):
        objects = facts.objects.get(resource)
        if objects is None:
            continue
        judged[resource] = {name: _visibility(resource, item, facts, view, about) for name, item in objects.items()}
    for resource, verdicts in judged.items():
        for name, verdict in verdicts.items():
            _apply(facts, resource, name, verdict, view, about)
    for resource, place in _NAMESPACE_OF.items():
        objects = facts.objects.get(resource, {})
        for name in [
            name for name, item in objects.items() if not view.covers_namespace(place(item.get("spec") or {}))
        ]:
            del objects[name]
            facts.missing.add((resource, name))
    spaces = facts.objects.get("namespaces")
    if spaces is not None:
        facts.objects["namespaces"] = {name: item for name, item in spaces.items() if view.covers_namespace(name)}


def _remember_sources(facts: Facts) -> None:
    """Keeps the backups as they were read: restores are judged by them after they were removed."""
    backups = facts.objects.get("backups", {})
    facts.sources |= {name: item for name, item in backups.items() if ("backups", name) not in facts.redacted}


_NAMESPACE_OF: dict[str, Callable[[Json], str]] = {
    "backuprepositories": lambda spec: str(spec.get("volumeNamespace", "")),
    "podvolumebackups": lambda spec: str((spec.get("pod") or {}).get("namespace", "")),
    "podvolumerestores": lambda spec: str((spec.get("pod") or {}).get("namespace", "")),
    "datauploads": lambda spec: str(spec.get("sourceNamespace", "")),
    "datadownloads": lambda spec: str((spec.get("targetVolume") or {}).get("namespace", "")),
}
"""Resource → the namespace of an object, for resources whose objects belong to one namespace."""


def _apply(facts: Facts, resource: str, name: str, verdict: Visibility, view: View, about: ClusterFacts) -> None:
    if verdict is Visibility.HIDDEN:
        del facts.objects[resource][name]
        facts.missing.add((resource, name))
    elif verdict is Visibility.REDACTED:
        facts.objects[resource][name] = redact_object(
            facts.objects[resource][name], view, about, _source(facts, resource, name)
        )
        facts.redacted.add((resource, name))


def _source(facts: Facts, resource: str, name: str) -> str:
    """A restore's backup, where the actor may know it. Backups are judged before restores."""
    spec = facts.objects[resource][name].get("spec") or {}
    source = str(spec.get("backupName") or "") if resource == "restores" else ""
    return source if facts.get("backups", source) is not None else ""


def _visibility(resource: str, item: Json, facts: Facts, view: View, about: ClusterFacts) -> Visibility:
    if resource == "backups":
        return visibility_of_backup(view, item, about)
    if resource == "schedules":
        return visibility_of(view, schedule_reach(item, about))
    spec = item.get("spec") or {}
    source = facts.sources.get(str(spec.get("backupName") or ""))
    found = visibility_of(view, restore_reach(item, BackupFacts(source or {}), about))
    # Without its backup a restore may reach everything: it is visible only if it names a visible namespace.
    named = [*(spec.get("includedNamespaces") or ()), *(spec.get("namespaceMapping") or {}).values()]
    return found if source or found is Visibility.FULL or any(map(view.covers_namespace, named)) else Visibility.HIDDEN


def redact_object(item: Json, view: View, about: ClusterFacts, backup: str = "") -> Json:
    """The parts of an object that an actor may see who may see only some of its namespaces."""
    meta, status = item.get("metadata") or {}, item.get("status") or {}
    spec = item.get("spec") or {}
    template = spec.get("template")
    mine = [*protected_namespaces(view, {"spec": template or spec}, about), REDACTED_NAMESPACE]
    kept = {key: status[key] for key in _VISIBLE_STATUS if key in status}
    partly = {"includedResources": [PARTLY_VISIBLE]} if _narrowed(template or spec) else {}
    shown: Json = {"includedNamespaces": mine, "storageLocation": spec.get("storageLocation", ""), **partly}
    if backup:
        shown["backupName"] = backup
    if template is not None:
        shown = {
            "schedule": spec.get("schedule", ""),
            "paused": spec.get("paused", False),
            "template": {"includedNamespaces": mine, **partly},
        }
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key == "velero.io/schedule-name"}
    return copy.deepcopy(
        {
            "apiVersion": item.get("apiVersion", ""),
            "kind": item.get("kind", ""),
            "metadata": {
                **{key: meta[key] for key in ("name", "namespace", "uid", "creationTimestamp") if key in meta},
                "labels": labels,
            },
            "spec": shown,
            "status": kept,
        }
    )


def _narrowed(spec: Json) -> bool:
    """Whether the spec leaves out parts of its namespaces. That it does may be shown, but not which."""
    return any(spec.get(field) not in (None, [], {}, ["*"]) for field in _NARROWING)


_NARROWING = ("includedResources", "includedNamespaceScopedResources", "labelSelector", "orLabelSelectors")

_VISIBLE_STATUS = (
    "phase",
    "startTimestamp",
    "completionTimestamp",
    "expiration",
    "lastBackup",
    "lastSkipped",
    "queuePosition",
)
