"""Test cases for rules: requests and their expected decisions, for `policy test FILE` before rules go live."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from domain.actor import Actor, ActorKind
from domain.decision import Decision, Outcome
from domain.errors import UserError
from domain.plan import Guard, Level, Plan
from domain.reach import EVERYTHING, Reach
from policy.decide import judge
from policy.directory import ASSUMED, Directory
from policy.matching import PolicyRequest
from policy.rules import Rule
from policy.scope import NO_LABELS, Labels
from policy.table_reader import TableError, TableReader
from policy.visible import READ_VERBS

KEYS = (
    "name",
    "as",
    "kind",
    "groups",
    "email",
    "cluster",
    "command",
    "verb",
    "reads",
    "writes",
    "kinds",
    "cluster_scoped",
    "hooks",
    "configmaps",
    "modified",
    "locations",
    "guards",
    "at",
    "reason",
    "break_glass",
    "expect",
    "rule",
)
Planner = Callable[[str, str], Plan | None]
"""Command line and cluster → plan, or None if it can't be planned here."""

_NOON = datetime(2026, 1, 7, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Case:
    """`command` is planned by the caller; without it, `ask` has verb and reach from the table."""

    name: str
    ask: PolicyRequest
    expect: Outcome
    rule: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class CaseErrors:
    faults: tuple[TableError, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(f"cases{fault}" for fault in self.faults)


@dataclass(frozen=True, slots=True)
class Result:
    case: Case
    decision: Decision | None
    passed: bool
    text: str = ""


def parse_cases(entries: Sequence[Any], labels: Labels = NO_LABELS) -> tuple[Case, ...] | CaseErrors:
    faults: list[TableError] = []
    found = []
    for index, data in enumerate(entries):
        if isinstance(data, Mapping):
            found.append(_case(TableReader(index, data, faults=faults), labels))
        else:
            faults.append(TableError(index, "", "Each case must be a table."))
    return CaseErrors(tuple(faults)) if faults else tuple(found)


def run_cases(
    rules: Sequence[Rule], cases: Sequence[Case], planner: Planner | None = None, directory: Directory = ASSUMED
) -> tuple[Result, ...]:
    return tuple(_run(rules, case, planner, directory) for case in cases)


def _run(rules: Sequence[Rule], case: Case, planner: Planner | None, directory: Directory) -> Result:
    ask = case.ask
    if case.command:
        try:
            plan = planner(case.command, ask.cluster) if planner else None
        except UserError as error:
            return Result(case, None, passed=False, text=f"`{case.command}` can't be planned: {error.text}")
        if plan is None:
            return Result(case, None, passed=False, text=f"`{case.command}` can't be planned here")
        ask = PolicyRequest.of(
            ask.actor, plan, ask.now, labels=ask.labels, reason=ask.reason, break_glass=ask.break_glass
        )
    decision = judge(rules, ask, directory)
    wrong = _wrong(case, decision)
    return Result(case, decision, passed=not wrong, text=wrong)


def _wrong(case: Case, decision: Decision) -> str:
    if decision.outcome is not case.expect:
        by = f" by rule {decision.rule}" if decision.rule else ""
        return f"expected {case.expect}, got {decision.outcome}{by}: {decision.text}"
    if case.rule and decision.rule != case.rule:
        return f"expected rule {case.rule}, got {decision.rule or 'none'}"
    return ""


def _case(entry: TableReader, labels: Labels) -> Case:
    entry.allow_only(KEYS)
    command = entry.text("command")
    verb = entry.text("verb", required=not command)
    if command and verb:
        entry.add_error("verb", "Set either command or verb, not both.")
    ask = PolicyRequest(
        actor=_actor(entry),
        verb=verb,
        cluster=entry.text("cluster", required=True),
        reach=_reach(entry),
        writes=verb.partition(".")[2] not in READ_VERBS,
        now=_at(entry),
        guards=tuple(Guard(code, Level.REFUSE, code) for code in entry.texts("guards") or ()),
        labels=labels,
        reason=entry.text("reason"),
        break_glass=bool(entry.flag("break_glass")),
    )
    expect = Outcome(entry.choice("expect", tuple(Outcome), required=True) or Outcome.DENY)
    return Case(entry.text("name") or command or verb, ask, expect, entry.text("rule"), command)


def _actor(entry: TableReader) -> Actor:
    kind = ActorKind(entry.choice("kind", tuple(ActorKind)) or ActorKind.PERSON)
    name = entry.text("as", required=True).removeprefix("@")
    groups = frozenset(each.removeprefix("@") for each in entry.texts("groups") or ())
    return Actor(kind, name, name, email=entry.text("email"), groups=groups)


def _reach(entry: TableReader) -> Reach:
    return Reach(
        reads=frozenset(entry.texts("reads") or ()),
        writes=frozenset(entry.texts("writes") or ()),
        cluster_scoped=bool(entry.flag("cluster_scoped")),
        kinds=frozenset(entry.texts("kinds") or EVERYTHING),
        hooks=bool(entry.flag("hooks")),
        configmaps=frozenset(entry.texts("configmaps") or ()),
        modified=frozenset(each if " " in each else f"{each} " for each in entry.texts("modified") or ()),
        locations=frozenset(entry.texts("locations") or ()),
    )


def _at(entry: TableReader) -> datetime:
    value = entry.data.get("at", _NOON)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            entry.add_error("at", f"{value!r} isn't a time such as 2026-01-09T17:30:00Z.")
            return _NOON
    if not isinstance(value, datetime):
        entry.add_error("at", "Must be a date with a time.")
        return _NOON
    return value if value.tzinfo else value.replace(tzinfo=UTC)
