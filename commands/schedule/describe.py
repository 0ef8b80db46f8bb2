"""`schedule describe`: a schedule, whether and when it will run, and its recent results."""

from __future__ import annotations

import json
from datetime import datetime

from commands.grammar.command import Command
from commands.grammar.flags import BOOL, Flag
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import object_fields
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, FactsByCluster, Needs, ObjectNeed
from commands.schedule.create import DESCRIPTION
from commands.schedule.delete import backups_of_schedule
from commands.schedule.forecast import Forecast, forecast_lines, in_both_zones, list_runs, make_forecast
from commands.schedule.get import buttons, check_exist, format_ttl, status_text
from commands.schedule.intent import intent_need, read_intent
from domain.answer import Answer, Fields, Part, Table, Text, Tone
from domain.counting import counted
from domain.errors import ClusterError
from domain.json_types import Json
from domain.schedule_intent import IntentKind
from store.tables.schedules import ScheduleState
from velero.phases import BACKUP_PHASES

MAX_RUNS_SHOWN = 10


def needs(cmd: Command, known: Facts) -> Needs:
    return Needs.of(
        *(ObjectNeed("schedules", name, fresh=True) for name in cmd.names),
        ObjectNeed("backups"),
        ObjectNeed("namespaces", optional=True),
        intent_need(known),
    )


def answer(cmd: Command, world: FactsByCluster, context: PlanContext) -> Answer:
    facts = next(iter(world.values()))
    if isinstance(facts, ClusterError):
        raise facts
    check_exist(cmd, facts)
    parts: list[Part] = []
    tone = Tone.PLAIN
    for name in cmd.names:
        item = facts.get("schedules", name)
        assert item is not None
        found = make_forecast(item, context.cluster, context.now)
        parts += _parts(item, found, facts, context)
        if found.schedule is None or object_fields.status(item).get("phase") == "FailedValidation":
            tone = Tone.BAD
    only = make_forecast(facts.get("schedules", cmd.name) or {}, context.cluster, context.now)
    shown = buttons(only, context.cluster.name) if len(cmd.names) == 1 else ()
    return Answer(f"Schedule {', '.join(cmd.names)}", tuple(parts), tone, buttons=shown)


def _parts(item: Json, found: Forecast, facts: Facts, context: PlanContext) -> list[Part]:
    state = read_intent(facts, item)
    runs = backups_of_schedule(item, facts)
    parts: list[Part] = [Text(line) for line in forecast_lines(found, context)]
    parts += [Text(error, untrusted=True) for error in object_fields.status(item).get("validationErrors") or []]
    parts.append(Fields(tuple((label, value) for label, value in _fields(item, found, state, runs, context) if value)))
    if runs:
        parts.append(_table(runs[-MAX_RUNS_SHOWN:][::-1], context))
    return parts


def _fields(
    item: Json, found: Forecast, state: ScheduleState | None, runs: list[Json], context: PlanContext
) -> list[tuple[str, str]]:
    template = object_fields.spec(item).get("template") or {}
    ended = [each for each in runs if object_fields.phase(each) in BACKUP_PHASES.terminal]
    good = [each for each in ended if object_fields.phase(each) == "Completed"]
    return [
        ("Status", status_text(item, found, state)),
        ("Description", str(object_fields.annotations_of(item).get(DESCRIPTION) or "")),
        (
            "Paused" if found.paused or (state and state.kind is IntentKind.PAUSE) else "Skipping",
            _held(found, state, context),
        ),
        ("Namespaces", ", ".join(map(str, template.get("includedNamespaces") or ["*"]))),
        ("Excluded namespaces", ", ".join(map(str, template.get("excludedNamespaces") or []))),
        ("Storage location", str(template.get("storageLocation") or "default")),
        (
            "Keep for",
            format_ttl(template.get("ttl")),
        ),
        ("Selector", json.dumps(template["labelSelector"]) if template.get("labelSelector") else ""),
        ("Last backup", _when(found.marks.last_backup, context)),
        ("Last Completed backup", _good(good, context)),
        ("Last skipped run", _when(found.marks.last_skipped, context) if found.horizon is None else ""),
        ("Completed runs", f"{len(good)} of {len(ended)}" if ended else ""),
        ("Items", _items(good)),
        ("Owner references", "yes" if object_fields.spec(item).get("useOwnerReferencesInBackup") else ""),
    ]


def _held(found: Forecast, state: ScheduleState | None, context: PlanContext) -> str:
    if not found.paused and found.horizon is None:
        return ""
    end = (
        f"until {in_both_zones(found.horizon, context)}"
        if found.horizon is not None and not found.paused
        else "until resumed"
    )
    if state is None or state.since is None or not (state.paused or state.horizon):
        return f"{end}, set outside Slack"
    if state.paused_outside if found.paused else state.horizon_outside:
        return f"{end}, set outside Slack"
    why = f": {state.reason}" if state.reason else ""
    skips = list_runs(found.skipped(found.horizon)[:3], context.timezone) if found.horizon and not found.paused else ""
    return f"{end}, since {in_both_zones(state.since, context)}, by {state.who}{why}{f'. Skipped runs: {skips}' if skips else ''}"


def _when(at: datetime | None, context: PlanContext) -> str:
    return (
        f"{object_fields.format_time(at, context.timezone)} ({object_fields.relative_time(at, context.now)})"
        if at is not None
        else "never"
    )


def _good(good: list[Json], context: PlanContext) -> str:
    if not good:
        return "none"
    return (
        f"{object_fields.name(good[-1])}, {object_fields.relative_time(object_fields.created(good[-1]), context.now)}"
    )


def _items(good: list[Json]) -> str:
    counts = [
        object_fields.number((object_fields.status(each).get("progress") or {}).get("totalItems"))
        for each in good[-MAX_RUNS_SHOWN:]
    ]
    if not any(counts):
        return ""
    last = f"{counts[-1]} in the last run"
    return f"{last}; {min(counts)}–{max(counts)} in the last {counted(len(counts), 'run')}" if len(counts) > 1 else last


def _table(runs: list[Json], context: PlanContext) -> Table:
    rows = tuple(
        (
            object_fields.name(each),
            object_fields.phase(each),
            object_fields.format_time(object_fields.created(each), context.timezone),
            _lasted(each),
            str(object_fields.number((object_fields.status(each).get("progress") or {}).get("totalItems"))),
            str(object_fields.number(object_fields.status(each).get("errors"))),
        )
        for each in runs
    )
    return Table(("BACKUP", "STATUS", "CREATED", "DURATION", "ITEMS", "ERRORS"), rows)


def _lasted(item: Json) -> str:
    begun = object_fields.parse_time(object_fields.status(item).get("startTimestamp"))
    ended = object_fields.parse_time(object_fields.status(item).get("completionTimestamp"))
    return object_fields.format_span(ended - begun) if begun and ended else "-"


DESCRIBE = Verb(
    noun="schedule",
    name="describe",
    summary="Show a schedule: next runs, status and recent results",
    effect=Effect.READ,
    args=Args("NAME", 1, 5, "schedules"),
    flags=(Flag("details", BOOL, "Accepted but ignored: everything is always shown", group="Output"),),
    needs=needs,
    answer=answer,
    examples=("schedule describe nightly",),
)
