"""Pauses schedules that back up the namespaces of a restore while it waits or runs. Pure.

A backup that runs during a restore would contain a half-restored state. The pause (a hold) is a short horizon in the
schedule's status: it is renewed while the restore waits or runs and expires soon after, even if the bot is
down. The restore takes the hold itself (--hold-schedules), or an operation of its own does if the button was pressed.

A hold must never shorten a longer skip, and must never return after someone resumed the schedule.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from commands.grammar.command import Command
from commands.grammar.tokenizer import quote
from commands.planning import object_fields
from commands.planning.context import PlanContext
from commands.planning.facts import Facts
from commands.planning.output import with_cluster_flag
from commands.planning.reach_facts import cluster_facts
from commands.schedule import horizon
from commands.schedule.validation import version_guards
from domain.counting import counted, plural_of
from domain.json_types import Json
from domain.operation import Operation
from domain.plan import Guard, Step, StepMode
from domain.reach import Reach
from policy.globs import any_matches
from policy.reach import schedule_reach
from store.tables.deadlines import Deadline

if TYPE_CHECKING:
    from store.transaction import Transaction

RENEW_KIND = "schedule.hold"
HOLD_LENGTH = timedelta(minutes=20)
RENEW_INTERVAL = timedelta(minutes=5)
RETRY_AFTER = timedelta(seconds=30)
OFFER = "Pause schedules"
MAX_SCHEDULES = 20
MAX_NAMED = 5


def overlapping_schedules(reach: Reach, facts: Facts) -> list[Json]:
    """The schedules that aren't paused and back up a namespace that the restore writes."""
    running = (item for item in facts.all("schedules") if not object_fields.spec(item).get("paused"))
    return sorted((item for item in running if _touches(item, reach.writes)), key=object_fields.name)


def _touches(schedule: Json, names: frozenset[str]) -> bool:
    template = object_fields.spec(schedule).get("template") or {}
    included, excluded = template.get("includedNamespaces") or ["*"], template.get("excludedNamespaces") or []
    return "*" in names or any(any_matches(included, name) and not any_matches(excluded, name) for name in names)


def _split_by_visibility(found: list[Json], facts: Facts) -> tuple[list[Json], list[str]]:
    """The schedules that the requester sees completely, and the names of the others."""
    partly = [object_fields.name(item) for item in found if ("schedules", object_fields.name(item)) in facts.redacted]
    return [item for item in found if object_fields.name(item) not in partly], partly


def hold_steps(cmd: Command, reach: Reach, facts: Facts, context: PlanContext) -> tuple[Step, ...]:
    """Without a uid: a schedule that GitOps recreates under the same name stays paused."""
    if not cmd.is_true("hold-schedules"):
        return ()
    visible, _ = _split_by_visibility(overlapping_schedules(reach, facts), facts)
    return tuple(hold_step(item, context) for item in visible)


def hold_step(schedule: Json, context: PlanContext, holder: str = "") -> Step:
    """`holder`: the operation that the schedule is paused for, if it isn't the step's own."""
    body = horizon.body(until=context.now + HOLD_LENGTH)
    patch = horizon.horizon_patch(object_fields.name(schedule), "", context.namespace, body)
    return replace(patch, mode=StepMode.SCHEDULE_HOLD, held_for=holder)


def reaches(held: tuple[Step, ...], facts: Facts, context: PlanContext) -> tuple[Reach, ...]:
    """Pausing a schedule affects everything that it backs up."""
    cluster = cluster_facts(facts, context)
    found = (facts.get("schedules", step.name) for step in held)
    return tuple(schedule_reach(item, cluster) for item in found if item is not None)


def guards(held: tuple[Step, ...], context: PlanContext) -> tuple[Guard, ...]:
    return version_guards(context) if held else ()


