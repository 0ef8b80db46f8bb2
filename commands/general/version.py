"""The verb `version`: versions of the bot and of Velero in each cluster."""

from __future__ import annotations

from commands.grammar.command import Command
from commands.grammar.flags import BOOL, Flag
from commands.grammar.verb import Effect, Verb
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, FactsByCluster, Needs, ServerStatusNeed
from commands.plugin.get import TIMEOUT
from domain.answer import Answer, Part, Table
from domain.errors import ClusterError, Forbidden

UNKNOWN = "unknown (not reported by the server)"


def needs(cmd: Command, _known: Facts) -> Needs:
    return Needs() if cmd.is_true("client-only") else Needs.of(ServerStatusNeed())


def answer(cmd: Command, world: FactsByCluster, _context: PlanContext) -> Answer:
    parts: tuple[Part, ...] = ()
    if not cmd.is_true("client-only"):
        rows = tuple((cluster, version_rows(facts)) for cluster, facts in world.items())
        parts = (Table(("CLUSTER", "VELERO"), rows),)
    return Answer(f"velero-chatops {bot_version()}", parts)


def bot_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("velero-chatops")
    except PackageNotFoundError:
        return "development version"


def version_rows(facts: Facts | ClusterError) -> str:
    if isinstance(facts, ClusterError):
        return facts.text
    if facts.status is None:
        error = facts.errors.get(ServerStatusNeed())
        return error.text if isinstance(error, Forbidden) else "Velero doesn't respond"
    return str(facts.status.get("serverVersion") or UNKNOWN)


VERSION = Verb(
    noun="version",
    name="",
    summary="Show the versions of the bot and of Velero in each cluster",
    effect=Effect.READ,
    flags=(Flag("client-only", BOOL, "Show only the bot's version"), TIMEOUT),
    needs=needs,
    answer=answer,
    fans_out=True,
    examples=("version", "version --cluster prod"),
)
