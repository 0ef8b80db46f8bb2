"""`status`: each cluster in a line, what waits for approval, and what went wrong."""

from __future__ import annotations

from commands.grammar.command import Command
from commands.grammar.verb import Effect, Verb
from commands.planning import object_fields, pending_approvals
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, FactsByCluster, Needs, ObjectNeed, RecordsNeed, RecordTable, ServerStatusNeed
from domain.answer import Answer, Button, Part, Table, Text, Tone
from domain.counting import counted, plural_of
from domain.errors import ClusterError
from domain.json_types import Json
from domain.problem import Problem

RUNNING = frozenset({"New", "Queued", "ReadyToStart", "InProgress", "WaitingForPluginOperations", "Finalizing"})
BAD = frozenset({"Failed", "PartiallyFailed", "FailedValidation"})
FAILED_NOTICES = RecordsNeed(RecordTable.FAILED_NOTICES)
PROBLEMS = RecordsNeed(RecordTable.PROBLEMS)
SHOWN, MOST_READ, LONGEST = 5, 50, 120
MOST_PROBLEMS = 10


def needs(_cmd: Command, known: Facts) -> Needs:
    return Needs.of(
        ObjectNeed("backups"),
        ObjectNeed("schedules", optional=True),
        ObjectNeed("backupstoragelocations", optional=True),
        ObjectNeed("namespaces", optional=True),
        ServerStatusNeed(),
        FAILED_NOTICES,
        PROBLEMS,
        pending_approvals.pending_approvals_need(known),
        partial=True,
    )


def answer(_cmd: Command, world: FactsByCluster, context: PlanContext) -> Answer:
    rows = [row(cluster, facts, context) for cluster, facts in world.items()]
    bad = any(each[1] != "ok" for each in rows) or bool(problems(world))
    parts: list[Part] = [
        Table(
            ("CLUSTER", "STATE", "VELERO", "LAST COMPLETED", "RUNNING", "FAILED (24H)", "SCHEDULES", "LOCATIONS"),
            tuple(rows),
        )
    ]
    found = problems(world)
    parts += troubles(found, context)
    parts += pending_approvals.answer_parts(
        (facts for facts in world.values() if isinstance(facts, Facts)), context.now
    )
    parts += undelivered(world, context)
    buttons = (Button("Backups", "backup get -A"), Button("Schedules", "schedule get -A"), Button("Help", "help"))
    return Answer(_headline(rows, bad=bad), tuple(parts), Tone.WARNING if bad else Tone.GOOD, buttons)


def problems(world: FactsByCluster) -> list[Problem]:
    """Of the bot itself. Every cluster's facts hold the same list."""
    listed = (facts.records.get(PROBLEMS, []) for facts in world.values() if isinstance(facts, Facts))
    return list(dict.fromkeys(each for some in listed for each in some))


def troubles(found: list[Problem], context: PlanContext) -> list[Part]:
    """Loops that fail, settings that keep something from working, what was set aside."""
    if not found:
        return []
    rows = tuple(
        (each.part, object_fields.relative_time(each.since, context.now) if each.since else "-", each.text[:LONGEST])
        for each in found[:MOST_PROBLEMS]
    )
    fixes = dict.fromkeys(f"{each.part}: {each.fix}" for each in found[:SHOWN] if each.fix)
    more = [f"{len(found) - MOST_PROBLEMS} more: `doctor` lists all."] if len(found) > MOST_PROBLEMS else []
    return [Table(("NOT WORKING", "SINCE", "WHY"), rows), *(Text(each, untrusted=True) for each in [*fixes, *more])]


def undelivered(world: FactsByCluster, context: PlanContext) -> list[Part]:
    """What failed for good, to Slack and webhooks alike, newest first. Every cluster's facts hold the same list."""
    listed = (facts.records.get(FAILED_NOTICES, []) for facts in world.values() if isinstance(facts, Facts))
    found = {each.id: each for some in listed for each in some}
    if not found:
        return []
    rows = tuple(
        (
            each.id,
            f"{each.kind} {each.address}",
            object_fields.relative_time(each.created_at, context.now),
            each.error[:LONGEST],
        )
        for each in list(found.values())[:SHOWN]
    )
    count = f"{len(found)}{' or more' if len(found) >= MOST_READ else ''} {plural_of(len(found), 'notice')}"
    how = "List them with `velero-chatops notices failed`; resend one with `velero-chatops notices retry ID`."
    return [Table(("NOT DELIVERED", "TO", "SINCE", "WHY"), rows), Text(f"{count} couldn't be delivered. {how}")]


def _headline(rows: list[tuple[str, ...]], *, bad: bool) -> str:
    if bad:
        return "Problems found: see the table."
    failed = sum(int(each[5]) for each in rows if each[5].isdigit())
    ended = f"{counted(failed, 'backup')} failed in the last 24 hours"
    return f"All clusters are reachable. {ended}." if failed else "All clusters are healthy."


def row(cluster: str, facts: Facts | ClusterError, context: PlanContext) -> tuple[str, ...]:
    if isinstance(facts, ClusterError):
        return _silent(cluster, facts)
    if facts.fault is not None:
        return _silent(cluster, facts.fault)
    backups = facts.all("backups")
    running = sum(1 for item in backups if object_fields.phase(item) in RUNNING)
    recent = [item for item in backups if _within_a_day(item, context)]
    failed = sum(1 for item in recent if object_fields.phase(item) in BAD)
    good = max(
        (str(object_fields.created(item)) for item in backups if object_fields.phase(item) == "Completed"), default=""
    )
    schedules = facts.all("schedules")
    paused = sum(1 for item in schedules if object_fields.spec(item).get("paused"))
    locations = facts.all("backupstoragelocations")
    away = [object_fields.name(item) for item in locations if object_fields.status(item).get("phase") == "Unavailable"]
    state = "ok"
    unknown = facts.errors.get(ServerStatusNeed())
    if unknown is not None:
        state = unknown.text
    elif facts.status is None:
        state = "Velero doesn't respond"
    elif away:
        state = f"{', '.join(away)} Unavailable"
    elif facts.errors:
        state = next(iter(facts.errors.values())).text
    return (
        cluster,
        state,
        str((facts.status or {}).get("serverVersion") or ("unknown" if facts.status is not None else "-")),
        object_fields.relative_time(object_fields.parse_time(good), context.now) if good else "never",
        str(running),
        str(failed),
        f"{len(schedules)}" + (f" ({paused} paused)" if paused else ""),
        f"{len(locations) - len(away)}/{len(locations)}",
    )


def _silent(cluster: str, error: ClusterError) -> tuple[str, ...]:
    return (cluster, error.text, "-", "-", "-", "-", "-", "-")


def _within_a_day(item: Json, context: PlanContext) -> bool:
    made = object_fields.created(item)
    return made is not None and (context.now - made).total_seconds() < 86400


STATUS = Verb(
    noun="status",
    name="",
    summary="Show the health of all clusters",
    effect=Effect.READ,
    needs=needs,
    answer=answer,
    fans_out=True,
    examples=("status",),
)

CLUSTER_GET = Verb(
    noun="cluster",
    name="get",
    summary="List clusters and whether they are reachable",
    effect=Effect.READ,
    needs=needs,
    answer=answer,
    fans_out=True,
    examples=("cluster get",),
)
