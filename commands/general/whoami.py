"""The verb `whoami`: identity, groups and permissions of the requester."""

from __future__ import annotations

from commands.grammar.command import Command
from commands.grammar.verb import Effect, Verb
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, FactsByCluster, Needs, RecordsNeed, RecordTable
from domain.answer import Answer, Fields, Part, Table, Text

RIGHTS = RecordsNeed(RecordTable.RIGHTS)
"""Rows (verb, cluster, effect, rule); the facts reader fills them from the policy."""


def needs(_cmd: Command, _known: Facts) -> Needs:
    return Needs.of(RIGHTS)


def answer(_cmd: Command, world: FactsByCluster, context: PlanContext) -> Answer:
    actor = context.actor
    known = (
        ("User", f"{actor.name} ({actor.id})"),
        ("Email", actor.email or "-"),
        ("Groups", ", ".join(sorted(actor.groups)) or "none"),
        ("Time zone", context.timezone),
        ("Cluster of this channel", context.cluster.name or "none; use --cluster"),
    )
    parts: list[Part] = [Fields(known)]
    facts = next((each for each in world.values() if isinstance(each, Facts)), None)
    rows = tuple(tuple(str(cell) for cell in row) for row in (facts.records.get(RIGHTS, []) if facts else []))
    if rows:
        parts.append(Table(("VERB", "CLUSTER", "EFFECT", "RULE"), rows))
    parts.append(
        Text(
            "The first matching rule decides. Reads are allowed unless a rule denies them. Changes need a rule that allows"
            " them. A check can still refuse what a rule allows. `--dry-run` shows the decision for one command."
        )
    )
    return Answer(f"You are {actor.name}.", tuple(parts))


WHOAMI = Verb(
    noun="whoami",
    name="",
    summary="Show your identity and your permissions",
    effect=Effect.READ,
    needs=needs,
    answer=answer,
    fans_out=True,
    examples=("whoami",),
)