def notes(cmd: Command, reach: Reach, facts: Facts) -> tuple[str, ...]:
    visible, others = _split_by_visibility(overlapping_schedules(reach, facts), facts)
    found = []
    if visible:
        which = _named([object_fields.name(item) for item in visible])
        resumes = plural_of(len(visible), "It resumes", "They resume")
        latest = counted(HOLD_LENGTH // timedelta(minutes=1), "minute")
        pauses = plural_of(len(visible), "is", "are")
        found.append(
            f"{which} {pauses} paused during the restore. {resumes} automatically, at most {latest} after it ends."
            if cmd.is_true("hold-schedules")
            else f"{which} may run during the restore. Add --hold-schedules to pause {plural_of(len(visible), 'it', 'them')}."
        )
    if others:
        backs_up = plural_of(len(others), "also backs", "also back")
        found.append(
            f"{_named(others)} {backs_up} up namespaces you can't access and may run during the restore. "
            f"Ask {plural_of(len(others), 'its owner', 'their owners')} to pause {plural_of(len(others), 'it', 'them')}."
        )
    return tuple(found)


def _named(names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:MAX_NAMED])
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return f"{plural_of(len(names), 'Schedule')} {shown}{more}"


def offers(cmd: Command, reach: Reach, facts: Facts, name: str, context: PlanContext) -> dict[str, str]:
    """The button that pauses the schedules, if one may run within the first hold. Dry runs and previews offer nothing."""
    if not context.operation or cmd.dry_run or cmd.verb == "plan":
        return {}
    until = context.now + HOLD_LENGTH
    visible, _ = _split_by_visibility(overlapping_schedules(reach, facts), facts)
    names = [object_fields.name(item) for item in visible if not _is_skipped_until(item, until)]
    if not names or len(names) > MAX_SCHEDULES or cmd.is_true("hold-schedules"):
        return {}
    words = " ".join(map(quote, names))
    line = f"schedule pause {words} --while {context.operation} --reason {quote(f'restore {name}')}"
    return {OFFER: with_cluster_flag(line, context)}


def _is_skipped_until(schedule: Json, until: datetime) -> bool:
    skipped = object_fields.parse_time(object_fields.status(schedule).get("lastSkipped"))
    return skipped is not None and skipped >= until


def refresh_hold(step: Step, now: datetime) -> Step:
    """The step with a hold that starts now: the approval may have taken longer than the planned hold lasts."""
    return replace(step, manifest=horizon.body(until=now + HOLD_LENGTH))


def until_of(step: Step) -> datetime:
    return datetime.fromisoformat(step.manifest["status"]["lastSkipped"])


def is_held_longer(live: Json, step: Step) -> bool:
    """Whether the live schedule already skips for longer, so that the hold isn't written."""
    skipped = object_fields.parse_time(object_fields.status(live).get("lastSkipped"))
    return skipped is not None and skipped >= until_of(step)


def record_hold(tx: Transaction, operation: Operation, step: Step, uid: str, now: datetime) -> None:
    """Starts the renewals. A schedule that doesn't exist (no uid) has nothing to renew."""
    if not uid:
        return
    until = until_of(step)
    remember_hold(tx, operation.cluster, step.name, until)
    tx.deadlines.put(renewal(step.held_for or operation.id, step.name, until, now + RENEW_INTERVAL))


def remember_hold(tx: Transaction, cluster: str, name: str, until: datetime) -> None:
    """Recorded before the write, so that the reconciler doesn't take the hold for another person's skip."""
    state = tx.schedules.get(cluster, name)
    if state is not None:
        tx.schedules.put(replace(state, held_until=until), state.revision)


def renewal(operation: str, name: str, until: datetime, at: datetime) -> Deadline:
    payload = {"operation": operation, "name": name, "until": until.isoformat()}
    return Deadline(f"{RENEW_KIND}:{operation}:{name}", at, RENEW_KIND, payload)


def next_hold(live: datetime | None, written: datetime, now: datetime) -> datetime | None:
    """When the renewed hold ends, never earlier than the live one; None if someone resumed the schedule.

    `live` is the horizon in the cluster, `written` the one that the bot wrote last.
    """
    if live is None or live < horizon.whole_seconds(written):
        return None
    return max(live, horizon.whole_seconds(now + HOLD_LENGTH))
