"""`schedule pause --while OPERATION`: pauses schedules as `--hold-schedules` does, while a restore waits or runs. Pure."""

from __future__ import annotations

from datetime import timedelta

from commands.grammar.command import Command
from commands.planning import object_fields, selection
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, Needs
from commands.planning.reach_facts import cluster_facts
from commands.restore import conflicts, schedule_hold
from commands.schedule import bulk
from commands.schedule.validation import version_guards
from domain.counting import counted
from domain.errors import UsageError
from domain.plan import Plan
from domain.reach import Reach
from policy.reach import schedule_reach, union_reach

WHILE_FLAG = "while"
RESTORE_FINISHED_TEXT = "The restore has already finished, so the schedules weren't paused."


def needs(cmd: Command, known: Facts) -> Needs:
    found = bulk.needs(cmd, known)
    return Needs((*found.wants, conflicts.pending_restores_need(known))) if cmd.has_flag(WHILE_FLAG) else found


def plan(cmd: Command, facts: Facts, context: PlanContext) -> Plan:
    if cmd.has_flag("until") or cmd.has_flag("for"):
        raise UsageError("--while can't be combined with --until or --for.", fix="Remove --until and --for.")
    selection.check_selection(cmd, "schedule")
    found = selection.select_objects(cmd, facts, "schedules")
    waiting = _restore(cmd.text(WHILE_FLAG), facts)
    running = [item for item in found if not object_fields.spec(item).get("paused")]
    held = running if waiting is not None else []
    about = cluster_facts(facts, context)
    return Plan(
        cluster=context.cluster.name,
        noun="schedule",
        verb=cmd.verb,
        subject=", ".join(object_fields.name(item) for item in found[:5]),
        steps=tuple(schedule_hold.hold_step(item, context, cmd.text(WHILE_FLAG)) for item in held),
        reach=union_reach(*(schedule_reach(item, about) for item in held)) if held else Reach(),
        guards=(*selection.missing_guards(cmd, facts, "schedules", "schedule"), *version_guards(context)),
        summary=_summary(waiting, [object_fields.name(item) for item in held]),
        evidence={"held for": cmd.text(WHILE_FLAG)},
        notes=(_end_note(),) if held else (),
    )


def _restore(operation: str, facts: Facts) -> conflicts.PendingRestore | None:
    rows = facts.records.get(conflicts.pending_restores_need(facts)) or []
    return next((row for row in rows if isinstance(row, conflicts.PendingRestore) and row.operation == operation), None)


def _summary(waiting: conflicts.PendingRestore | None, names: list[str]) -> str:
    if waiting is None:
        return RESTORE_FINISHED_TEXT
    which = f"restore {waiting.name}" if waiting.name else "the restore"
    return (
        f"Pause {', '.join(names)} while {which} waits or runs"
        if names
        else "All of these schedules are already paused."
    )


def _end_note() -> str:
    span = counted(schedule_hold.HOLD_LENGTH // timedelta(minutes=1), "minute")
    return f"The pause lasts {span} and is renewed while the restore waits or runs. The schedules resume automatically afterwards."
