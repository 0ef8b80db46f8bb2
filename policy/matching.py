"""One rule against one asking. Decisions and explanations both stand on what is found here, so they cannot differ."""

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
    """`labels` are those of live and configured namespaces. `reason` is what the person typed with `--reason`."""

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
    """How a rule stands to an asking, in the order in which it is looked at."""

    OTHER_VERB = "other-verb"
    OTHER_CLUSTER = "other-cluster"
    OTHER_PEOPLE = "other-people"
    OTHER_TIME = "other-time"
    CLEAR = "clear"
    """A rule that denies or asks for approval, and the reach does not touch it."""
    OUTSIDE = "outside"
    """A rule that allows, and the reach leaves it."""
    TOUCHED = "touched"
    """The reach touches it but is not inside."""
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
    """It asks for approval on a condition, wherever that is, and permits nothing."""
    return rule.effect is Effect.APPROVE and not rule.where.is_confined and rule.where.flagged


def match_place(rule: Rule, ask: PolicyRequest) -> Match:
    """Time and place alone: what a rule would say of this asking if others had it.

    A rule that asks for approval on a condition (cluster-scoped objects, say, wherever) adds a duty and permits nothing:
    else a command would become easier to get by meeting the condition. A read that is about no object yet (a list) passes rules that name namespaces: the view filters what it shows.
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
