"""Schedules that would back up what is being restored: an offer to hold them, and the hold that a restore renews. Pure.

A hold is a short horizon (DESIGN §7): renewed while the restore waits or runs, it ends by itself soon after, bot or no
bot. It is no intent of anybody's: a longer skip stays, and who resumes the schedule meanwhile has the last word. Taken
by the restore itself or, where the offer was clicked, by an operation of its own that is bound to the restore's.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from commands.grammar.command import Command
from commands.grammar.tokenizer import quote
from commands.planning import object_fields
from commands.planning.context import PlanContext
from commands.planning.facts import Facts
from commands.planning.output import with_cluster_flag
from commands.planning.reach_facts import cluster_facts
from commands.schedule import horizon
from commands.schedule.validation import version_guards
from domain.json_types import Json
from domain.plan import Guard, Step
from domain.reach import Reach
from policy.globs import any_matches
from policy.reach import schedule_reach
from store.tables.deadlines import Deadline

HOLD_NOTE = "hold"
RENEW_KIND = "schedule.hold"
HOLD_LENGTH = timedelta(minutes=20)
RENEW_INTERVAL = timedelta(minutes=5)
RETRY_AFTER = timedelta(seconds=30)
OFFER = "Pause schedules"
MAX_SCHEDULES = 20


def overlapping_schedules(reach: Reach, facts: Facts) -> list[Json]:
    """Those that run, and back up a namespace that the restore writes."""
    running = (item for item in facts.all("schedules") if not object_fields.spec(item).get("paused"))
    return sorted((item for item in running if _touches(item, reach.writes)), key=object_fields.name)


def _touches(schedule: Json, names: frozenset[str]) -> bool:
    template = object_fields.spec(schedule).get("template") or {}
    included, excluded = template.get("includedNamespaces") or ["*"], template.get("excludedNamespaces") or []
    return "*" in names or any(any_matches(included, name) and not any_matches(excluded, name) for name in names)


def _whole(found: list[Json], facts: Facts) -> tuple[list[Json], list[str]]:
    """Those that the asker sees whole, and the names of those that are mostly others'."""
    partly = [object_fields.name(item) for item in found if ("schedules", object_fields.name(item)) in facts.redacted]
    return [item for item in found if object_fields.name(item) not in partly], partly


def hold_steps(cmd: Command, reach: Reach, facts: Facts, context: PlanContext) -> tuple[Step, ...]:
    """Without a uid: one that GitOps makes anew under its name is held as well."""
    if not cmd.is_true("hold-schedules"):
        return ()
    mine, _ = _whole(overlapping_schedules(reach, facts), facts)
    return tuple(hold_step(item, context) for item in mine)


def hold_step(schedule: Json, context: PlanContext, holder: str = "") -> Step:
    """`holder`: the operation that it is held for, where that is another one than the step's own."""
    body = horizon.body(until=context.now + HOLD_LENGTH)
    note = f"{HOLD_NOTE}:{holder}" if holder else HOLD_NOTE
    return horizon.horizon_patch(object_fields.name(schedule), "", context.namespace, body, note)


def reaches(held: tuple[Step, ...], facts: Facts, context: PlanContext) -> tuple[Reach, ...]:
    """Holding a schedule concerns all that it backs up."""
    about = cluster_facts(facts, context)
    found = (facts.get("schedules", step.name) for step in held)
    return tuple(schedule_reach(item, about) for item in found if item is not None)


def guards(held: tuple[Step, ...], context: PlanContext) -> tuple[Guard, ...]:
    return version_guards(context) if held else ()


def notes(cmd: Command, reach: Reach, facts: Facts) -> tuple[str, ...]:
    mine, others = _whole(overlapping_schedules(reach, facts), facts)
    names = ", ".join(object_fields.name(item) for item in mine[:5]) + (
        f" and {len(mine) - 5} more" if len(mine) > 5 else ""
    )
    said = []
    if mine and cmd.is_true("hold-schedules"):
        minutes = HOLD_LENGTH // timedelta(minutes=1)
        said.append(
            f"Paused during the restore: {names}. They resume automatically, at most {minutes} minutes after it ends."
        )
    elif mine:
        said.append(f"These schedules may run during the restore: {names}. Add --hold-schedules to pause them.")
    if others:
        said.append(
            f"These schedules also back up namespaces you can't access and may run during the restore: {', '.join(others[:5])}."
        )
    return tuple(said)


def offers(cmd: Command, reach: Reach, facts: Facts, name: str, context: PlanContext) -> dict[str, str]:
    """One button, where something would run within the time that it holds. What is only looked at has nothing to hold for."""
    if not context.operation or cmd.dry_run or cmd.verb == "plan":
        return {}
    until = context.now + HOLD_LENGTH
    mine, _ = _whole(overlapping_schedules(reach, facts), facts)
    names = [object_fields.name(item) for item in mine if not _passed_over(item, until)]
    if not names or len(names) > MAX_SCHEDULES or cmd.is_true("hold-schedules"):
        return {}
    words = " ".join(map(quote, names))
    line = f"schedule pause {words} --while {context.operation} --reason {quote(f'restore {name}')}"
    return {OFFER: with_cluster_flag(line, context)}


def _passed_over(schedule: Json, until: datetime) -> bool:
    there = object_fields.parse_time(object_fields.status(schedule).get("lastSkipped"))
    return there is not None and there >= until


# while it runs


def refresh_hold(step: Step, now: datetime) -> Step:
    """A hold begins when it is taken: an approval may have waited for longer than it lasts."""
    return replace(step, manifest=horizon.body(until=now + HOLD_LENGTH)) if is_hold(step) else step


def is_hold(step: Step) -> bool:
    return step.note.partition(":")[0] == HOLD_NOTE


def holder(step: Step, operation: str) -> str:
    """The operation for which it is renewed."""
    return step.note.partition(":")[2] or operation


def until_of(step: Step) -> datetime:
    return datetime.fromisoformat(step.manifest["status"]["lastSkipped"])


def shortens(there: Json, step: Step) -> bool:
    """A longer skip is in force: it stays."""
    found = object_fields.parse_time(object_fields.status(there).get("lastSkipped"))
    return found is not None and found >= until_of(step)


def renewal(operation: str, name: str, until: datetime, at: datetime) -> Deadline:
    payload = {"operation": operation, "name": name, "until": until.isoformat()}
    return Deadline(f"{RENEW_KIND}:{operation}:{name}", at, RENEW_KIND, payload)


def was_renewed(there: datetime | None, ours: datetime, now: datetime) -> datetime | None:
    """The next horizon; None where somebody took ours back, and the hold is over. Never shorter than what is there."""
    if there is None or there < horizon.whole_seconds(ours):
        return None
    return max(there, horizon.whole_seconds(now + HOLD_LENGTH))
