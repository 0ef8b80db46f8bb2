"""Policy rules: who, what, where, when, and the effect. The first match wins; `parse` reads rules from the settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from domain.actor import Actor, ActorKind
from domain.plan import digest
from policy.globs import matches_glob
from policy.scope import RuleScope
from policy.time_windows import TimeWindow


class Effect(StrEnum):
    ALLOW = "allow"
    DENY = "deny"
    APPROVE = "approve"


@dataclass(frozen=True, slots=True)
class Who:
    """`anyone` means every person; pipelines, the terminal and timers have to be named."""

    groups: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    pipelines: frozenset[str] = frozenset()
    anyone: bool = False
    terminal: bool = False
    timer: bool = False

    def includes(self, actor: Actor) -> bool:
        return self.names_actor(actor) or (self.anyone and actor.kind is ActorKind.PERSON)

    def names_actor(self, actor: Actor) -> bool:
        """Whether the actor is included by name or group, not merely as anyone."""
        match actor.kind:
            case ActorKind.PERSON:
                return bool(self.groups & actor.groups) or not self.users.isdisjoint(_known_as(actor))
            case ActorKind.PIPELINE:
                return any(matches_glob(name, actor.id) for name in self.pipelines)
            case ActorKind.TERMINAL:
                return self.terminal
            case ActorKind.TIMER:
                return self.timer

    @property
    def people(self) -> tuple[str, ...]:
        return (*sorted(self.groups), *sorted(self.users))


def _known_as(actor: Actor) -> frozenset[str]:
    return frozenset(name for name in (actor.id, actor.email.casefold()) if name)


@dataclass(frozen=True, slots=True)
class ApprovalTerms:
    """`approvers` are group names, user ids or email addresses; `expires` is in seconds; `notify` has groups or channels."""

    quorum: int = 1
    approvers: tuple[str, ...] = ()
    expires: int = 3600
    notify: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """`lifts` lists guards that the rule permits, `refuses` guards that no approval can override. `break_glass` lists
    groups that may pass the rule without approval, with a reason. `safety_backup` decides whether a restore starts with
    one; None leaves that to later rules and the settings.
    """

    name: str
    who: Who
    what: tuple[str, ...]
    effect: Effect
    clusters: tuple[str, ...] = ("*",)
    where: RuleScope = field(default_factory=RuleScope)
    during: tuple[TimeWindow, ...] = ()
    lifts: frozenset[str] = frozenset()
    refuses: frozenset[str] = frozenset()
    approvals: ApprovalTerms = field(default_factory=ApprovalTerms)
    reason_required: bool = False
    safety_backup: bool | None = None
    break_glass: frozenset[str] = frozenset()

    def is_about_verb(self, verb: str) -> bool:
        """Whether the rule is about this verb; `audit.*` includes the verb `audit`, which has no noun."""
        return any(is_about(each, verb) for each in self.what)

    def is_on_cluster(self, cluster: str) -> bool:
        return any(matches_glob(each, cluster) for each in self.clusters)

    def is_in_force(self, now: datetime) -> bool:
        return not self.during or any(window.is_open(now) for window in self.during)

    @property
    def is_freeze(self) -> bool:
        return self.effect is Effect.DENY and bool(self.during)

    @property
    def is_permissive(self) -> bool:
        return self.effect is not Effect.DENY


def is_about(pattern: str, verb: str) -> bool:
    return matches_glob(pattern, verb) or ("." not in verb and matches_glob(pattern, f"{verb}."))


def needs_labels(rules: Sequence[Rule]) -> bool:
    """Whether namespaces have to be read before a decision: rules with label selectors cover nothing without labels."""
    return any(rule.where.namespaces and rule.where.namespaces.labels for rule in rules)


def rules_digest(rules: Sequence[Rule]) -> str:
    """Return a digest for decisions: equal rules in equal order give equal digests."""
    return _digest(tuple(rules))


@lru_cache(maxsize=64)
def _digest(rules: tuple[Rule, ...]) -> str:
    return digest([_plain(asdict(rule)) for rule in rules])


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, frozenset):
        return sorted(value)
    return [_plain(each) for each in value] if isinstance(value, (tuple, list)) else value
