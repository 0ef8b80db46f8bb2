"""`backup get`: the list, newest first; columns as the CLI's, plus who made it and how long it stays."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable

from commands import moments, output, selection
from commands.command import Command
from commands.facts import Facts, Needs, Want, World
from commands.flags import DURATION, STRINGS, TEXT, Flag
from commands.output import ALL_CLUSTERS, LIST_FLAGS
from commands.resolve import REQUESTED_BY
from commands.situation import Situation
from commands.verb import Args, Effect, Verb
from domain.answer import Answer, Part, Table, Text, Tone
from domain.errors import ClusterError, Unknown

Json = moments.Json

FILTERS: tuple[Flag, ...] = (
    Flag("selector", TEXT, "Only those that match this label selector", short="l", group="Filter"),
    Flag("status", STRINGS, "Only these phases", group="Filter", ours=True),
    Flag("schedule", TEXT, "Only those of this schedule", group="Filter", ours=True, source="schedules"),
    Flag("created-by", TEXT, "Only those that this person asked for", group="Filter", ours=True),
    Flag("since", DURATION, "Only younger ones (24h, 7d)", group="Filter", ours=True),
    Flag("search", TEXT, "Only names with this in it", group="Filter", ours=True),
)


def needs(cmd: Command, known: Facts) -> Needs:
    """The list comes from memory where a table is asked for; objects as such come from the cluster."""
    if cmd.names or output.dumps(cmd) or cmd.text("selector"):
        return Needs.of(*selection.some(cmd, known, "backups"), Want("namespaces", optional=True))
    return Needs.of(Want("backups"), Want("namespaces", optional=True))


def answer(cmd: Command, world: World, situation: Situation) -> Answer:
    rows: list[tuple[str, Json]] = []
    parts: list[Part] = []
    for cluster, facts in world.items():
        if isinstance(facts, ClusterError):
            parts.append(Text(f"{cluster} could not be asked: {facts.text}", untrusted=True))
            continue
        _all_there(cmd, facts)
        rows += [(cluster, item) for item in facts.all("backups") if _fits(cmd, item, situation)]
    rows.sort(key=lambda row: str(moments.created(row[1]) or ""), reverse=True)
    if output.dumps(cmd):
        return Answer(_headline(len(rows)), (*parts, output.dump(cmd, [item for _, item in rows])))
    several = len(world) > 1
    table = Table(_columns(cmd, several=several), tuple(_row(cmd, *row, situation, several=several) for row in rows))
    tone = Tone.WARNING if parts else Tone.PLAIN
    return Answer(_headline(len(rows)), (*parts, *((table,) if rows else ())), tone)


def inside(items: list[Json]) -> frozenset[str]:
    """Which namespaces an answer on these backups tells of."""
    return frozenset(str(name) for item in items for name in moments.spec(item).get("includedNamespaces") or ["*"])


def _headline(count: int) -> str:
    return {0: "No backups found.", 1: "1 backup"}.get(count, f"{count} backups")


def _all_there(cmd: Command, facts: Facts) -> None:
    for name in cmd.names:
        if facts.get("backups", name) is None:
            raise Unknown(f"There is no backup {name!r}.", nearest=facts.nearest("backups", name))


def _fits(cmd: Command, item: Json, situation: Situation) -> bool:
    checks: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("status", lambda: any(fnmatch.fnmatch(moments.phase(item).lower(), p.lower()) for p in cmd.strings("status"))),
        ("schedule", lambda: moments.labels(item).get("velero.io/schedule-name") == cmd.text("schedule")),
        ("created-by", lambda: cmd.text("created-by").lstrip("@") in creator(item)),
        ("search", lambda: cmd.text("search") in moments.name(item)),
        ("since", lambda: _younger(item, cmd, situation)),
    )
    return all(check() for flag, check in checks if cmd.given(flag))


def _younger(item: Json, cmd: Command, situation: Situation) -> bool:
    made = moments.created(item)
    return made is not None and (situation.now - made).total_seconds() * 1e9 <= cmd.nanoseconds("since")


def creator(item: Json) -> str:
    """Who asked for it: a person, a schedule, or nobody known."""
    asked = moments.remarks(item).get(REQUESTED_BY)
    if asked:
        return str(asked)
    schedule = moments.labels(item).get("velero.io/schedule-name")
    return f"schedule {schedule}" if schedule else "-"


def _columns(cmd: Command, *, several: bool) -> tuple[str, ...]:
    names = ["NAME", "STATUS", "ERRORS", "WARNINGS", "CREATED", "EXPIRES", "STORAGE LOCATION", "CREATED BY"]
    return (*(["CLUSTER"] if several else []), *names, *output.label_columns(cmd))


def _row(cmd: Command, cluster: str, item: Json, situation: Situation, *, several: bool) -> tuple[str, ...]:
    status = moments.status(item)
    expires = moments.moment(status.get("expiration"))
    cells = [
        moments.name(item),
        moments.phase(item),
        str(moments.number(status.get("errors"))),
        str(moments.number(status.get("warnings"))),
        moments.at(moments.created(item), situation.timezone),
        moments.ago(expires, situation.now) if expires else "-",
        str(moments.spec(item).get("storageLocation") or "-"),
        creator(item),
    ]
    return (*([cluster] if several else []), *cells, *output.label_cells(cmd, item))


GET = Verb(
    noun="backup",
    name="get",
    summary="List backups",
    effect=Effect.READ,
    args=Args("NAME", 0, 50, "backups"),
    flags=(*FILTERS, *LIST_FLAGS, ALL_CLUSTERS),
    needs=needs,
    answer=answer,
    examples=(
        "backup get",
        "backup get --status PartiallyFailed,Failed --since 7d",
        "backup get -A --schedule nightly",
    ),
)
