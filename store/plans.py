"""A plan as JSON and back: recovery executes what was stored, to the letter."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from domain.json_types import Json
from domain.plan import Guard, Level, Plan, Step, StepVerb
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
    }


def plan_from_json(stored: Json) -> Plan:
    # Plans of older versions have their intents in the evidence.
    evidence = {key: value for key, value in stored["evidence"].items() if key != "intent"}
    intents = stored.get("intents", stored["evidence"].get("intent")) or ()
    return Plan(
        cluster=stored["cluster"],
        noun=stored["noun"],
        verb=stored["verb"],
        steps=tuple(_step(step) for step in stored["steps"]),
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
    )


def _step(stored: Json) -> Step:
    return Step(**{**stored, "verb": StepVerb(stored["verb"]), "wait": tuple(stored["wait"])})


def _guard(stored: Json) -> Guard:
    return Guard(**{**stored, "level": Level(stored["level"]), "nearest": tuple(stored["nearest"])})


def _reach_to_json(reach: Reach) -> Json:
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in asdict(reach).items()}


def _reach(stored: Json) -> Reach:
    values: dict[str, Any] = {
        name: frozenset(value) if isinstance(value, list) else value for name, value in stored.items()
    }
    return Reach(**values)
