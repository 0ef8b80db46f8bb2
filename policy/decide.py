"""Decides whether a request is allowed, denied or needs approval, with the rule, the reason and whom to ask.

The first match wins. An allow rule matches a reach that is entirely inside it, a deny rule a reach that touches it. An
approval rule that is only touched requires approval but permits nothing outside itself: a later rule has to contain the
whole reach. So a wider command is never easier to get than a narrow one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from domain.actor import Actor
from domain.counting import counted
from domain.decision import Decision, Outcome, Reason
from domain.plan import Guard, Level, Plan
from policy.directory import Directory, has_quorum
from policy.globs import matches_glob
from policy.guards import can_lift
from policy.matching import Match, MatchResult, PolicyRequest, match_place, match_rule
from policy.rules import Effect, Rule, rules_digest
from policy.scope import NO_LABELS, Labels

GUARDED_READS = ("audit", "audit.*")
"""Reads that show what other people did: denied unless a rule allows them."""


_ACTIONS = {"get": "list", "describe": "view", "logs": "read the logs of", "set": "change", "default": "choose default"}
_OBJECTS = {
    "backup": "backups",
    "restore": "restores",
    "schedule": "schedules",
    "backup-location": "storage locations",
    "snapshot-location": "snapshot locations",
    "repo": "backup repositories",
    "plugin": "plugins",
    "cluster": "clusters",
}


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
    so_far = _evaluate(rules, ask)
    decision = _undecided(so_far, ask) if so_far.end is None else _decided(so_far, so_far.end, rules, ask, directory)
    asked = whom_to_ask(rules, ask) if decision.outcome is Outcome.DENY else ()
    return replace(decision, rules_digest=rules_digest(rules), ask=asked)


def may_ask(rules: Sequence[Rule], actor: Actor, verb: str, cluster: str, *, writes: bool) -> Decision:
    """Decide before anything is read whether any rule could permit this at all. Hours and scopes are checked later.

    Without a cluster, on any cluster.
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
    """Whether the rule decides `may_ask`: every permitting rule does, a deny rule only if it denies everything, always."""
    everywhere = bool(cluster) or "*" in rule.clusters
    return rule.is_permissive or (rule.where.is_unlimited and not rule.during and everywhere)


def whom_to_ask(rules: Sequence[Rule], ask: PolicyRequest) -> tuple[str, ...]:
    """Return groups and people that a rule permits to do this, here and now."""
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
class _Evaluation:
    """`end` is the deciding match, `duties` are approvals required before it, `broken` are rules passed by break-glass."""

    end: Match | None = None
    duties: tuple[Rule, ...] = ()
    broken: tuple[Rule, ...] = ()
    near: tuple[Match, ...] = ()


def _evaluate(rules: Sequence[Rule], ask: PolicyRequest) -> _Evaluation:
    so_far = _Evaluation()
    for rule in rules:
        found = match_rule(rule, ask)
        if found.fit is MatchResult.OUTSIDE:
            so_far = replace(so_far, near=(*so_far.near, found))
        elif found.applies:
            so_far = _apply(so_far, found, ask)
        if so_far.end is not None:
            break
    return so_far


def _apply(so_far: _Evaluation, found: Match, ask: PolicyRequest) -> _Evaluation:
    """Apply a matching rule. A broken freeze and a touched approval rule let the evaluation continue."""
    rule = found.rule
    broken = (*so_far.broken, rule) if _may_break(rule, ask) else so_far.broken
    if rule.is_freeze and broken is not so_far.broken:
        return replace(so_far, broken=broken)
    if rule.effect is not Effect.APPROVE:
        return replace(so_far, end=found)
    duties = so_far.duties if broken is not so_far.broken else (*so_far.duties, rule)
    if found.fit is MatchResult.INSIDE:
        return replace(so_far, end=found, duties=duties, broken=broken)
    return replace(so_far, duties=duties, broken=broken, near=(*so_far.near, found))


def _strictest(duties: Sequence[Rule]) -> Rule | None:
    """Return the first rule with the largest quorum."""
    return max(duties, key=lambda rule: rule.approvals.quorum, default=None)


def _may_break(rule: Rule, ask: PolicyRequest) -> bool:
    return ask.break_glass and bool(ask.reason.strip()) and bool(rule.break_glass & ask.actor.groups)


def _undecided(so_far: _Evaluation, ask: PolicyRequest) -> Decision:
    """Decide without a deciding rule."""
    decision = _default(ask.verb, writes=ask.writes)
    if decision.outcome is Outcome.ALLOW:
        guards = _blocking(ask.guards, frozenset())
        return _guarded(guards, "") if guards else decision
    if so_far.near:
        near = so_far.near[0]
        reaches = " and ".join(each.what for each in near.outside)
        text = f"{_no_permission(ask.verb)}: the command also affects {reaches}. Rule `{near.rule.name}` is the closest match."
        if not near.outside:
            text = f"{_no_permission(ask.verb)}. Rule `{near.rule.name}` requires approval, but no rule allows the command itself."
        return replace(decision, text=text)
    return decision


def _no_permission(verb: str) -> str:
    noun, _, action = verb.partition(".")
    words = f"{_ACTIONS.get(action, action)} {_OBJECTS[noun]}" if noun in _OBJECTS and action else f"run `{noun}`"
    return f"You don't have permission to {words}"


