"""Planning a stored line again, with the names that were fixed when it was planned first. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from commands.grammar.command import Command
from commands.planning.resolve import REQUESTED_BY, SCHEDULE_REQUESTED_BY
from domain.decision import Decision
from domain.plan import Plan


@dataclass(frozen=True, slots=True)
class Replanned:
    """The plan as the line would give it now, and the decision of the current rules."""

    plan: Plan
    decision: Decision


def command_of_plan(command: Command, stored: Plan) -> Command:
    """The command with the name that the stored plan chose for it."""
    named = command.names or command.is_true("all") or (command.has_flag("selector") and command.verb != "create")
    return command if named or not stored.subject else replace(command, names=(stored.subject,))


def requested_by(stored: Plan) -> str:
    for step in stored.steps:
        marks = (step.manifest.get("metadata") or {}).get("annotations") or {}
        name = marks.get(REQUESTED_BY) or marks.get(SCHEDULE_REQUESTED_BY)
        if name:
            return str(name)
    return ""
