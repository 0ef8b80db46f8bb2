"""`restore logs`: Velero's log of a restore, read from the object store."""

from __future__ import annotations

from commands.backup.logs import LOG_FLAGS, PHASES_WITH_LOG, answer_logs
from commands.grammar.command import Command
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import object_fields
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, FactsByCluster, FileNeed, Needs, ObjectNeed
from domain.answer import Answer


def needs(cmd: Command, known: Facts) -> Needs:
    item = known.get("restores", cmd.name)
    hidden = ("restores", cmd.name) in known.redacted
    readable = item is not None and not hidden and object_fields.phase(item) in PHASES_WITH_LOG
    backup = str(object_fields.spec(item).get("backupName", "")) if item is not None else ""
    return Needs.of(
        ObjectNeed("restores", cmd.name, fresh=True),
        ObjectNeed("backups", backup, optional=True) if backup else None,
        ObjectNeed("namespaces", optional=True),
        FileNeed("RestoreLog", cmd.name) if readable else None,
    )


def answer(cmd: Command, world: FactsByCluster, context: PlanContext) -> Answer:
    return answer_logs(cmd, world, context, resource="restores", noun="restore", kind="RestoreLog")


LOGS = Verb(
    noun="restore",
    name="logs",
    summary="Show the logs of a restore",
    effect=Effect.READ,
    args=Args("NAME", 1, 1, "restores"),
    flags=LOG_FLAGS,
    needs=needs,
    answer=answer,
    examples=("restore logs shop-1",),
)