def _default(verb: str, *, writes: bool) -> Decision:
    if writes:
        return Decision(
            Outcome.DENY,
            Reason.WRITE_DEFAULT,
            text=f"{_no_permission(verb)}. No rule allows it for you.",
        )
    if any(matches_glob(each, verb) for each in GUARDED_READS):
        return Decision(Outcome.DENY, Reason.NOT_A_MEMBER, text="You don't have permission to view the audit log.")
    return Decision(Outcome.ALLOW, Reason.READ_DEFAULT, text="Reads are allowed unless a rule denies them.")


def _decided(
    so_far: _Evaluation, end: Match, rules: Sequence[Rule], ask: PolicyRequest, directory: Directory
) -> Decision:
    rule = end.rule
    if rule.effect is Effect.DENY:
        reason = Reason.FREEZE if rule.is_freeze else Reason.RULE
        return Decision(Outcome.DENY, reason, rule.name, _denied_by(rule))
    for each in (rule, *so_far.duties, *so_far.broken):
        if refusing := _refusing(rule, ask) or _forbidden(each, ask):
            return _guarded(refusing, each.name)
    if any(each.reason_required for each in (rule, *so_far.duties)) and not ask.reason.strip():
        return Decision(
            Outcome.DENY, Reason.RULE, rule.name, f'Rule `{rule.name}` requires a reason. Add --reason "…".'
        )
    pending = _blocking(ask.guards, rule.lifts)
    duties = so_far.duties or (_for_guards(rule, rules, ask) if pending else ())
    if duty := _strictest(duties):
        return _approval(duty, ask, directory)
    if pending:
        return _guarded(pending, rule.name)
    if so_far.broken:
        return _allowed_by_break_glass(so_far.broken, rule)
    return Decision(Outcome.ALLOW, Reason.RULE, rule.name, f"Allowed by rule `{rule.name}`.")


def _for_guards(rule: Rule, rules: Sequence[Rule], ask: PolicyRequest) -> tuple[Rule, ...]:
    """Return the rules whose approvers decide about a guard: the permitting rule, else matching approval rules."""
    if rule.approvals.approvers:
        return (rule,)
    return tuple(each for each in rules if each.effect is Effect.APPROVE and match_rule(each, ask).applies)


def _blocking(guards: Sequence[Guard], lifts: frozenset[str]) -> tuple[Guard, ...]:
    """Return guards that block: warnings never do, and a rule lifts only liftable ones."""
    return tuple(
        guard
        for guard in guards
        if guard.level is not Level.WARN and not (guard.code in lifts and can_lift(guard.code))
    )


def _refusing(rule: Rule, ask: PolicyRequest) -> tuple[Guard, ...]:
    return tuple(guard for guard in _blocking(ask.guards, rule.lifts) if guard.level is Level.REFUSE)


def _forbidden(rule: Rule, ask: PolicyRequest) -> tuple[Guard, ...]:
    """Return guards that the rule refuses even where approval could override them."""
    return tuple(guard for guard in ask.guards if guard.level is not Level.WARN and guard.code in rule.refuses)


def _guarded(guards: tuple[Guard, ...], rule: str) -> Decision:
    codes = ", ".join(guard.code for guard in guards)
    texts = " ".join(guard.text for guard in guards)
    hint = (
        f" An administrator can allow this in a rule (lifts: {codes})."
        if all(can_lift(guard.code) for guard in guards)
        else ""
    )
    return Decision(Outcome.DENY, Reason.GUARD, rule, f"{texts}{hint}")


def _approval(duty: Rule, ask: PolicyRequest, directory: Directory) -> Decision:
    terms = duty.approvals
    if not has_quorum(directory, terms.approvers, terms.quorum, ask.actor):
        return Decision(Outcome.DENY, Reason.NOT_ENOUGH_APPROVERS, duty.name, _too_few(duty, directory))
    text = f"Rule `{duty.name}` requires {counted(terms.quorum, 'approval')} from {', '.join(terms.approvers)}."
    return _with_approvers(duty, Decision(Outcome.REQUIRE_APPROVAL, Reason.RULE, duty.name, text))


def _allowed_by_break_glass(broken: tuple[Rule, ...], rule: Rule) -> Decision:
    """Allow by break-glass without the approval or during the freeze; a review is required afterwards."""
    names = ", ".join(each.name for each in broken)
    decision = Decision(
        Outcome.ALLOW, Reason.BREAK_GLASS, rule.name, f"Break-glass used on {names}: a review is required afterwards."
    )
    return _with_approvers(_strictest([each for each in broken if each.approvals.approvers]) or rule, decision)


def _with_approvers(rule: Rule, decision: Decision) -> Decision:
    """Add who approves, or who reviews a break-glass run."""
    terms = rule.approvals
    quorum = terms.quorum if terms.approvers else 0
    return replace(decision, quorum=quorum, approvers=frozenset(terms.approvers), expires=terms.expires)


def _too_few(duty: Rule, directory: Directory) -> str:
    terms = duty.approvals
    who, needed = ", ".join(terms.approvers), counted(terms.quorum, "approval")
    if not directory.known:
        return f"Rule `{duty.name}` requires {needed} from {who}, but the approvers can't be determined right now. Try again later."
    return f"Rule `{duty.name}` requires {needed} from {who} other than you, and there aren't enough of them."


def _denied_by(rule: Rule) -> str:
    if rule.is_freeze:
        return f"Rule `{rule.name}` blocks changes: {'; '.join(window.describe() for window in rule.during)}."
    return f"Rule `{rule.name}` denies this."


def _people(rules: Iterable[Rule]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for rule in rules:
        found.update(dict.fromkeys(rule.who.people))
    return tuple(found)
