"""`backup get`: the list, newest first; columns as the CLI's, plus who made it and how long it stays."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from commands import moments, output, people, phases, selection
from commands.backup import kots
from commands.backup.kots import Logical
from commands.backup.sheet import items_of, selector_of
from commands.command import Command
from commands.facts import Facts, Needs, Want, World
from commands.flags import DURATION, PERSON, STRINGS, TEXT, Flag
from commands.output import ALL_CLUSTERS, LIST_FLAGS, PAGE
from commands.resolve import REQUESTED_BY
from commands.situation import Situation
from commands.verb import Args, Effect, Verb
from domain.answer import Answer, Attachment, Part, Table, Text, Tone
from domain.counting import counted
from domain.errors import ClusterError, Unknown
from velero.data_movement import movement_of
from velero.phases import BACKUP_PHASES
from velero.pod_volumes import pod_volume_of

Json = moments.Json

FILTERS: tuple[Flag, ...] = (
    Flag("selector", TEXT, "Only those that match this label selector", short="l", group="Filter"),
    Flag("status", STRINGS, "Only these phases", group="Filter", ours=True),
    Flag("schedule", TEXT, "Only those of this schedule", group="Filter", ours=True, source="schedules"),
    Flag("created-by", PERSON, "Only those that this person asked for", group="Filter", ours=True),
    Flag("since", DURATION, "Only younger ones (24h, 7d)", group="Filter", ours=True),
    Flag("search", TEXT, "Only names with this in it", group="Filter", ours=True),
)
PHASES = phases.every(BACKUP_PHASES, "Deleting", "Expired")
COLUMNS = ("NAME", "STATUS", "ERRORS", "WARNINGS", "CREATED", "EXPIRES", "STORAGE LOCATION", "CREATED BY")
WIDE = ("SELECTOR", "NAMESPACES", "ITEMS", "SIZE", "TYPE")


@dataclass(frozen=True, slots=True)
class Row:
    cluster: str
    backup: Logical
    size: int = 0


def needs(cmd: Command, known: Facts) -> Needs:
    """The list comes from memory where a table is asked for; objects as such come from the cluster."""
    exact = cmd.names or output.dumps(cmd) or output.wide(cmd) or cmd.text("selector")
    wanted = selection.some(cmd, known, "backups") if exact else [Want("backups")]
    sizes = ("podvolumebackups", "datauploads") if output.wide(cmd) else ()
    more = (Want(each, optional=True) for each in ("namespaces", *sizes))
    return Needs.of(*wanted, *more, people.needed(cmd, "created-by"))


def answer(cmd: Command, world: World, situation: Situation) -> Answer:
    rows: list[Row] = []
    parts: list[Part] = []
    for cluster, facts in world.items():
        if isinstance(facts, ClusterError):
            parts.append(Text(f"{cluster} could not be asked: {facts.text}", untrusted=True))
            continue
        rows += _rows(cmd, cluster, facts, situation)
    phases.check(cmd, PHASES, (moments.phase(item) for item in _all(world)))
    rows.sort(key=lambda row: str(moments.created(row.backup.first) or ""), reverse=True)
    items = [item for row in rows for item in row.backup.members]
    if output.dumps(cmd):
        return Answer(_headline(len(rows)), (*parts, output.dump(cmd, items)), namespaces=inside(items))
    number, start, end = output.page(cmd, len(rows))
    several = len(world) > 1
    cells = tuple(_cells(cmd, row, situation, several=several) for row in rows[start:end])
    columns = _columns(cmd, several=several)
    table: tuple[Part, ...] = (Table(columns, cells),) if rows else ()
    if end - start < len(rows) and number == 1:
        every = (_cells(cmd, row, situation, several=several) for row in rows)
        table += (Attachment("backups.txt", "\n".join("\t".join(row) for row in (columns, *every)), "All backups"),)
    more = f", page {number}: {start + 1} to {end}" if end - start < len(rows) else ""
    return Answer(
        _headline(len(rows)) + more,
        (*parts, *table),
        Tone.WARNING if parts else Tone.PLAIN,
        output.turn(cmd, len(rows), situation),
        namespaces=inside(items),
    )


def _all(world: World) -> list[Json]:
    return [item for facts in world.values() if isinstance(facts, Facts) for item in facts.all("backups")]


def _rows(cmd: Command, cluster: str, facts: Facts, situation: Situation) -> Iterable[Row]:
    found = kots.logical(facts.all("backups"))
    names = {one.name for one in found} | {moments.name(item) for item in facts.all("backups")}
    for name in cmd.names:
        if name not in names:
            raise Unknown(f"There is no backup {name!r}.", nearest=facts.nearest("backups", name))
    sizes, who = _sizes(facts), people.names(cmd, "created-by", facts)
    for one in found:
        if cmd.names and not {one.name, *map(moments.name, one.members)} & set(cmd.names):
            continue
        if _fits(cmd, one, situation, who):
            yield Row(cluster, one, sum(sizes.get(moments.name(item), 0) for item in one.members))


def _sizes(facts: Facts) -> dict[str, int]:
    """Of the data of volumes: what is known without opening a file for each backup."""
    found: dict[str, int] = {}
    volumes = [(one.meta, one.bytes_total) for one in map(pod_volume_of, facts.all("podvolumebackups"))]
    moved = [(one.meta, one.bytes_total) for one in map(movement_of, facts.all("datauploads"))]
    for meta, size in (*volumes, *moved):
        name = str(meta.labels.get("velero.io/backup-name", ""))
        found[name] = found.get(name, 0) + size
    return found


def inside(items: Iterable[Json]) -> frozenset[str]:
    """Which namespaces an answer on these backups tells of."""
    return frozenset(str(name) for item in items for name in moments.spec(item).get("includedNamespaces") or ["*"])


def _headline(count: int) -> str:
    return counted(count, "backup") if count else "No backups found."


def _fits(cmd: Command, one: Logical, situation: Situation, who: frozenset[str]) -> bool:
    item = one.first
    checks: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("status", lambda: any(_phase_fits(wanted, one, situation) for wanted in cmd.strings("status"))),
        ("schedule", lambda: moments.labels(item).get("velero.io/schedule-name") == cmd.text("schedule")),
        ("created-by", lambda: creator(item).casefold() in who),
        ("search", lambda: cmd.text("search") in one.name),
        ("since", lambda: _younger(item, cmd, situation)),
    )
    return all(check() for flag, check in checks if cmd.given(flag))


def _phase_fits(wanted: str, one: Logical, situation: Situation) -> bool:
    return any(phases.means(wanted, each) for each in (one.phase, state(one, situation)))


def state(one: Logical, situation: Situation) -> str:
    """Velero's phase; `Expired` is none of its own: past its time and not yet deleted."""
    expires = moments.moment(moments.status(one.first).get("expiration"))
    return "Expired" if expires is not None and expires <= situation.now else one.phase


