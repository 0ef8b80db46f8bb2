"""Refusals of the pipeline: by guards that no rule may lift, and by rules. Pure."""

from __future__ import annotations

from domain.decision import Decision, Reason
from domain.errors import Refused
from domain.plan import Plan
from policy.guards import can_lift

NOT_PERMITTED = "You don't have permission to do this."


def check_guards(plan: Plan) -> None:
    """Raises Refused for guards that no rule may lift; the policy decides about the others."""
    guards = [guard for guard in plan.refusals() if not can_lift(guard.code)]
    if guards:
        why = " ".join(guard.text for guard in guards[1:])
        raise Refused(guards[0].text, why=why, nearest=guards[0].nearest)


def denied(decision: Decision) -> Refused:
    people = f"Ask {', '.join(decision.ask)}." if decision.ask else ""
    return Refused(decision.text or NOT_PERMITTED, why=rule_text(decision), fix=people)


def rule_text(decision: Decision) -> str:
    """Return the sentence on the rule; empty for a guard's refusal, whose rule is the one that would have allowed it."""
    return f"Rule `{decision.rule}` applies." if decision.rule and decision.reason is not Reason.GUARD else ""
