"""`backup get`: lists backups, newest first, with the CLI's columns plus the creator and the expiry."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from commands.backup import kots
from commands.backup.details_file import items_text, selector_text
from commands.backup.kots import LogicalBackup
from commands.grammar.command import Command
from commands.grammar.flags import BOOL, DURATION, PERSON, STRINGS, TEXT, Flag
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import object_fields, output, person_filter, phases, selection
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, FactsByCluster, Needs, ObjectNeed
from commands.planning.output import ALL_CLUSTERS, LIST_FLAGS, PAGE
from commands.planning.resolve import REQUESTED_BY
from domain.answer import Answer, Attachment, Part, Table, Text, Tone
from domain.counting import counted
from domain.errors import ClusterError, NotFound
from domain.json_types import Json
from velero.phases import BACKUP_PHASES
from velero.resources.data_movement import movement_of
from velero.resources.pod_volumes import pod_volume_of

FILTERS: tuple[Flag, ...] = (
    Flag("selector", TEXT, "Filter by label selector", short="l", group="Filter"),
    Flag("status", STRINGS, "Filter by phase, for example Failed,PartiallyFailed", group="Filter", ours=True),
    Flag("schedule", TEXT, "Filter by schedule", group="Filter", ours=True, source="schedules"),
    Flag("created-by", PERSON, "Filter by requester", group="Filter", ours=True),
    Flag(
        "since", DURATION, "Show only items created within this time, for example 24h or 7d", group="Filter", ours=True
    ),
    Flag("search", TEXT, "Filter by part of the name", group="Filter", ours=True),
)
FILTER_NAMES = tuple(flag.name for flag in FILTERS)
PHASES = phases.all_phases(BACKUP_PHASES, "Deleting", "Expired")
COLUMNS = ("NAME", "STATUS", "ERRORS", "WARNINGS", "CREATED", "EXPIRES", "STORAGE LOCATION", "CREATED BY")
WIDE = ("SELECTOR", "NAMESPACES", "ITEMS", "SIZE", "TYPE")


FILE = Flag("file", BOOL, "Attach the whole list as a file", group="Output", ours=True)
MAX_UNASKED_ROWS = 500
"""A list this long is attached to its first page; a longer one only where it is asked for."""
UNKNOWN_TIME = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Row:
    cluster: str
    backup: LogicalBackup
    size: int = 0


def needs(cmd: Command, known: Facts) -> Needs:
    """Read the table from memory; read from the cluster where names, whole objects, sizes or a selector are requested."""
    exact = cmd.names or output.wants_objects(cmd) or output.is_wide(cmd) or cmd.text("selector")
    wanted = selection.named_needs(cmd, known, "backups") if exact else [ObjectNeed("backups")]
    sizes = ("podvolumebackups", "datauploads") if output.is_wide(cmd) else ()
    more = (ObjectNeed(each, optional=True) for each in ("namespaces", *sizes))
    return Needs.of(*wanted, *more, person_filter.person_need(cmd, "created-by"))


def answer(cmd: Command, facts_by_cluster: FactsByCluster, context: PlanContext) -> Answer:
    rows: list[Row] = []
    faults: list[Part] = []
    for cluster, facts in facts_by_cluster.items():
        if isinstance(facts, ClusterError):
            faults.append(Text(facts.text))
            continue
        rows += _rows(cmd, cluster, facts, context)
    if cmd.has_flag("status"):
        phases.check_phase(cmd, PHASES, (object_fields.phase(item) for item in _all_backups(facts_by_cluster)))
    rows.sort(key=lambda row: object_fields.created(row.backup.first) or UNKNOWN_TIME, reverse=True)
    if output.wants_objects(cmd):
        items = _members(rows)
        return Answer(
            _headline(len(rows)), (*faults, output.render_objects(cmd, items)), namespaces=namespaces_of(items)
        )
    number, start, end = output.page(cmd, len(rows))
    parts, shown = _page(cmd, rows, context, several=len(facts_by_cluster) > 1)
    more = f", showing {start + 1}–{end} (page {number})" if end - start < len(rows) else ""
    return Answer(
        _headline(len(rows)) + more,
        (*faults, *parts),
        Tone.WARNING if faults else Tone.PLAIN,
        output.page_buttons(cmd, len(rows), context),
        namespaces=namespaces_of(_members(shown)),
    )


def _page(cmd: Command, rows: list[Row], context: PlanContext, *, several: bool) -> tuple[list[Part], list[Row]]:
    """Return the page, with the file of all rows where it is short or asked for, and the rows that these show."""
    number, start, end = output.page(cmd, len(rows))
    columns, shown = _columns(cmd, several=several), rows[start:end]
    parts: list[Part] = []
    if rows:
        parts.append(Table(columns, tuple(_cells(cmd, row, context, several=several) for row in shown)))
    asked = cmd.is_true("file")
    if not asked and (len(shown) == len(rows) or number > 1):
        return parts, shown
    if not asked and len(rows) > MAX_UNASKED_ROWS:
        return [*parts, Text("Add `--file` to get the whole list as a file.")], shown
    cells = (_cells(cmd, row, context, several=several) for row in rows)
    text = "\n".join("\t".join(row) for row in (columns, *cells))
    return [*parts, Attachment("backups.txt", text, "All backups")], rows


def _members(rows: Iterable[Row]) -> list[Json]:
    return [item for row in rows for item in row.backup.members]


def _all_backups(facts_by_cluster: FactsByCluster) -> list[Json]:
    return [item for facts in facts_by_cluster.values() if isinstance(facts, Facts) for item in facts.all("backups")]


def _rows(cmd: Command, cluster: str, facts: Facts, context: PlanContext) -> Iterable[Row]:
    found = kots.logical_backups(facts.all("backups"))
    names = {one.name for one in found} | facts.objects.get("backups", {}).keys() if cmd.names else set[str]()
    for name in cmd.names:
        if name not in names:
            raise NotFound(f"Backup `{name}` doesn't exist in {cluster}.", nearest=facts.nearest("backups", name))
    sizes, creators = _sizes(facts), person_filter.person_names(cmd, "created-by", facts)
    filtered = any(cmd.has_flag(flag) for flag in FILTER_NAMES)
    for one in found:
        if cmd.names and not {one.name, *map(object_fields.name, one.members)} & set(cmd.names):
            continue
        if not filtered or _passes_filters(cmd, one, context, creators):
            size = sum(sizes.get(object_fields.name(item), 0) for item in one.members) if sizes else 0
            yield Row(cluster, one, size)


def _sizes(facts: Facts) -> dict[str, int]:
    """Return the size of the volume data per backup, as far as it is known without downloading a file for each."""
    found: dict[str, int] = {}
    volumes = [(one.meta, one.bytes_total) for one in map(pod_volume_of, facts.all("podvolumebackups"))]
    moved = [(one.meta, one.bytes_total) for one in map(movement_of, facts.all("datauploads"))]
    for meta, size in (*volumes, *moved):
        name = str(meta.labels.get("velero.io/backup-name", ""))
        found[name] = found.get(name, 0) + size
    return found


def namespaces_of(items: Iterable[Json]) -> frozenset[str]:
    """Return the namespaces that an answer about these backups shows."""
    return frozenset(
        str(name) for item in items for name in object_fields.spec(item).get("includedNamespaces") or ["*"]
    )


def _headline(count: int) -> str:
    return counted(count, "backup") if count else "No backups found."


def _passes_filters(cmd: Command, one: LogicalBackup, context: PlanContext, creators: frozenset[str]) -> bool:
    item = one.first
    checks: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("status", lambda: any(_has_phase(wanted, one, context) for wanted in cmd.strings("status"))),
        ("schedule", lambda: object_fields.labels(item).get("velero.io/schedule-name") == cmd.text("schedule")),
        ("created-by", lambda: creator(item).casefold() in creators),
        ("search", lambda: cmd.text("search") in one.name),
        ("since", lambda: _is_recent(item, cmd, context)),
    )
    return all(check() for flag, check in checks if cmd.has_flag(flag))


def _has_phase(wanted: str, one: LogicalBackup, context: PlanContext) -> bool:
    return any(phases.matches_phase(wanted, each) for each in (one.phase, phase_text(one, context)))


def phase_text(one: LogicalBackup, context: PlanContext) -> str:
    """Return Velero's phase, or `Expired` for a backup past its expiry that isn't deleted yet."""
    expires = object_fields.parse_time(object_fields.status(one.first).get("expiration"))
    return "Expired" if expires is not None and expires <= context.now else one.phase


def _is_recent(item: Json, cmd: Command, context: PlanContext) -> bool:
    created = object_fields.created(item)
    return created is not None and (context.now - created).total_seconds() * 1e9 <= cmd.nanoseconds("since")


def creator(item: Json) -> str:
    """Return who created the backup: a person, a schedule, KOTS, or `-` if unknown."""
    requester = object_fields.annotations_of(item).get(REQUESTED_BY)
    if requester:
        return str(requester)
    schedule = object_fields.labels(item).get("velero.io/schedule-name")
    return f"schedule {schedule}" if schedule else kots.kots_trigger(item) or "-"


def _columns(cmd: Command, *, several: bool) -> tuple[str, ...]:
    extra = WIDE if output.is_wide(cmd) else ()
    return (*(["CLUSTER"] if several else []), *COLUMNS, *extra, *output.label_columns(cmd))


def _cells(cmd: Command, row: Row, context: PlanContext, *, several: bool) -> tuple[str, ...]:
    one, item = row.backup, row.backup.first
    expires = object_fields.parse_time(object_fields.status(item).get("expiration"))
    parts = f" ({counted(len(one.members), 'part')})" if len(one.members) > 1 else ""
    cells = [
        one.name + parts,
        phase_text(one, context),
        str(sum(object_fields.number(object_fields.status(each).get("errors")) for each in one.members)),
        str(sum(object_fields.number(object_fields.status(each).get("warnings")) for each in one.members)),
        object_fields.format_time(object_fields.created(item), context.timezone),
        object_fields.relative_time(expires, context.now) if expires else "-",
        str(object_fields.spec(item).get("storageLocation") or "-"),
        creator(item),
    ]
    cells += _wide(row) if output.is_wide(cmd) else []
    return (*([row.cluster] if several else []), *cells, *output.label_cells(cmd, item))


def _wide(row: Row) -> list[str]:
    item = row.backup.first
    return [
        selector_text(item),
        ",".join(map(str, object_fields.spec(item).get("includedNamespaces") or ["*"])),
        items_text(item),
        object_fields.format_size(row.size) if row.size else "-",
        kots.kots_kind(item) or str(object_fields.annotations_of(item).get("velero-chatops.io/type", "-")),
    ]


GET = Verb(
    noun="backup",
    name="get",
    summary="List backups",
    effect=Effect.READ,
    args=Args("NAME", 0, 50, "backups"),
    flags=(*FILTERS, PAGE, FILE, *LIST_FLAGS, ALL_CLUSTERS),
    needs=needs,
    answer=answer,
    examples=(
        "backup get",
        "backup get --status PartiallyFailed,Failed --since 7d",
        "backup get -A --schedule nightly",
    ),
)
