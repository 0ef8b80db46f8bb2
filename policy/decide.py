"""Whether an asking is allowed, refused, or needs others to agree; with the rule, the reason and whom to ask.

First match wins. An allowing rule matches a reach that lies inside it whole, a denying one a reach that touches it.
A rule that asks for approval and is only touched makes approval a duty, but it permits nothing outside itself: some
rule further down has to hold the whole reach. So a wider command is never easier to get than a narrow one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from domain.actor import Actor
from domain.decision import Decision, Outcome, Reason
from domain.plan import Guard, Level, Plan
from policy.directory import Directory, has_quorum
from policy.globs import matches_glob
from policy.guards import can_lift
from policy.matching import Match, MatchResult, PolicyRequest, match_place, match_rule
from policy.rules import Effect, Rule, rules_digest
from policy.scope import NO_LABELS, Labels

GUARDED_READS = ("audit", "audit.*")
"""Reads that tell of other people's deeds: refused unless a rule allows them."""


def decide(
    rules: Sequence[Rule],
    actor: Actor,
    plan: Plan,
    now: datetime,
    directory: Directory,
    *,
    labels: Labels = NO_LABELS,
    reason: str = "",
    break_glass: bool = False,
) -> Decision:
    ask = PolicyRequest.of(actor, plan, now, labels=labels, reason=reason, break_glass=break_glass)
    return judge(rules, ask, directory)


def judge(rules: Sequence[Rule], ask: PolicyRequest, directory: Directory) -> Decision:
    walk = _walk(rules, ask)
    decision = _ends(walk, ask) if walk.end is None else _settled(walk, walk.end, rules, ask, directory)
    asked = whom_to_ask(rules, ask) if decision.outcome is Outcome.DENY else ()
    return replace(decision, rules_digest=rules_digest(rules), ask=asked)


def may_ask(rules: Sequence[Rule], actor: Actor, verb: str, cluster: str, *, writes: bool) -> Decision:
    """Before anything is read: could any rule let this actor do this at all? Hours and places are looked at later.

    Without a cluster: on any of them.
    """
    about = [rule for rule in rules if rule.is_about_verb(verb) and _somewhere(rule, cluster)]
    found = next((rule for rule in about if rule.who.includes(actor) and _settles(rule, cluster)), None)
    if found is not None and found.is_permissive:
        return Decision(Outcome.ALLOW, Reason.RULE, found.name, rules_digest=rules_digest(rules))
    decision = _default(verb, writes=writes)
    if found is not None:
        decision = Decision(Outcome.DENY, Reason.RULE, found.name, _denied_by(found))
    people = _people(rule for rule in about if rule.is_permissive) if decision.outcome is Outcome.DENY else ()
    return replace(decision, ask=people, rules_digest=rules_digest(rules))


def _somewhere(rule: Rule, cluster: str) -> bool:
    return rule.is_on_cluster(cluster) if cluster else True


def _settles(rule: Rule, cluster: str) -> bool:
    """A rule that permits something does; one that denies only if it denies everything, always and here."""
    everywhere = bool(cluster) or "*" in rule.clusters
    return rule.is_permissive or (rule.where.is_unlimited and not rule.during and everywhere)


def whom_to_ask(rules: Sequence[Rule], ask: PolicyRequest) -> tuple[str, ...]:
    """Groups and people of whom a rule says that they could have done this, here and now."""
    return _people(
        rule
        for rule in rules
        if rule.is_permissive
        and rule.is_about_verb(ask.verb)
        and rule.is_on_cluster(ask.cluster)
        and match_place(rule, ask).fit is MatchResult.INSIDE
        and not rule.who.includes(ask.actor)
        and not _refusing(rule, ask)
        and not _forbidden(rule, ask)
    )


@dataclass(frozen=True, slots=True)
class _Walk:
    """`end` is the match that settles it; `duties` the approvals owed on the way; `broken` rules passed by force."""

    end: Match | None = None
    duties: tuple[Rule, ...] = ()
    broken: tuple[Rule, ...] = ()
    near: tuple[Match, ...] = ()


