"""A plan as JSON and back. Recovery executes exactly what was stored.

A plan that an older version stored has no step modes: they follow from the notes and shapes that version used, and the
plan keeps the fingerprint it was approved with (`FINGERPRINT_VERSION` 1).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from domain.json_types import Json
from domain.plan import Guard, Level, Plan, Step, StepMode, StepVerb
from domain.reach import Reach
from domain.schedule_intent import intent_from_json


def plan_to_json(plan: Plan) -> Json:
    return {
        "cluster": plan.cluster,
        "noun": plan.noun,
        "verb": plan.verb,
        "steps": [asdict(step) for step in plan.steps],
        "reach": _reach_to_json(plan.reach),
        "guards": [asdict(guard) for guard in plan.guards],
        "cli": plan.cli,
        "summary": plan.summary,
        "subject": plan.subject,
        "evidence": dict(plan.evidence),
        "intents": [intent.as_json() for intent in plan.intents],
        "notes": list(plan.notes),
        "impact": None if plan.impact is None else sorted(plan.impact),
        "report": plan.report,
        "offers": dict(plan.offers),
        "fingerprint_version": plan.fingerprint_version,
    }


def plan_from_json(stored: Json) -> Plan:
    steps = [step if "mode" in step else _with_mode(step, stored["noun"]) for step in stored["steps"]]
    # Plans of older versions have its intents in the evidence.
    evidence = {key: value for key, value in stored["evidence"].items() if key != "intent"}
    intents = stored.get("intents", stored["evidence"].get("intent")) or ()
    return Plan(
        cluster=stored["cluster"],
        noun=stored["noun"],
        verb=stored["verb"],
        steps=tuple(_step(step) for step in steps),
        reach=_reach(stored["reach"]),
        guards=tuple(_guard(guard) for guard in stored["guards"]),
        cli=stored["cli"],
        summary=stored["summary"],
        subject=stored["subject"],
        evidence=evidence,
        intents=tuple(map(intent_from_json, intents)),
        notes=tuple(stored["notes"]),
        impact=None if stored.get("impact") is None else frozenset(stored["impact"]),
        report=stored.get("report", ""),
        offers=stored.get("offers") or {},
        fingerprint_version=int(stored.get("fingerprint_version", 1)),
    )


def _step(stored: Json) -> Step:
    typed = {"verb": StepVerb(stored["verb"]), "mode": StepMode(stored["mode"]), "wait": tuple(stored["wait"])}
    return Step(**{**stored, **typed})


def _with_mode(stored: Json, noun: str) -> Json:
    """Return a step of an older version with the mode that its note and shape meant."""
    step = dict(stored)
    note, _, held_for = step.pop("note", "").partition(":")
    manifest = step["manifest"]
    mode = StepMode.PLAIN
    if step["kind"] == "Schedule" and step["verb"] == StepVerb.PATCH:
        if note == "hold":
            return {**step, "mode": StepMode.SCHEDULE_HOLD, "held_for": held_for}
        if "spec" in manifest and (manifest.get("status") or {}).get("lastSkipped"):
            mode = StepMode.SCHEDULE_CHANGE
    elif note == "safety":
        mode = StepMode.SAFETY_BACKUP
    elif step["kind"] == "ConfigMap" and step["verb"] == StepVerb.CREATE and noun != "schedule":
        mode = StepMode.TEMPORARY
    return {**step, "mode": mode}


def _guard(stored: Json) -> Guard:
    return Guard(**{**stored, "level": Level(stored["level"]), "nearest": tuple(stored["nearest"])})


def _reach_to_json(reach: Reach) -> Json:
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in asdict(reach).items()}


def _reach(stored: Json) -> Reach:
    values: dict[str, Any] = {
        name: frozenset(value) if isinstance(value, list) else value for name, value in stored.items()
    }
    return Reach(**values)
