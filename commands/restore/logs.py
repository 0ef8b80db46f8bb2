"""`restore logs`: Velero's own log of a run, from the object store."""

from __future__ import annotations

from commands.backup.logs import LOG_FLAGS, READABLE, told
from commands.grammar.command import Command
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import object_fields
from commands.planning.context import Situation
from commands.planning.facts import Facts, File, Needs, Want, World
from domain.answer import Answer


def needs(cmd: Command, known: Facts) -> Needs:
    item = known.get("restores", cmd.name)
    hidden = ("restores", cmd.name) in known.redacted
    readable = item is not None and not hidden and object_fields.phase(item) in READABLE
    backup = str(object_fields.spec(item).get("backupName", "")) if item is not None else ""
    return Needs.of(
        Want("restores", cmd.name, fresh=True),
        Want("backups", backup, optional=True) if backup else None,
        Want("namespaces", optional=True),
        File("RestoreLog", cmd.name) if readable else None,
    )


def answer(cmd: Command, world: World, context: Situation) -> Answer:
    return told(cmd, world, context, resource="restores", noun="restore", kind="RestoreLog")


LOGS = Verb(
    noun="restore",
    name="logs",
    summary="The log of a restore",
    effect=Effect.READ,
    args=Args("NAME", 1, 1, "restores"),
    flags=LOG_FLAGS,
    needs=needs,
    answer=answer,
    examples=("restore logs shop-1",),
)
