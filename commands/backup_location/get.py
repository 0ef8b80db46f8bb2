"""`backup-location get`: is it reachable, when was it last looked at, and what does it say."""

from __future__ import annotations

from commands.backup_location.create import RESOURCE
from commands.grammar.command import Command
from commands.grammar.flags import BOOL, TEXT, Flag
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import object_fields, output
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, FactsByCluster, Needs, ObjectNeed
from commands.planning.hints import find_hint
from commands.planning.output import ALL_CLUSTERS, LIST_FLAGS
from domain.answer import Answer, Part, Table, Text, Tone
from domain.errors import ClusterError, NotFound
from domain.json_types import Json
from store.scrub import scrub

FLAGS: tuple[Flag, ...] = (
    Flag("default", BOOL, "Show only the default storage location", group="Filter"),
    Flag("selector", TEXT, "Filter by label selector", short="l", group="Filter"),
    *LIST_FLAGS,
    ALL_CLUSTERS,
)
COLUMNS = ("NAME", "PROVIDER", "BUCKET/PREFIX", "PHASE", "LAST VALIDATED", "LAST SYNCED", "ACCESS MODE", "DEFAULT")
WIDE = ("CREDENTIAL", "CONFIG", "SYNC PERIOD", "VALIDATION PERIOD")


def needs(cmd: Command, _known: Facts) -> Needs:
    return Needs.of(ObjectNeed(RESOURCE, label=cmd.text("selector"), fresh=True))


def answer(cmd: Command, world: FactsByCluster, context: PlanContext) -> Answer:
    rows: list[tuple[str, Json]] = []
    troubles: list[Part] = []
    for cluster, facts in world.items():
        if isinstance(facts, ClusterError):
            troubles.append(Text(f"Cluster {cluster} couldn't be read: {facts.text}", untrusted=True))
            continue
        for name in cmd.names:
            if facts.get(RESOURCE, name) is None:
                raise NotFound(f"Storage location `{name}` doesn't exist.", nearest=facts.nearest(RESOURCE, name))
        rows += [(cluster, item) for item in _chosen(cmd, facts)]
    if output.wants_objects(cmd):
        return Answer(_headline(rows), (*troubles, output.render_objects(cmd, [item for _, item in rows])))
    away = [(cluster, item) for cluster, item in rows if object_fields.status(item).get("phase") != "Available"]
    parts = [*troubles, *_table(cmd, rows, context, several=len(world) > 1), *(_why(item) for _, item in away)]
    return Answer(_headline(rows), tuple(parts), Tone.WARNING if away or troubles else Tone.PLAIN)


def _chosen(cmd: Command, facts: Facts) -> list[Json]:
    found = sorted(facts.all(RESOURCE), key=object_fields.name)
    named = [item for item in found if not cmd.names or object_fields.name(item) in cmd.names]
    return [item for item in named if object_fields.spec(item).get("default") is True or not cmd.is_true("default")]


def _headline(rows: list[tuple[str, Json]]) -> str:
    bad = sum(1 for _, item in rows if object_fields.status(item).get("phase") == "Unavailable")
    count = {0: "No backup storage locations found.", 1: "1 backup storage location"}.get(
        len(rows), f"{len(rows)} backup storage locations"
    )
    return f"{count}, {bad} Unavailable" if bad else count


def bucket_and_prefix(item: Json) -> str:
    store = object_fields.spec(item).get("objectStorage") or {}
    return "/".join(str(part).strip("/") for part in (store.get("bucket"), store.get("prefix")) if part)


def _table(cmd: Command, rows: list[tuple[str, Json]], context: PlanContext, *, several: bool) -> list[Part]:
    if not rows:
        return []
    first = ("CLUSTER",) if several else ()
    columns = (*first, *COLUMNS, *(WIDE if output.is_wide(cmd) else ()), *output.label_columns(cmd))
    cells = ((*((cluster,) if several else ()), *_row(cmd, item, context)) for cluster, item in rows)
    return [Table(columns, tuple(cells), "Backup storage locations")]


def _row(cmd: Command, item: Json, context: PlanContext) -> tuple[str, ...]:
    spec, status = object_fields.spec(item), object_fields.status(item)
    cells = [
        object_fields.name(item),
        str(spec.get("provider") or "-"),
        bucket_and_prefix(item) or "-",
        str(status.get("phase") or "not validated yet"),
        object_fields.relative_time(object_fields.parse_time(status.get("lastValidationTime")), context.now),
        object_fields.relative_time(object_fields.parse_time(status.get("lastSyncedTime")), context.now),
        str(spec.get("accessMode") or "ReadWrite"),
        "true" if spec.get("default") is True else "",
    ]
    if output.is_wide(cmd):
        secret = spec.get("credential") or {}
        cells += [
            f"{secret.get('name')}={secret.get('key')}" if secret else "-",
            ",".join(f"{key}={value}" for key, value in sorted((spec.get("config") or {}).items())) or "-",
            str(spec.get("backupSyncPeriod") or "1m"),
            str(spec.get("validationFrequency") or "1m"),
        ]
    return (*cells, *output.label_cells(cmd, item))


def _why(item: Json) -> Text:
    """The server's own words, which hold addresses and may hold more."""
    name, status = object_fields.name(item), object_fields.status(item)
    message = scrub(str(status.get("message") or ""))
    if not message:
        return Text(f"{name} hasn't been validated yet. Check that the Velero server is running.")
    advice = find_hint([message])
    return Text(f"{name}: {message[:600]}" + (f"\n{advice}" if advice else ""), untrusted=True)


GET = Verb(
    noun="backup-location",
    name="get",
    summary="List backup storage locations and whether they are available",
    effect=Effect.READ,
    args=Args("NAME", 0, 50, RESOURCE),
    flags=FLAGS,
    needs=needs,
    answer=answer,
    examples=("backup-location get", "backup-location get -A -o wide"),
)
