"""Turns a planned manifest into the one that is sent: location named, bot's marks added, other tools' marks removed."""

from __future__ import annotations

import copy
from dataclasses import replace

from commands.grammar.verb import Preparer
from commands.planning.checks import chosen_location
from commands.planning.context import PlanContext
from commands.planning.facts import Facts
from domain.json_types import Json
from domain.plan import Plan, Step, StepVerb

OPERATION = "velero-chatops.io/operation"
REQUESTED_BY = "velero-chatops.io/requested-by"
REASON = "velero-chatops.io/reason"
SCHEDULE_OPERATION = "velero-chatops.io/schedule-operation"
SCHEDULE_REQUESTED_BY = "velero-chatops.io/schedule-requested-by"

_FOREIGN_ANNOTATIONS = ("kubectl.kubernetes.io/last-applied-configuration", "argocd.argoproj.io/", "meta.helm.sh/")
"""Copied from a schedule, these would make another tool adopt the backup or prune it."""


def resolve(plan: Plan, facts: Facts, context: PlanContext, prepare: Preparer | None = None) -> Plan:
    """`prepare`: what the plan's verb pins first."""
    prepared = prepare(plan, facts, context) if prepare is not None else plan
    steps = tuple(_step(step, facts, context) for step in prepared.steps)
    return replace(prepared, steps=steps, cluster=context.cluster.name)


def _step(step: Step, facts: Facts, context: PlanContext) -> Step:
    if step.verb is not StepVerb.CREATE:
        return step
    manifest = copy.deepcopy(step.manifest)
    if step.kind == "Backup":
        _pin_location(manifest, facts)
        _drop_foreign(manifest)
    metadata = manifest.setdefault("metadata", {})
    if step.kind == "Schedule":
        return replace(step, manifest=_marked_schedule(manifest, context))
    if context.operation:
        metadata["labels"] = {**(metadata.get("labels") or {}), OPERATION: context.operation}
    marks = {REQUESTED_BY: context.actor.name, REASON: context.reason}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **{k: v for k, v in marks.items() if v}}
    return replace(step, manifest=manifest)


def _marked_schedule(manifest: Json, context: PlanContext) -> Json:
    """Add the bot's annotations. Velero copies them to all backups, so a schedule has keys of its own."""
    marks = {SCHEDULE_OPERATION: context.operation, SCHEDULE_REQUESTED_BY: context.actor.name}
    metadata = manifest["metadata"]
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **{k: v for k, v in marks.items() if v}}
    return manifest


def _pin_location(manifest: Json, facts: Facts) -> None:
    """Write the location into the backup: without it a queued backup can't be cancelled."""
    spec = manifest.setdefault("spec", {})
    location = chosen_location(spec, facts)
    if location is not None:
        spec["storageLocation"] = location["metadata"]["name"]


def _drop_foreign(manifest: Json) -> None:
    annotations = manifest["metadata"].get("annotations") or {}
    kept = {key: value for key, value in annotations.items() if not key.startswith(_FOREIGN_ANNOTATIONS)}
    if kept:
        manifest["metadata"]["annotations"] = kept
    else:
        manifest["metadata"].pop("annotations", None)
