"""`snapshot-location get`: lists volume snapshot locations."""

from __future__ import annotations

from commands.grammar.command import Command
from commands.grammar.flags import TEXT, Flag
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import object_fields, output
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, FactsByCluster, Needs, ObjectNeed
from commands.planning.output import ALL_CLUSTERS, LIST_FLAGS
from commands.snapshot_location.create import RESOURCE
from domain.answer import Answer, Part, Table, Text, Tone
from domain.counting import counted
from domain.errors import ClusterError, NotFound
from domain.json_types import Json


def needs(cmd: Command, _known: Facts) -> Needs:
    return Needs.of(ObjectNeed(RESOURCE, label=cmd.text("selector"), fresh=True))


def answer(cmd: Command, facts_by_cluster: FactsByCluster, _context: PlanContext) -> Answer:
    items: list[Json] = []
    rows: list[tuple[str, ...]] = []
    errors: list[Part] = []
    several = len(facts_by_cluster) > 1
    for cluster, facts in facts_by_cluster.items():
        if isinstance(facts, ClusterError):
            errors.append(Text(facts.text))
            continue
        for name in cmd.names:
            if facts.get(RESOURCE, name) is None:
                raise NotFound(
                    f"Snapshot location `{name}` doesn't exist in {cluster}.", nearest=facts.nearest(RESOURCE, name)
                )
        found = [
            item
            for item in sorted(facts.all(RESOURCE), key=object_fields.name)
            if not cmd.names or object_fields.name(item) in cmd.names
        ]
        items += found
        rows += [(*((cluster,) if several else ()), *_row(cmd, item)) for item in found]
    headline = counted(len(rows), "snapshot location") if rows else "No snapshot locations found."
    if output.wants_objects(cmd):
        return Answer(headline, (*errors, output.render_objects(cmd, items)))
    columns = (
        *(("CLUSTER",) if several else ()),
        "NAME",
        "PROVIDER",
        *(("CONFIG",) if output.is_wide(cmd) else ()),
        *output.label_columns(cmd),
    )
    table = (Table(columns, tuple(rows), "Volume snapshot locations"),) if rows else ()
    return Answer(headline, (*errors, *table), Tone.WARNING if errors else Tone.PLAIN)


def _row(cmd: Command, item: Json) -> tuple[str, ...]:
    spec = object_fields.spec(item)
    config = ",".join(f"{key}={value}" for key, value in sorted((spec.get("config") or {}).items())) or "-"
    return (
        object_fields.name(item),
        str(spec.get("provider") or "-"),
        *((config,) if output.is_wide(cmd) else ()),
        *output.label_cells(cmd, item),
    )


GET = Verb(
    noun="snapshot-location",
    name="get",
    summary="List volume snapshot locations",
    effect=Effect.READ,
    args=Args("NAME", 0, 50, RESOURCE),
    flags=(
        Flag("selector", TEXT, "Filter by label selector", short="l", group="Filter"),
        *LIST_FLAGS,
        ALL_CLUSTERS,
    ),
    needs=needs,
    answer=answer,
    examples=("snapshot-location get", "snapshot-location get -o wide"),
)