def _walk(rules: Sequence[Rule], ask: PolicyRequest) -> _Walk:
    walk = _Walk()
    for rule in rules:
        found = match_rule(rule, ask)
        if found.fit is MatchResult.OUTSIDE:
            walk = replace(walk, near=(*walk.near, found))
        elif found.applies:
            walk = _passed(walk, found, ask)
        if walk.end is not None:
            break
    return walk


def _passed(walk: _Walk, found: Match, ask: PolicyRequest) -> _Walk:
    """A rule that applies: a freeze that is broken lets on, an approval that is touched is owed and lets on."""
    rule = found.rule
    broken = (*walk.broken, rule) if _may_break(rule, ask) else walk.broken
    if rule.is_freeze and broken is not walk.broken:
        return replace(walk, broken=broken)
    if rule.effect is not Effect.APPROVE:
        return replace(walk, end=found)
    duties = walk.duties if broken is not walk.broken else (*walk.duties, rule)
    if found.fit is MatchResult.INSIDE:
        return replace(walk, end=found, duties=duties, broken=broken)
    return replace(walk, duties=duties, broken=broken, near=(*walk.near, found))


def _strictest(duties: Sequence[Rule]) -> Rule | None:
    """The first of those that ask for the most people."""
    return max(duties, key=lambda rule: rule.approvals.quorum, default=None)


def _may_break(rule: Rule, ask: PolicyRequest) -> bool:
    return ask.break_glass and bool(ask.reason.strip()) and bool(rule.break_glass & ask.actor.groups)


def _ends(walk: _Walk, ask: PolicyRequest) -> Decision:
    """No rule settled it."""
    decision = _default(ask.verb, writes=ask.writes)
    if decision.outcome is Outcome.ALLOW:
        guards = _standing(ask.guards, frozenset())
        return _guarded(guards, "") if guards else decision
    if walk.near:
        near = walk.near[0]
        reaches = " and ".join(each.what for each in near.outside)
        text = f"You don't have permission for this: it also affects {reaches}. Rule *{near.rule.name}* is the closest match."
        if not near.outside:
            text = f"You don't have permission for this. Rule *{near.rule.name}* requires approval, but no rule allows the command itself."
        return replace(decision, text=text)
    return decision


def _default(verb: str, *, writes: bool) -> Decision:
    if writes:
        return Decision(
            Outcome.DENY,
            Reason.WRITE_DEFAULT,
            text=f"You don't have permission to {verb}. No rule allows it for you.",
        )
    if any(matches_glob(each, verb) for each in GUARDED_READS):
        return Decision(Outcome.DENY, Reason.NOT_A_MEMBER, text="You don't have permission to view the audit log.")
    return Decision(Outcome.ALLOW, Reason.READ_DEFAULT, text="Reads are allowed unless a rule denies them.")


def _settled(walk: _Walk, end: Match, rules: Sequence[Rule], ask: PolicyRequest, directory: Directory) -> Decision:
    rule = end.rule
    if rule.effect is Effect.DENY:
        reason = Reason.FREEZE if rule.is_freeze else Reason.RULE
        return Decision(Outcome.DENY, reason, rule.name, _denied_by(rule))
    for each in (rule, *walk.duties, *walk.broken):
        if refusing := _refusing(rule, ask) or _forbidden(each, ask):
            return _guarded(refusing, each.name)
    if any(each.reason_required for each in (rule, *walk.duties)) and not ask.reason.strip():
        return Decision(
            Outcome.DENY, Reason.RULE, rule.name, f'Rule *{rule.name}* requires a reason. Add --reason "…".'
        )
    pending = _standing(ask.guards, rule.lifts)
    duties = walk.duties or (_for_guards(rule, rules, ask) if pending else ())
    if duty := _strictest(duties):
        return _approval(duty, ask, directory)
    if pending:
        return _guarded(pending, rule.name)
    if walk.broken:
        return _forced(walk.broken, rule)
    return Decision(Outcome.ALLOW, Reason.RULE, rule.name, f"Allowed by rule *{rule.name}*.")


