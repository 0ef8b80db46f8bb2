"""`schedule pause --while OPERATION`: held as the restore itself would hold them, as long as it waits or runs. Pure."""

from __future__ import annotations

from datetime import timedelta

from commands import moments, selection
from commands.command import Command
from commands.facts import Facts, Needs
from commands.policy.reach import schedule_reach, union
from commands.reach_facts import cluster_facts
from commands.restore import hold, pending
from commands.schedule import several
from commands.schedule.soundness import version_guards
from commands.situation import Situation
from domain.counting import counted
from domain.errors import UsageError
from domain.plan import Plan
from domain.reach import Reach

FLAG = "while"
OVER = "The restore that they were to be held for is over: nothing is held, and they go on."


def needs(cmd: Command, known: Facts) -> Needs:
    found = several.needs(cmd, known)
    return Needs((*found.wants, pending.needed(known))) if cmd.given(FLAG) else found


def plan(cmd: Command, facts: Facts, situation: Situation) -> Plan:
    if cmd.given("until") or cmd.given("for"):
        raise UsageError("--while ends by itself, soon after the restore.", fix="Leave out --until and --for.")
    selection.check(cmd, "schedule")
    found = selection.selected(cmd, facts, "schedules")
    waiting = _restore(cmd.text(FLAG), facts)
    running = [item for item in found if not moments.spec(item).get("paused")]
    held = running if waiting is not None else []
    about = cluster_facts(facts, situation)
    return Plan(
        cluster=situation.cluster.name,
        noun="schedule",
        verb=cmd.verb,
        subject=", ".join(moments.name(item) for item in found[:5]),
        steps=tuple(hold.step(item, situation, cmd.text(FLAG)) for item in held),
        reach=union(*(schedule_reach(item, about) for item in held)) if held else Reach(),
        guards=(*selection.missing_guards(cmd, facts, "schedules", "schedule"), *version_guards(situation)),
        summary=_summary(waiting, [moments.name(item) for item in held]),
        evidence={"held for": cmd.text(FLAG)},
        notes=(_ends(),) if held else (),
    )


def _restore(operation: str, facts: Facts) -> pending.Pending | None:
    rows = facts.records.get(pending.needed(facts)) or []
    return next((row for row in rows if isinstance(row, pending.Pending) and row.operation == operation), None)


def _summary(waiting: pending.Pending | None, names: list[str]) -> str:
    if waiting is None:
        return OVER
    which = f"restore {waiting.name}" if waiting.name else "the restore"
    return f"Hold {', '.join(names)} while {which} waits or runs" if names else "They are paused already."


def _ends() -> str:
    span = counted(hold.LASTS // timedelta(minutes=1), "minute")
    return f"Held for {span}, again and again while it waits or runs. After that they go on by themselves."
