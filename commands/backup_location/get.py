"""`backup-location get`: shows each storage location's phase, last validation and sync, and why it is Unavailable."""

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
from domain.counting import counted, plural_of
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
WIDE_COLUMNS = ("CREDENTIAL", "CONFIG", "SYNC PERIOD", "VALIDATION PERIOD")


def needs(cmd: Command, _known: Facts) -> Needs:
    return Needs.of(ObjectNeed(RESOURCE, label=cmd.text("selector"), fresh=True))


def answer(cmd: Command, facts_by_cluster: FactsByCluster, context: PlanContext) -> Answer:
    rows: list[tuple[str, Json]] = []
    errors: list[Part] = []
    for cluster, facts in facts_by_cluster.items():
        if isinstance(facts, ClusterError):
            errors.append(Text(facts.text))
            continue
        for name in cmd.names:
            if facts.get(RESOURCE, name) is None:
                raise NotFound(
                    f"Storage location `{name}` doesn't exist in {cluster}.", nearest=facts.nearest(RESOURCE, name)
                )
        rows += [(cluster, item) for item in _selected(cmd, facts)]
    if output.wants_objects(cmd):
        return Answer(_headline(rows), (*errors, output.render_objects(cmd, [item for _, item in rows])))
    not_available = [
        (cluster, item) for cluster, item in rows if object_fields.status(item).get("phase") != "Available"
    ]
    parts = [
        *errors,
        *_table(cmd, rows, context, several=len(facts_by_cluster) > 1),
        *(_reason(item) for _, item in not_available),
    ]
    return Answer(_headline(rows), tuple(parts), Tone.WARNING if not_available or errors else Tone.PLAIN)


def _selected(cmd: Command, facts: Facts) -> list[Json]:
    found = sorted(facts.all(RESOURCE), key=object_fields.name)
    named = [item for item in found if not cmd.names or object_fields.name(item) in cmd.names]
    return [item for item in named if object_fields.spec(item).get("default") is True or not cmd.is_true("default")]


def _headline(rows: list[tuple[str, Json]]) -> str:
    if not rows:
        return "No backup storage locations found."
    unavailable = sum(1 for _, item in rows if object_fields.status(item).get("phase") == "Unavailable")
    count = counted(len(rows), "backup storage location")
    return f"{unavailable} of {count} {plural_of(unavailable, 'is', 'are')} Unavailable" if unavailable else count


def bucket_and_prefix(item: Json) -> str:
    store = object_fields.spec(item).get("objectStorage") or {}
    return "/".join(str(part).strip("/") for part in (store.get("bucket"), store.get("prefix")) if part)


def _table(cmd: Command, rows: list[tuple[str, Json]], context: PlanContext, *, several: bool) -> list[Part]:
    if not rows:
        return []
    first = ("CLUSTER",) if several else ()
    columns = (*first, *COLUMNS, *(WIDE_COLUMNS if output.is_wide(cmd) else ()), *output.label_columns(cmd))
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


def _reason(item: Json) -> Text:
    """Return the server's own message, scrubbed: it may contain signed addresses."""
    name, status = object_fields.name(item), object_fields.status(item)
    message = scrub(str(status.get("message") or ""))
    if not message:
        return Text(f"{name} hasn't been validated yet. Check that the Velero server is running.")
    hint = find_hint([message])
    return Text(f"{name}: {message[:600]}" + (f"\n{hint}" if hint else ""), untrusted=True)


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
