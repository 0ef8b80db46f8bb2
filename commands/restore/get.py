"""`restore get`: the list of restores, newest first, with the CLI's columns and the requester."""

from __future__ import annotations

import json
from collections.abc import Callable

import yaml

from commands.grammar.command import Command
from commands.grammar.flags import DURATION, PERSON, STRINGS, TEXT, Flag
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import object_fields, person_filter, phases
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, FactsByCluster, Needs, ObjectNeed
from commands.planning.output import ALL_CLUSTERS, LIST_FLAGS
from commands.planning.resolve import REQUESTED_BY
from domain.answer import Answer, Code, Part, Table, Text, Tone
from domain.counting import counted
from domain.errors import ClusterError, NotFound
from domain.json_types import Json
from velero.phases import RESTORE_PHASES

PHASES = phases.all_phases(RESTORE_PHASES)

FILTERS: tuple[Flag, ...] = (
    Flag("selector", TEXT, "Filter by label selector", short="l", group="Filter"),
    Flag("status", STRINGS, "Filter by phase, for example Failed,PartiallyFailed", group="Filter", ours=True),
    Flag("backup", TEXT, "Filter by backup", group="Filter", ours=True, source="backups"),
    Flag("created-by", PERSON, "Filter by requester", group="Filter", ours=True),
    Flag(
        "since", DURATION, "Show only items created within this time, for example 24h or 7d", group="Filter", ours=True
    ),
)


def needs(cmd: Command, _known: Facts) -> Needs:
    named = bool(cmd.names) and not cmd.text("selector")
    wanted = (
        [ObjectNeed("restores", name) for name in cmd.names]
        if named
        else [ObjectNeed("restores", label=cmd.text("selector"))]
    )
    return Needs.of(
        *wanted,
        ObjectNeed("backups", optional=True),
        ObjectNeed("namespaces", optional=True),
        person_filter.person_need(cmd, "created-by"),
    )


def answer(cmd: Command, world: FactsByCluster, context: PlanContext) -> Answer:
    rows: list[tuple[str, Json]] = []
    parts: list[Part] = []
    for cluster, facts in world.items():
        if isinstance(facts, ClusterError):
            parts.append(Text(f"Cluster {cluster} couldn't be read: {facts.text}"))
            continue
        _check_names(cmd, facts)
        who = person_filter.person_names(cmd, "created-by", facts)
        rows += [(cluster, item) for item in _wanted(cmd, facts) if _fits(cmd, item, context, who)]
    seen = (
        object_fields.phase(item)
        for facts in world.values()
        if isinstance(facts, Facts)
        for item in facts.all("restores")
    )
    phases.check_phase(cmd, PHASES, seen)
    rows.sort(key=lambda row: str(object_fields.created(row[1]) or ""), reverse=True)
    if cmd.text("output") in {"json", "yaml"}:
        return Answer(_headline(len(rows)), (*parts, _dump(cmd, [item for _, item in rows])))
    several = len(world) > 1
    table = Table(_columns(cmd, several=several), tuple(_row(cmd, *row, context, several=several) for row in rows))
    tone = Tone.WARNING if parts else Tone.PLAIN
    return Answer(_headline(len(rows)), (*parts, *((table,) if rows else ())), tone)


def _headline(count: int) -> str:
    return counted(count, "restore") if count else "No restores found."


def _wanted(cmd: Command, facts: Facts) -> list[Json]:
    return [item for item in facts.all("restores") if not cmd.names or object_fields.name(item) in cmd.names]


def _check_names(cmd: Command, facts: Facts) -> None:
    for name in cmd.names:
        if facts.get("restores", name) is None:
            raise NotFound(
                f"Restore `{name}` doesn't exist in {facts.cluster}.", nearest=facts.nearest("restores", name)
            )


def _fits(cmd: Command, item: Json, context: PlanContext, who: frozenset[str]) -> bool:
    checks: tuple[tuple[str, Callable[[], bool]], ...] = (
        (
            "status",
            lambda: any(phases.matches_phase(each, object_fields.phase(item)) for each in cmd.strings("status")),
        ),
        ("backup", lambda: object_fields.spec(item).get("backupName") == cmd.text("backup")),
        ("created-by", lambda: creator(item).casefold() in who),
        ("since", lambda: _is_younger(item, cmd, context)),
    )
    return all(check() for flag, check in checks if cmd.has_flag(flag))


def _is_younger(item: Json, cmd: Command, context: PlanContext) -> bool:
    created = object_fields.created(item)
    return created is not None and (context.now - created).total_seconds() * 1e9 <= cmd.nanoseconds("since")


def creator(item: Json) -> str:
    return str(object_fields.annotations_of(item).get(REQUESTED_BY) or "-")


def _columns(cmd: Command, *, several: bool) -> tuple[str, ...]:
    names = ["NAME", "BACKUP", "STATUS", "STARTED", "COMPLETED", "ERRORS", "WARNINGS", "CREATED BY"]
    extra = [*cmd.strings("label-columns"), *(["LABELS"] if cmd.is_true("show-labels") else [])]
    return (*(["CLUSTER"] if several else []), *names, *extra)


def _row(cmd: Command, cluster: str, item: Json, context: PlanContext, *, several: bool) -> tuple[str, ...]:
    status, labels = object_fields.status(item), object_fields.labels(item)
    cells = [
        object_fields.name(item),
        str(object_fields.spec(item).get("backupName") or "-"),
        object_fields.phase(item),
        object_fields.format_time(object_fields.parse_time(status.get("startTimestamp")), context.timezone),
        object_fields.format_time(object_fields.parse_time(status.get("completionTimestamp")), context.timezone),
        str(object_fields.number(status.get("errors"))),
        str(object_fields.number(status.get("warnings"))),
        creator(item),
    ]
    cells += [str(labels.get(key, "")) for key in cmd.strings("label-columns")]
    if cmd.is_true("show-labels"):
        cells.append(",".join(f"{key}={value}" for key, value in sorted(labels.items())) or "<none>")
    return (*([cluster] if several else []), *cells)


def _dump(cmd: Command, items: list[Json]) -> Code:
    shown: object = items[0] if len(items) == 1 else {"apiVersion": "v1", "kind": "List", "items": items}
    if cmd.text("output") == "json":
        return Code(json.dumps(shown, indent=2), "json")
    return Code(yaml.safe_dump(shown, sort_keys=False), "yaml")


GET = Verb(
    noun="restore",
    name="get",
    summary="List restores",
    effect=Effect.READ,
    args=Args("NAME", 0, 50, "restores"),
    flags=(*FILTERS, *LIST_FLAGS, ALL_CLUSTERS),
    needs=needs,
    answer=answer,
    examples=("restore get", "restore get --status PartiallyFailed --since 7d"),
)
