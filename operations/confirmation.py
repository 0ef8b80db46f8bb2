"""Deletions wait for a typed confirmation, with every object listed by name."""

from __future__ import annotations

from commands.grammar.command import Command
from commands.grammar.tokenizer import quote
from commands.planning import object_fields
from commands.planning.context import PlanContext
from commands.planning.output import with_cluster_flag
from domain.actor import Way
from domain.answer import Answer, Button, Part, Table, Text, Tone
from domain.errors import Refused
from domain.plan import Plan, StepVerb

UNCONFIRMED_WAYS = frozenset({Way.SLASH, Way.MENTION, Way.BUTTON})
"""Ways without a typed confirmation. A form has one; pipelines and the terminal need none."""
MAX_BUTTON_LINE = 1500
"""Characters of a command line that a button can carry."""


def confirmation(plan: Plan, cmd: Command, context: PlanContext) -> Answer | None:
    """The question to answer first; None for one named object that is no backup location."""
    if context.origin.way not in UNCONFIRMED_WAYS or cmd.verb != "delete" or not plan.steps:
        return None
    names, more = _names(plan), _backups(plan) if cmd.noun == "schedule" else []
    if len(names) == 1 and cmd.names and cmd.noun != "backup-location" and not more:
        return None
    line = " ".join([cmd.noun, "delete", *map(quote, names), *_whole(cmd, more), *_reason(cmd)])
    if len(line) > MAX_BUTTON_LINE:
        raise Refused(
            f"{len(names)} {cmd.noun}s are too many to confirm at once.",
            why="Every object is listed before it's deleted.",
            fix="Use a narrower selector.",
        )
    word = names[0] if len(names) == 1 else f"delete {len(names)}"
    parts: list[Part] = [Table(("TO DELETE",), tuple((name,) for name in (*names, *more)))]
    parts += [Text(note) for note in plan.notes]
    parts += [Text(guard.text) for guard in plan.guards]
    parts.append(Text(f"Nothing is deleted yet. Select Delete and type `{word}` to confirm."))
    button = Button("Delete…", with_cluster_flag(line, context), "danger", typed=word)
    return Answer(plan.summary or f"Delete {', '.join(names)}", tuple(parts), Tone.WARNING, (button,), plan.cluster)


def _names(plan: Plan) -> list[str]:
    """The objects of the command, without those deleted along with them."""
    if plan.noun == "schedule":
        return [step.name for step in plan.steps if step.verb is StepVerb.DELETE]
    found = []
    for step in plan.steps:
        if step.kind == "DeleteBackupRequest":
            found.append(str(step.manifest["spec"]["backupName"]))
        elif step.verb is StepVerb.DELETE and step.kind == plan.steps[0].kind:
            found.append(step.name or object_fields.name(step.manifest))
    return list(dict.fromkeys(found))


def _backups(plan: Plan) -> list[str]:
    requests = (step for step in plan.steps if step.kind == "DeleteBackupRequest")
    return [str(step.manifest["spec"]["backupName"]) for step in requests]


def _whole(cmd: Command, more: list[str]) -> list[str]:
    """Written out: what is deleted with a schedule is decided by what was shown."""
    return [f"--with-backups={'true' if more else 'false'}"] if cmd.noun == "schedule" else []


def _reason(cmd: Command) -> list[str]:
    return [f"--reason={quote(cmd.text('reason'))}"] if cmd.text("reason") else []
