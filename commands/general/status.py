"""The verbs `status` and `cluster get`: one line per cluster, pending approvals, and the bot's own problems."""

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
READ_TIMEOUT_S = 0.9
"""A person waits, and other clusters have answered: one that takes longer is named."""
SERVER = ServerStatusNeed(within=0.5)
MAX_SHOWN_NOTICES, MAX_READ_NOTICES, MAX_CELL = 5, 50, 120
MAX_SHOWN_PROBLEMS, MAX_SHOWN_FIXES = 10, 5

BUTTONS = (
    Button("Backups", "backup get -A"),
    Button("Schedules", "schedule get -A"),
    Button("Restores", "restore get -A"),
    Button("Help", "help"),
)


def needs(_cmd: Command, known: Facts) -> Needs:
    return Needs.of(
        ObjectNeed("backups", summary=True),
        ObjectNeed("schedules", optional=True),
        ObjectNeed("backupstoragelocations", optional=True),
        ObjectNeed("namespaces", optional=True),
        SERVER,
        FAILED_NOTICES,
        PROBLEMS,
        pending_approvals.pending_approvals_need(known),
        partial=True,
    )


def answer(_cmd: Command, world: FactsByCluster, context: PlanContext) -> Answer:
    rows = [row(cluster, facts, context) for cluster, facts in world.items()]
    parts: list[Part] = [
        Table(
            ("CLUSTER", "STATE", "VELERO", "LAST COMPLETED", "RUNNING", "FAILED (24H)", "SCHEDULES", "LOCATIONS"),
            tuple(rows),
        )
    ]
    found = problems(world)
    parts += problem_parts(found, context)
    parts += pending_approvals.answer_parts(
        (facts for facts in world.values() if isinstance(facts, Facts)), context.now
    )
    parts += undelivered(world, context)
    headline, tone = _headline(rows, found)
    return Answer(headline, tuple(parts), tone, BUTTONS)


def problems(world: FactsByCluster) -> list[Problem]:
    """Return the bot's own problems. Every cluster's facts hold the same list."""
    listed = (facts.records.get(PROBLEMS, []) for facts in world.values() if isinstance(facts, Facts))
    return list(dict.fromkeys(each for some in listed for each in some))


def problem_parts(found: list[Problem], context: PlanContext) -> list[Part]:
    """Show failing loops, settings that keep something from working, and items that were set aside."""
    if not found:
        return []
    rows = tuple(
        (each.part, object_fields.relative_time(each.since, context.now) if each.since else "-", each.text[:MAX_CELL])
        for each in found[:MAX_SHOWN_PROBLEMS]
    )
    fixes = dict.fromkeys(f"{each.part}: {each.fix}" for each in found[:MAX_SHOWN_FIXES] if each.fix)
    more = [f"{len(found) - MAX_SHOWN_PROBLEMS} more: `doctor` lists all."] if len(found) > MAX_SHOWN_PROBLEMS else []
    return [Table(("NOT WORKING", "SINCE", "WHY"), rows), *(Text(each) for each in [*fixes, *more])]


def undelivered(world: FactsByCluster, context: PlanContext) -> list[Part]:
    """Show notifications that failed for good, to Slack and webhooks alike, newest first.

    Every cluster's facts hold the same list.
    """
    listed = (facts.records.get(FAILED_NOTICES, []) for facts in world.values() if isinstance(facts, Facts))
    found = {each.id: each for some in listed for each in some}
    if not found:
        return []
    rows = tuple(
        (
            each.id,
            f"{each.kind} {each.address}",
            object_fields.relative_time(each.created_at, context.now),
            each.error[:MAX_CELL],
        )
        for each in list(found.values())[:MAX_SHOWN_NOTICES]
    )
    count = (
        f"{len(found)}{' or more' if len(found) >= MAX_READ_NOTICES else ''} {plural_of(len(found), 'notification')}"
    )
    how = "List them with `velero-chatops notices failed`; resend one with `velero-chatops notices retry ID`."
    return [Table(("NOT DELIVERED", "TO", "SINCE", "WHY"), rows), Text(f"{count} couldn't be delivered. {how}")]


def _headline(rows: list[tuple[str, ...]], found: list[Problem]) -> tuple[str, Tone]:
    """Name the worst problem: a cluster's, else the bot's own, else failed backups."""
    bad = [f"{state}." if cluster in state else f"{cluster}: {state}." for cluster, state, *_ in rows if state != "ok"]
    bad += [f"{each.part}: {each.text[:MAX_CELL]}" for each in found]
    if bad:
        more = f" {counted(len(bad) - 1, 'more problem')} below." if len(bad) > 1 else ""
        return f"{bad[0].replace('..', '.')}{more}", Tone.WARNING
    failed = sum(int(each[5]) for each in rows if each[5].isdigit())
    if failed:
        return f"All clusters are reachable. {counted(failed, 'backup')} failed in the last 24 hours.", Tone.WARNING
    return "All clusters are healthy.", Tone.GOOD


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
    unknown = facts.errors.get(SERVER)
    if unknown is not None:
        state = unknown.text
    elif facts.status is None:
        state = f"Velero doesn't respond within {SERVER.within:g} seconds"
    elif away:
        state = f"{plural_of(len(away), 'storage location')} {', '.join(away)} Unavailable"
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
    read_timeout=READ_TIMEOUT_S,
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
    read_timeout=READ_TIMEOUT_S,
    examples=("cluster get",),
)
