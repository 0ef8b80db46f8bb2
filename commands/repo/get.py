"""The verb `repo get`: backup repositories, one per namespace and location, and whether they can be used."""

from __future__ import annotations

from commands.grammar.command import Command
from commands.grammar.flags import TEXT, Flag
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import object_fields, output
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, FactsByCluster, Needs, ObjectNeed
from commands.planning.output import ALL_CLUSTERS, LIST_FLAGS
from domain.answer import Answer, Part, Table, Text, Tone
from domain.counting import counted
from domain.errors import ClusterError, NotFound
from velero.resources.repositories import Repository, repository_of

RESOURCE = "backuprepositories"
COLUMNS = ("NAME", "STATUS", "NAMESPACE", "LOCATION", "TYPE", "LAST MAINTENANCE")


def needs(cmd: Command, _known: Facts) -> Needs:
    return Needs.of(
        ObjectNeed(RESOURCE, label=cmd.text("selector"), fresh=True), ObjectNeed("namespaces", optional=True)
    )


def answer(cmd: Command, world: FactsByCluster, context: PlanContext) -> Answer:
    found: list[tuple[str, Repository]] = []
    unread: list[Part] = []
    for cluster, facts in world.items():
        if isinstance(facts, ClusterError):
            unread.append(Text(f"Cluster {cluster} couldn't be read: {facts.text}"))
            continue
        for name in cmd.names:
            if facts.get(RESOURCE, name) is None:
                raise NotFound(f"Repository `{name}` doesn't exist.", nearest=facts.nearest(RESOURCE, name))
        found += [(cluster, one) for one in _chosen(cmd, facts)]
    namespaces = frozenset(one.volume_namespace for _, one in found)
    if output.wants_objects(cmd):
        return Answer(
            _headline(found),
            (*unread, output.render_objects(cmd, [one.raw for _, one in found])),
            namespaces=namespaces,
        )
    bad = [one for _, one in found if repository_problem(one)]
    parts = [*unread, *_table(cmd, found, context, several=len(world) > 1)]
    parts += [Text(f"{one.meta.name}: {repository_problem(one)}", untrusted=True) for one in bad[:5]]
    return Answer(_headline(found), tuple(parts), Tone.WARNING if bad or unread else Tone.PLAIN, namespaces=namespaces)


def _chosen(cmd: Command, facts: Facts) -> list[Repository]:
    every = [repository_of(item) for item in sorted(facts.all(RESOURCE), key=object_fields.name)]
    return [one for one in every if not cmd.names or one.meta.name in cmd.names]


def repository_problem(one: Repository) -> str:
    """Why data may not be saved or cleaned up; empty for a healthy repository."""
    if one.phase == "NotReady":
        return one.message or "NotReady, no message from Velero"
    last = one.maintenance[-1] if one.maintenance else None
    if last is not None and last.result == "Failed":
        return f"the last maintenance failed: {last.message}"
    return ""


def _headline(found: list[tuple[str, Repository]]) -> str:
    bad = sum(1 for _, one in found if repository_problem(one))
    if not found:
        return "No repositories found."
    count = counted(len(found), "repository", "repositories")
    return f"{bad} of {count} {'has' if bad == 1 else 'have'} problems." if bad else count


def _table(cmd: Command, found: list[tuple[str, Repository]], context: PlanContext, *, several: bool) -> list[Part]:
    if not found:
        return []
    rows = tuple((*((cluster,) if several else ()), *_row(cmd, one, context)) for cluster, one in found)
    return [Table((*(("CLUSTER",) if several else ()), *COLUMNS, *output.label_columns(cmd)), rows, "Repositories")]


def _row(cmd: Command, one: Repository, context: PlanContext) -> tuple[str, ...]:
    return (
        one.meta.name,
        one.phase or "New",
        one.volume_namespace,
        one.storage_location,
        one.type,
        object_fields.relative_time(one.last_maintenance, context.now),
        *output.label_cells(cmd, one.raw),
    )


_SELECTOR = Flag("selector", TEXT, "Filter by label selector", short="l", group="Filter")

GET = Verb(
    noun="repo",
    name="get",
    summary="List backup repositories and their last maintenance",
    effect=Effect.READ,
    args=Args("NAME", 0, 50, RESOURCE),
    flags=(_SELECTOR, *LIST_FLAGS, ALL_CLUSTERS),
    needs=needs,
    answer=answer,
    examples=("repo get", "repo get -A"),
)
