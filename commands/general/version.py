"""`version`: of this bot and of the Velero in each cluster."""

from __future__ import annotations

from commands.grammar.command import Command
from commands.grammar.flags import BOOL, Flag
from commands.grammar.verb import Effect, Verb
from commands.planning.context import Situation
from commands.planning.facts import Facts, Needs, ServerStatus, World
from commands.plugin.get import TIMEOUT
from domain.answer import Answer, Part, Table
from domain.errors import ClusterError, Forbidden

UNKNOWN = "unknown (the server does not say)"


def needs(cmd: Command, _known: Facts) -> Needs:
    return Needs() if cmd.true("client-only") else Needs.of(ServerStatus())


def answer(cmd: Command, world: World, _context: Situation) -> Answer:
    parts: tuple[Part, ...] = ()
    if not cmd.true("client-only"):
        rows = tuple((cluster, told(facts)) for cluster, facts in world.items())
        parts = (Table(("CLUSTER", "VELERO"), rows),)
    return Answer(f"velero-chatops {own()}", parts)


def own() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("velero-chatops")
    except PackageNotFoundError:
        return "from source"


def told(facts: Facts | ClusterError) -> str:
    if isinstance(facts, ClusterError):
        return facts.text
    if facts.status is None:
        fault = facts.errors.get(ServerStatus())
        return fault.text if isinstance(fault, Forbidden) else "Velero does not answer"
    return str(facts.status.get("serverVersion") or UNKNOWN)


VERSION = Verb(
    noun="version",
    name="",
    summary="Of this bot, and of the Velero in each cluster",
    effect=Effect.READ,
    flags=(Flag("client-only", BOOL, "Only this bot's own"), TIMEOUT),
    needs=needs,
    answer=answer,
    fans_out=True,
    examples=("version", "version --cluster prod"),
)
