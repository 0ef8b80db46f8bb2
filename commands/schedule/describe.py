"""`schedule describe`: one schedule with all that bears on whether it will run, and how it fared."""

from __future__ import annotations

import json
from datetime import datetime

from commands import moments
from commands.command import Command
from commands.facts import Facts, Needs, Want, World
from commands.flags import BOOL, Flag
from commands.moments import Json
from commands.schedule.create import DESCRIPTION
from commands.schedule.delete import of_schedule
from commands.schedule.get import all_there, buttons, status_words
from commands.schedule.intent import known_intent, needed
from commands.schedule.outlook import Outlook, both, lines, listed, outlook
from commands.situation import Situation
from commands.verb import Args, Effect, Verb
from domain.answer import Answer, Fields, Part, Table, Text, Tone
from domain.errors import ClusterError
from store.schedules import ScheduleState
from velero.phases import BACKUP_PHASES

LAST_RUNS = 10


def needs(cmd: Command, known: Facts) -> Needs:
    return Needs.of(
        *(Want("schedules", name, fresh=True) for name in cmd.names),
        Want("backups"),
        Want("namespaces", optional=True),
        needed(known),
    )


def answer(cmd: Command, world: World, situation: Situation) -> Answer:
    facts = next(iter(world.values()))
    if isinstance(facts, ClusterError):
        raise facts
    all_there(cmd, facts)
    parts: list[Part] = []
    tone = Tone.PLAIN
    for name in cmd.names:
        item = facts.get("schedules", name)
        assert item is not None
        found = outlook(item, situation.cluster, situation.now)
        parts += _parts(item, found, facts, situation)
        if found.schedule is None or moments.status(item).get("phase") == "FailedValidation":
            tone = Tone.BAD
    only = outlook(facts.get("schedules", cmd.name) or {}, situation.cluster, situation.now)
    shown = buttons(only, situation.cluster.name) if len(cmd.names) == 1 else ()
    return Answer(f"Schedule {', '.join(cmd.names)}", tuple(parts), tone, buttons=shown)


def _parts(item: Json, found: Outlook, facts: Facts, situation: Situation) -> list[Part]:
    state = known_intent(facts, item)
    runs = of_schedule(item, facts)
    parts: list[Part] = [Text(line, untrusted=True) for line in lines(found, situation)]
    parts += [Text(error, untrusted=True) for error in moments.status(item).get("validationErrors") or []]
    parts.append(
        Fields(tuple((label, value) for label, value in _fields(item, found, state, runs, situation) if value))
    )
    if runs:
        parts.append(_table(runs[-LAST_RUNS:][::-1], situation))
    return parts


def _fields(
    item: Json, found: Outlook, state: ScheduleState | None, runs: list[Json], situation: Situation
) -> list[tuple[str, str]]:
    template = moments.spec(item).get("template") or {}
    ended = [each for each in runs if moments.phase(each) in BACKUP_PHASES.terminal]
    good = [each for each in ended if moments.phase(each) == "Completed"]
    return [
        ("Status", status_words(item, found, state)),
        ("Description", str(moments.remarks(item).get(DESCRIPTION) or "")),
        ("Held back", _held(found, state, situation)),
        ("Namespaces", ", ".join(map(str, template.get("includedNamespaces") or ["*"]))),
        ("Left out", ", ".join(map(str, template.get("excludedNamespaces") or []))),
        ("Storage location", str(template.get("storageLocation") or "the default")),
        (
            "Kept for",
            str(template.get("ttl") or "") if template.get("ttl") not in {None, "0s"} else "720h0m0s (default)",
        ),
        ("Selector", json.dumps(template["labelSelector"]) if template.get("labelSelector") else ""),
        ("Last backup", _when(found.marks.last_backup, situation)),
        ("Last good backup", _good(good, situation)),
        ("Last skipped", _when(found.marks.last_skipped, situation) if found.horizon is None else ""),
        ("Success", f"{len(good)} of {len(ended)} kept runs Completed" if ended else ""),
        ("Items", _items(good)),
        ("Owner references", "yes" if moments.spec(item).get("useOwnerReferencesInBackup") else ""),
    ]


def _held(found: Outlook, state: ScheduleState | None, situation: Situation) -> str:
    if not found.paused and found.horizon is None:
        return ""
    end = (
        f"until {both(found.horizon, situation)}"
        if found.horizon is not None and not found.paused
        else "without an end"
    )
    outside = "pause_outside" if found.paused else "horizon_outside"
    if state is None or state.since is None or state.last.get(outside) or not (state.paused or state.horizon):
        return f"{end}, by somebody outside"
    why = f": {state.reason}" if state.reason else ""
    skips = listed(found.skipped(found.horizon)[:3], situation.timezone) if found.horizon and not found.paused else ""
    return f"{end}, since {both(state.since, situation)} by {state.who}{why}{f'. Skips {skips}' if skips else ''}"


def _when(at: datetime | None, situation: Situation) -> str:
    return f"{moments.at(at, situation.timezone)} ({moments.ago(at, situation.now)})" if at is not None else "never"


def _good(good: list[Json], situation: Situation) -> str:
    if not good:
        return "none"
    return f"{moments.name(good[-1])}, {moments.ago(moments.created(good[-1]), situation.now)}"


def _items(good: list[Json]) -> str:
    counts = [
        moments.number((moments.status(each).get("progress") or {}).get("totalItems")) for each in good[-LAST_RUNS:]
    ]
    return f"{counts[-1]} in the last, {min(counts)} to {max(counts)} in the last {len(counts)}" if any(counts) else ""


def _table(runs: list[Json], situation: Situation) -> Table:
    rows = tuple(
        (
            moments.name(each),
            moments.phase(each),
            moments.at(moments.created(each), situation.timezone),
            _lasted(each),
            str(moments.number((moments.status(each).get("progress") or {}).get("totalItems"))),
            str(moments.number(moments.status(each).get("errors"))),
        )
        for each in runs
    )
    return Table(("BACKUP", "STATUS", "CREATED", "DURATION", "ITEMS", "ERRORS"), rows)


def _lasted(item: Json) -> str:
    begun = moments.moment(moments.status(item).get("startTimestamp"))
    ended = moments.moment(moments.status(item).get("completionTimestamp"))
    return moments.length(ended - begun) if begun and ended else "-"


DESCRIBE = Verb(
    noun="schedule",
    name="describe",
    summary="All about a schedule: when it runs, why not, how it fared",
    effect=Effect.READ,
    args=Args("NAME", 1, 5, "schedules"),
    flags=(Flag("details", BOOL, "Accepted; everything is shown", group="Output"),),
    needs=needs,
    answer=answer,
    examples=("schedule describe nightly",),
)
