"""Finds the drift between the plan that was approved and the plan that would run now. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from domain.approval import Approval, approval_fingerprint
from domain.counting import counted
from domain.decision import Decision, Outcome
from domain.plan import Plan, Step, StepVerb, digest

MAX_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Drift:
    """`stale`: why the plan may not run. `notes` are shown and stop nothing."""

    stale: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def find_drift(approval: Approval, stored: Plan, plan: Plan, decision: Decision) -> Drift:
    """A vote holds for a plan with the same fingerprint, rule and quorum, whose impact hasn't grown."""
    stale = (*_decision_changes(approval, decision), *_plan_changes(stored, plan), *_grown_impact(stored, plan))
    fingerprint = approval_fingerprint(plan.fingerprint, decision.rule, decision.quorum)
    if not stale and fingerprint != approval.fingerprint:
        stale = ("The plan's fingerprint changed.",)
    return Drift(stale, _shrunk_impact(stored, plan))


def _decision_changes(approval: Approval, decision: Decision) -> tuple[str, ...]:
    if decision.outcome is Outcome.DENY:
        return (f"The rules no longer permit this: {decision.text}",)
    if decision.outcome is Outcome.ALLOW:
        return ("The rules changed: no approval is needed now.",)
    if decision.rule != approval.rule:
        return (f"A different rule now applies: *{decision.rule}* instead of *{approval.rule}*.",)
    if decision.quorum != approval.quorum:
        return (f"The rule now needs {counted(decision.quorum, 'approval')} instead of {approval.quorum}.",)
    return ()


def _plan_changes(stored: Plan, plan: Plan) -> Iterator[str]:
    if stored.fingerprint == plan.fingerprint:
        return
    if len(stored.steps) != len(plan.steps):
        yield f"The plan now has {counted(len(plan.steps), 'step')} instead of {len(stored.steps)}."
    for before, now in zip(stored.steps, plan.steps, strict=False):
        yield from _step_changes(before, now)
    for key in sorted({*stored.evidence, *plan.evidence}):
        old, new = stored.evidence.get(key), plan.evidence.get(key)
        if digest(old) != digest(new):
            yield _evidence_change(
                key, old if isinstance(old, Mapping) else {}, new if isinstance(new, Mapping) else {}
            )
    if stored.intents != plan.intents:
        yield "The runs that are skipped, or until when the schedule is paused, changed."


def _evidence_change(key: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Say what changed digests and uids mean, instead of showing them."""
    if key == "backup" and before.get("name") == now.get("name") and before.get("uid") != now.get("uid"):
        return f"Backup {now.get('name')} was deleted and recreated."
    if key == "backup" and before.get("name") == now.get("name"):
        return f"Backup {now.get('name')} changed: its spec or its result."
    if key == "modifier":
        return "The resource modifier ConfigMap changed."
    changed = [name for name in sorted({*before, *now} - {"digest", "uid"}) if before.get(name) != now.get(name)]
    values = ", ".join(f"{name} {_shorten(before.get(name))} → {_shorten(now.get(name))}" for name in changed)
    return f"{key.capitalize()} changed{': ' if values else ''}{values}."


def _step_changes(before: Step, now: Step) -> Iterator[str]:
    if (before.verb, before.kind, before.name) != (now.verb, now.kind, now.name):
        yield f"Step changed: {before.verb} {before.kind} {before.name} is now {now.verb} {now.kind} {now.name}."
    elif before.uid != now.uid and before.verb is not StepVerb.CREATE:  # a created object has its source's uid here
        yield f"{before.kind} {before.name} was deleted and recreated."
    elif digest(before.manifest) != digest(now.manifest):
        fields = {key for key in (*before.manifest, *now.manifest) if before.manifest.get(key) != now.manifest.get(key)}
        yield f"{before.kind} {before.name} would be written differently: {', '.join(sorted(fields))}."


def _grown_impact(stored: Plan, plan: Plan) -> tuple[str, ...]:
    if stored.impact is None or plan.impact is None:
        return ()
    new = sorted(plan.impact - stored.impact)
    if not new:
        return ()
    more = f" and {len(new) - MAX_SHOWN} more" if len(new) > MAX_SHOWN else ""
    return (f"The restore would now change more objects: {', '.join(new[:MAX_SHOWN])}{more}.",)


def _shrunk_impact(stored: Plan, plan: Plan) -> tuple[str, ...]:
    if stored.impact is None or plan.impact is None or not stored.impact - plan.impact:
        return ()
    return (f"The restore would now change {counted(len(stored.impact - plan.impact), 'object')} fewer.",)


def _shorten(value: object) -> str:
    text = str(value or "none")
    return text if len(text) <= 200 else f"{text[:199]}…"
