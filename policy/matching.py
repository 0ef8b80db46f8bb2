"""Matches one rule against one request. Decisions and explanations both use the result, so they can't differ."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.actor import Actor
from domain.plan import Guard, Plan
from domain.reach import Reach
from policy.rules import Effect, Rule
from policy.scope import NO_LABELS, Labels, ScopeBreach


@dataclass(frozen=True, slots=True)
class PolicyRequest:
    """`labels` are those of live and configured namespaces. `reason` is the value of `--reason`."""

    actor: Actor
    verb: str
    cluster: str
    reach: Reach
    writes: bool
    now: datetime
    guards: tuple[Guard, ...] = ()
    labels: Labels = field(default_factory=dict)
    reason: str = ""
    break_glass: bool = False

    @classmethod
    def of(
        cls,
        actor: Actor,
        plan: Plan,
        now: datetime,
        *,
        labels: Labels = NO_LABELS,
        reason: str = "",
        break_glass: bool = False,
    ) -> PolicyRequest:
        return cls(
            actor=actor,
            verb=f"{plan.noun}.{plan.verb}",
            cluster=plan.cluster,
            reach=plan.reach,
            writes=bool(plan.steps),
            now=now,
            guards=plan.guards,
            labels=labels,
            reason=reason,
            break_glass=break_glass,
        )


class MatchResult(StrEnum):
    """How a rule relates to a request, in the order of evaluation."""

    OTHER_VERB = "other-verb"
    OTHER_CLUSTER = "other-cluster"
    OTHER_PEOPLE = "other-people"
    OTHER_TIME = "other-time"
    CLEAR = "clear"
    """A deny or approval rule whose scope the reach doesn't touch."""
    OUTSIDE = "outside"
    """An allow rule whose scope the reach exceeds."""
    TOUCHED = "touched"
    """The reach touches the scope but isn't inside it."""
    INSIDE = "inside"


@dataclass(frozen=True, slots=True)
class Match:
    rule: Rule
    fit: MatchResult
    outside: tuple[ScopeBreach, ...] = ()
    clear: str = ""

    @property
    def applies(self) -> bool:
        return self.fit in {MatchResult.TOUCHED, MatchResult.INSIDE}


def match_rule(rule: Rule, ask: PolicyRequest) -> Match:
    if not rule.is_about_verb(ask.verb):
        return Match(rule, MatchResult.OTHER_VERB)
    if not rule.is_on_cluster(ask.cluster):
        return Match(rule, MatchResult.OTHER_CLUSTER)
    if not rule.who.includes(ask.actor):
        return Match(rule, MatchResult.OTHER_PEOPLE)
    return match_place(rule, ask)


def adds_duty_only(rule: Rule) -> bool:
    """Whether the rule only requires approval on a condition, in any namespace, and permits nothing."""
    return rule.effect is Effect.APPROVE and not rule.where.is_confined and rule.where.flagged


def match_place(rule: Rule, ask: PolicyRequest) -> Match:
    """Match time and scope alone: what the rule would decide if another person had sent the request.

    A rule that requires approval on a condition (such as cluster-scoped objects in any namespace) permits nothing:
    otherwise a command would become easier to get by meeting the condition. A read without an object, such as a list,
    passes rules with namespaces: the view filters what it shows.
    """
    if not rule.is_in_force(ask.now):
        return Match(rule, MatchResult.OTHER_TIME)
    if not ask.writes and not ask.reach.namespaces and rule.where.is_confined:
        return Match(rule, MatchResult.INSIDE if rule.is_permissive else MatchResult.CLEAR, clear="namespaces")
    outside = rule.where.breaches(ask.reach, ask.labels)
    if rule.effect is Effect.ALLOW:
        return Match(rule, MatchResult.OUTSIDE if outside else MatchResult.INSIDE, outside)
    duty_only = adds_duty_only(rule)
    conditions = rule.effect is Effect.DENY or (not rule.where.is_confined and rule.where.flagged)
    if clear := rule.where.untouched_dimension(ask.reach, ask.labels, flags=conditions):
        return Match(rule, MatchResult.CLEAR, clear=clear)
    return Match(rule, MatchResult.TOUCHED if outside or duty_only else MatchResult.INSIDE, outside)