def _for_guards(rule: Rule, rules: Sequence[Rule], ask: PolicyRequest) -> tuple[Rule, ...]:
    """Who approves what a guard wants approved: the rule that permits says, or else those that ask for approval here."""
    if rule.approvals.approvers:
        return (rule,)
    return tuple(each for each in rules if each.effect is Effect.APPROVE and match_rule(each, ask).applies)


def _standing(guards: Sequence[Guard], lifts: frozenset[str]) -> tuple[Guard, ...]:
    """Guards that hold: warnings never do, and a rule lifts only what may be lifted."""
    return tuple(
        guard
        for guard in guards
        if guard.level is not Level.WARN and not (guard.code in lifts and can_lift(guard.code))
    )


def _refusing(rule: Rule, ask: PolicyRequest) -> tuple[Guard, ...]:
    return tuple(guard for guard in _standing(ask.guards, rule.lifts) if guard.level is Level.REFUSE)


def _forbidden(rule: Rule, ask: PolicyRequest) -> tuple[Guard, ...]:
    """What could be insisted on elsewhere."""
    return tuple(guard for guard in ask.guards if guard.level is not Level.WARN and guard.code in rule.refuses)


def _guarded(guards: tuple[Guard, ...], rule: str) -> Decision:
    codes = ", ".join(guard.code for guard in guards)
    said = " ".join(guard.text for guard in guards)
    hint = (
        f"  An administrator can allow this in a rule (lifts: {codes})."
        if all(can_lift(guard.code) for guard in guards)
        else ""
    )
    return Decision(Outcome.DENY, Reason.GUARD, rule, f"{said}{hint}")


def _approval(duty: Rule, ask: PolicyRequest, directory: Directory) -> Decision:
    terms = duty.approvals
    if not has_quorum(directory, terms.approvers, terms.quorum, ask.actor):
        return Decision(Outcome.DENY, Reason.NOT_ENOUGH_APPROVERS, duty.name, _too_few(duty, directory))
    text = f"Rule {duty.name} asks for {terms.quorum} of {', '.join(terms.approvers)}."
    return _follow_up(duty, Decision(Outcome.REQUIRE_APPROVAL, Reason.RULE, duty.name, text))


def _forced(broken: tuple[Rule, ...], rule: Rule) -> Decision:
    """Allowed without the approval, or through the freeze, that stood in the way; approval has to follow."""
    names = ", ".join(each.name for each in broken)
    decision = Decision(
        Outcome.ALLOW, Reason.BREAK_GLASS, rule.name, f"Break-glass used on {names}: a review is required afterwards."
    )
    return _follow_up(_strictest([each for each in broken if each.approvals.approvers]) or rule, decision)


def _follow_up(rule: Rule, decision: Decision) -> Decision:
    """Who approves, or looks at it afterwards."""
    terms = rule.approvals
    quorum = terms.quorum if terms.approvers else 0
    return replace(decision, quorum=quorum, approvers=frozenset(terms.approvers), expires=terms.expires)


def _too_few(duty: Rule, directory: Directory) -> str:
    terms = duty.approvals
    who = ", ".join(terms.approvers)
    if not directory.known:
        return f"Rule *{duty.name}* requires {terms.quorum} of {who}, but the approvers can't be determined right now. Try again later."
    return f"Rule *{duty.name}* requires {terms.quorum} of {who} other than you, and there aren't enough of them."


def _denied_by(rule: Rule) -> str:
    if rule.is_freeze:
        return f"Rule {rule.name} freezes this: {'; '.join(window.describe() for window in rule.during)}."
    return f"Rule *{rule.name}* denies this."


def _people(rules: Iterable[Rule]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for rule in rules:
        found.update(dict.fromkeys(rule.who.people))
    return tuple(found)
