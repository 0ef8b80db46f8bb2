"""What a vote was bound to, against what would run now. Pure."""

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
    """`stale`: why it may not run. `notes` are told and stop nothing."""

    stale: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def find_drift(approval: Approval, stored: Plan, plan: Plan, decision: Decision) -> Drift:
    """Equal fingerprint, equal rule and quorum, no grown impact: else it is not what was approved."""
    stale = (*_decision(approval, decision), *_plan(stored, plan), *_grown(stored, plan))
    bound = approval_fingerprint(plan.fingerprint, decision.rule, decision.quorum)
    if not stale and bound != approval.fingerprint:
        stale = ("The plan's fingerprint changed.",)
    return Drift(stale, _shrunk(stored, plan))


def _decision(approval: Approval, decision: Decision) -> tuple[str, ...]:
    if decision.outcome is Outcome.DENY:
        return (f"The rules no longer permit this: {decision.text}",)
    if decision.outcome is Outcome.ALLOW:
        return ("The rules changed: no approval is needed now.",)
    if decision.rule != approval.rule:
        return (f"A different rule now applies: *{decision.rule}* instead of *{approval.rule}*.",)
    if decision.quorum != approval.quorum:
        return (f"The rule now needs {counted(decision.quorum, 'approval')} instead of {approval.quorum}.",)
    return ()


def _plan(stored: Plan, plan: Plan) -> Iterator[str]:
    if stored.fingerprint == plan.fingerprint:
        return
    if len(stored.steps) != len(plan.steps):
        yield f"The plan now has {counted(len(plan.steps), 'step')} instead of {len(stored.steps)}."
    for step, again in zip(stored.steps, plan.steps, strict=False):
        yield from _step(step, again)
    for key in sorted({*stored.evidence, *plan.evidence}):
        before, now = stored.evidence.get(key), plan.evidence.get(key)
        if digest(before) != digest(now):
            yield _evidence(key, before if isinstance(before, Mapping) else {}, now if isinstance(now, Mapping) else {})
    if stored.intents != plan.intents:
        yield "The runs that are skipped, or until when the schedule is paused, changed."


def _evidence(key: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Digests and uids are for machines: what they mean is told."""
    if key == "backup" and before.get("name") == now.get("name") and before.get("uid") != now.get("uid"):
        return f"Backup {now.get('name')} was deleted and recreated."
    if key == "backup" and before.get("name") == now.get("name"):
        return f"Backup {now.get('name')} changed: its spec or its result."
    if key == "modifier":
        return "The resource modifier ConfigMap changed."
    changed = [one for one in sorted({*before, *now} - {"digest", "uid"}) if before.get(one) != now.get(one)]
    said = ", ".join(f"{one} {_short(before.get(one))} → {_short(now.get(one))}" for one in changed)
    return f"{key.capitalize()} changed{': ' if said else ''}{said}."


def _step(before: Step, now: Step) -> Iterator[str]:
    if (before.verb, before.kind, before.name) != (now.verb, now.kind, now.name):
        yield f"Step changed: {before.verb} {before.kind} {before.name} is now {now.verb} {now.kind} {now.name}."
    elif before.uid != now.uid and before.verb is not StepVerb.CREATE:  # of what is made it is the source's
        yield f"{before.kind} {before.name} was deleted and recreated."
    elif digest(before.manifest) != digest(now.manifest):
        parts = {key for key in (*before.manifest, *now.manifest) if before.manifest.get(key) != now.manifest.get(key)}
        yield f"{before.kind} {before.name} would be written differently: {', '.join(sorted(parts))}."


def _grown(stored: Plan, plan: Plan) -> tuple[str, ...]:
    if stored.impact is None or plan.impact is None:
        return ()
    new = sorted(plan.impact - stored.impact)
    if not new:
        return ()
    more = f" and {len(new) - MAX_SHOWN} more" if len(new) > MAX_SHOWN else ""
    return (f"The restore would now change more objects: {', '.join(new[:MAX_SHOWN])}{more}.",)


def _shrunk(stored: Plan, plan: Plan) -> tuple[str, ...]:
    if stored.impact is None or plan.impact is None or not stored.impact - plan.impact:
        return ()
    return (f"The restore would now change {counted(len(stored.impact - plan.impact), 'object')} fewer.",)


def _short(value: object) -> str:
    text = str(value or "none")
    return text if len(text) <= 200 else f"{text[:199]}…"
