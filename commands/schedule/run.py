"""`schedule run`: a backup from the schedule's template now, as `backup create --from-schedule`."""

from __future__ import annotations

from dataclasses import replace

from commands.backup import create as backup
from commands.grammar.command import Command
from commands.grammar.flags import BOOL, PAIRS, TEXT, Flag
from commands.grammar.verb import Args, Effect, Verb
from commands.planning.context import PlanContext
from commands.planning.equivalent_command import velero_line
from commands.planning.facts import Facts, Needs
from commands.schedule.forecast import forecast_lines, make_forecast
from domain.plan import Plan


def _as_backup(cmd: Command) -> Command:
    flags = {key: value for key, value in cmd.flags.items() if key != "name"} | {"from-schedule": cmd.name}
    names = (cmd.text("name"),) if cmd.text("name") else ()
    line = f"backup create {' '.join(names)} --from-schedule {cmd.name}".replace("  ", " ")
    return replace(cmd, noun="backup", verb="create", names=names, flags=flags, line=line)


def needs(cmd: Command, known: Facts) -> Needs:
    return backup.needs(_as_backup(cmd), known)


def plan(cmd: Command, facts: Facts, context: PlanContext) -> Plan:
    created = backup.plan(_as_backup(cmd), facts, context)
    schedule = facts.get("schedules", cmd.name)
    notes = (
        forecast_lines(make_forecast(schedule, context.cluster, context.now), context) if schedule is not None else ()
    )
    again = replace(_as_backup(cmd), names=(created.subject,))
    created = replace(created, cli=velero_line(again, backup.CREATE.flags))
    return replace(created, notes=(*created.notes, "The schedule's next run isn't affected.", *notes))


RUN = Verb(
    noun="schedule",
    name="run",
    summary="Create a backup now with the settings of a schedule",
    effect=Effect.WRITE,
    args=Args("NAME", 1, 1, "schedules"),
    flags=(
        Flag("name", TEXT, "Backup name. Default: schedule name and time", group="Metadata", ours=True),
        Flag("labels", PAIRS, "More labels for the backup", group="Metadata", ours=True),
        Flag("annotations", PAIRS, "More annotations for the backup", group="Metadata", ours=True),
        Flag(
            "wait",
            BOOL,
            "Accepted for CLI compatibility; the status message always follows the backup",
            short="w",
            group="Other",
        ),
    ),
    needs=needs,
    plan=plan,
    examples=("schedule run nightly", "schedule run nightly --name before-upgrade"),
)
