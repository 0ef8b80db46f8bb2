"""The verb `plugin get`: plugins that the Velero server reports."""

from __future__ import annotations

from commands.grammar.command import Command
from commands.grammar.flags import DURATION, Flag
from commands.grammar.verb import Effect, Verb
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, FactsByCluster, Needs, ServerStatusNeed
from commands.planning.output import LIST_FLAGS
from domain.answer import Answer, Table, Text, Tone
from domain.counting import counted
from domain.errors import ClusterError

TIMEOUT = Flag("timeout", DURATION, "Accepted but ignored: the timeout comes from the settings", hidden=True)


def needs(_cmd: Command, _known: Facts) -> Needs:
    return Needs.of(ServerStatusNeed())


def answer(_cmd: Command, world: FactsByCluster, _context: PlanContext) -> Answer:
    facts = next(iter(world.values()))
    if isinstance(facts, ClusterError):
        raise facts
    if facts.status is None:
        return no_answer(facts)
    named = {(str(one.get("name", "")), str(one.get("kind", ""))) for one in facts.status.get("plugins") or []}
    rows = tuple(sorted(named))
    return Answer(counted(len(rows), "plugin"), (Table(("NAME", "KIND"), rows, "Plugins"),) if rows else ())


def no_answer(facts: Facts) -> Answer:
    """The answer for a status request that the Velero server didn't process."""
    error = facts.errors.get(ServerStatusNeed())
    why = (
        error.text
        if error is not None
        else "The Velero server didn't answer the status request. It may be down or starting."
    )
    return Answer("Velero doesn't respond.", (Text(why),), Tone.BAD)


GET = Verb(
    noun="plugin",
    name="get",
    summary="List the plugins of the Velero server",
    effect=Effect.READ,
    flags=(TIMEOUT, *LIST_FLAGS),
    needs=needs,
    answer=answer,
    examples=("plugin get",),
)
