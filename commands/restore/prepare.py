"""The last changes to a restore's steps before they are shown and approved: the backup and the modifiers are pinned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from commands.planning.context import PlanContext
from commands.planning.facts import Facts
from commands.restore.modifier_config_map import copy_config_map
from domain.plan import Plan, Step, StepVerb


def pin_sources(plan: Plan, facts: Facts, context: PlanContext) -> Plan:
    backup = plan.evidence.get("backup") or {}
    steps = (each for step in plan.steps for each in copy_config_map(_with_backup(step, backup), facts, context))
    return replace(plan, steps=tuple(steps))


def _with_backup(step: Step, backup: Mapping[str, Any]) -> Step:
    """A restore from a schedule names the backup that was checked, not one that the schedule creates later."""
    if step.kind != "Restore" or step.verb is not StepVerb.CREATE or not backup.get("name"):
        return step
    spec = {key: value for key, value in step.manifest["spec"].items() if key != "scheduleName"}
    manifest = {**step.manifest, "spec": {**spec, "backupName": backup["name"]}}
    return replace(step, manifest=manifest, uid=str(backup.get("uid", "")))