def _younger(item: Json, cmd: Command, situation: Situation) -> bool:
    made = moments.created(item)
    return made is not None and (situation.now - made).total_seconds() * 1e9 <= cmd.nanoseconds("since")


def creator(item: Json) -> str:
    """Who asked for it: a person, a schedule, KOTS, or nobody known."""
    asked = moments.remarks(item).get(REQUESTED_BY)
    if asked:
        return str(asked)
    schedule = moments.labels(item).get("velero.io/schedule-name")
    return f"schedule {schedule}" if schedule else kots.trigger(item) or "-"


def _columns(cmd: Command, *, several: bool) -> tuple[str, ...]:
    extra = WIDE if output.wide(cmd) else ()
    return (*(["CLUSTER"] if several else []), *COLUMNS, *extra, *output.label_columns(cmd))


def _cells(cmd: Command, row: Row, situation: Situation, *, several: bool) -> tuple[str, ...]:
    one, item = row.backup, row.backup.first
    expires = moments.moment(moments.status(item).get("expiration"))
    pair = f" ({counted(len(one.members), 'part')})" if len(one.members) > 1 else ""
    cells = [
        one.name + pair,
        state(one, situation),
        str(sum(moments.number(moments.status(each).get("errors")) for each in one.members)),
        str(sum(moments.number(moments.status(each).get("warnings")) for each in one.members)),
        moments.at(moments.created(item), situation.timezone),
        moments.ago(expires, situation.now) if expires else "-",
        str(moments.spec(item).get("storageLocation") or "-"),
        creator(item),
    ]
    cells += _wide(row) if output.wide(cmd) else []
    return (*([row.cluster] if several else []), *cells, *output.label_cells(cmd, item))


def _wide(row: Row) -> list[str]:
    item = row.backup.first
    return [
        selector_of(item),
        ",".join(map(str, moments.spec(item).get("includedNamespaces") or ["*"])),
        items_of(item),
        moments.size(row.size) if row.size else "-",
        kots.kind(item) or str(moments.remarks(item).get("velero-chatops.io/type", "-")),
    ]


GET = Verb(
    noun="backup",
    name="get",
    summary="List backups",
    effect=Effect.READ,
    args=Args("NAME", 0, 50, "backups"),
    flags=(*FILTERS, PAGE, *LIST_FLAGS, ALL_CLUSTERS),
    needs=needs,
    answer=answer,
    examples=(
        "backup get",
        "backup get --status PartiallyFailed,Failed --since 7d",
        "backup get -A --schedule nightly",
    ),
)
