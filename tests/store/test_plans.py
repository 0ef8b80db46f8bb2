"""Stored plans: what comes back, and plans that a version without step modes stored."""

from __future__ import annotations

from dataclasses import replace

import pytest

from commands.restore.schedule_hold import hold_step
from domain.plan import Plan, Step, StepMode, StepVerb, digest
from domain.reach import Reach
from store.plans import plan_from_json, plan_to_json
from tests.commands.shelf import situation

HOLD = hold_step({"metadata": {"name": "nightly"}}, situation(), "op-r1")
SAFETY = Step(StepVerb.CREATE, "Backup", "backups", "r1-safety", {"spec": {}}, mode=StepMode.SAFETY_BACKUP)
CONFIG = Step(StepVerb.CREATE, "ConfigMap", "configmaps", "policy-1", {"data": {}}, mode=StepMode.TEMPORARY)
CHANGE_BODY = {"spec": {"paused": False}, "status": {"lastSkipped": "2026-11-21T12:00:00Z"}}
CHANGE = Step(StepVerb.PATCH, "Schedule", "schedules", "nightly", CHANGE_BODY, mode=StepMode.SCHEDULE_CHANGE)
SKIP = Step(StepVerb.PATCH, "Schedule", "schedules", "nightly", {"status": CHANGE_BODY["status"]})
NOTES = {StepMode.SCHEDULE_HOLD: "hold:op-r1", StepMode.SAFETY_BACKUP: "safety"}


def plan_of(step: Step, noun: str = "restore") -> Plan:
    return Plan("prod", noun, "create", (step,), Reach(), subject="r1", evidence={"backup": {"uid": "u"}})


def stored_without_modes(plan: Plan) -> dict:
    """As the version before stored it: a note in place of the mode."""
    stored = plan_to_json(plan)
    del stored["fingerprint_version"]
    for step in stored["steps"]:
        step["note"] = NOTES.get(step.pop("mode"), "")
        del step["held_for"]
    return stored


def fingerprint_without_modes(plan: Plan) -> str:
    """As the version before computed it."""
    steps = [
        {
            "verb": step.verb.value,
            "kind": step.kind,
            "name": step.name,
            "manifest": step.manifest,
            "uid": step.uid,
            "namespace": step.namespace,
            "wait": list(step.wait),
        }
        for step in plan.steps
    ]
    body = {"cluster": plan.cluster, "noun": plan.noun, "verb": plan.verb, "steps": steps, "evidence": plan.evidence}
    return digest(body)


@pytest.mark.parametrize("step", [HOLD, SAFETY, CONFIG, CHANGE, SKIP], ids=lambda step: step.mode)
def test_a_plan_comes_back_as_it_was_stored(step):
    plan = plan_of(step)
    assert plan_from_json(plan_to_json(plan)) == plan


@pytest.mark.parametrize("step", [HOLD, SAFETY, CONFIG, CHANGE, SKIP], ids=lambda step: step.mode)
def test_a_plan_of_the_version_before_keeps_its_fingerprint_and_gets_its_modes(step):
    plan = plan_of(step)
    loaded = plan_from_json(stored_without_modes(plan))
    assert loaded.steps == plan.steps
    assert loaded.fingerprint == fingerprint_without_modes(plan)
    assert plan_from_json(plan_to_json(loaded)) == loaded


def test_the_config_map_of_an_older_schedule_plan_is_not_temporary():
    loaded = plan_from_json(stored_without_modes(plan_of(CONFIG, noun="schedule")))
    assert loaded.steps[0].mode is StepMode.PLAIN


@pytest.mark.parametrize("mode", [mode for mode in StepMode if mode is not StepMode.PLAIN])
def test_the_mode_is_part_of_the_fingerprint(mode):
    plain = replace(SKIP, mode=StepMode.PLAIN)
    assert plan_of(replace(plain, mode=mode)).fingerprint != plan_of(plain).fingerprint


def test_what_a_hold_is_for_is_part_of_the_fingerprint():
    assert plan_of(replace(HOLD, held_for="op-r2")).fingerprint != plan_of(HOLD).fingerprint


def test_a_plain_step_has_the_fingerprint_that_it_had_before():
    assert plan_of(SKIP).fingerprint == fingerprint_without_modes(plan_of(SKIP))
