"""The Schedule that the velero CLI would POST. Source: velero CLI v1.18 `schedule create` (Validate, Run)."""

from __future__ import annotations

from commands.backup import spec as template
from commands.grammar.command import Command
from commands.grammar.flags import BOOL, PEEKING_BOOL, TEXT, Flag
from commands.planning.context import PlanContext
from commands.planning.facts import Facts
from commands.planning.output import OUTPUT_FLAGS
from domain.errors import UsageError
from domain.json_types import Json
from velero.cron.description import PRESETS

FLAGS: tuple[Flag, ...] = (
    Flag("schedule", TEXT, "Cron expression, '@every 6h', or a preset: hourly, daily, weekly, monthly", group="When"),
    Flag("paused", BOOL, "Create the schedule paused", group="When"),
    Flag("skip-immediately", PEEKING_BOOL, "Skip a run that is due at creation", group="When"),
    Flag(
        "use-owner-references-in-backup",
        BOOL,
        "Delete the Backup objects when the schedule is deleted",
        group="Retention",
    ),
    *template.FLAGS,
    *OUTPUT_FLAGS,
)


def expression(cmd: Command) -> str:
    """The expression as given; a preset becomes its cron expression, since Velero has no presets."""
    return PRESETS.get(cmd.text("schedule").strip().lower(), cmd.text("schedule"))


def translate(cmd: Command, facts: Facts, context: PlanContext) -> Json:
    if not cmd.text("schedule"):
        raise UsageError("--schedule is missing.", fix="schedule create NAME --schedule '0 1 * * *'")
    template.check_command(cmd, facts)
    metadata: Json = {"name": cmd.name, "namespace": context.namespace}
    if cmd.pairs("labels"):
        metadata["labels"] = cmd.pairs("labels")
    spec: Json = {
        "schedule": expression(cmd),
        "template": template.backup_spec(cmd),
        "useOwnerReferencesInBackup": cmd.is_true("use-owner-references-in-backup"),
    }
    if cmd.is_true("paused"):
        spec["paused"] = True
    if cmd.optional_bool("skip-immediately") is not None:
        spec["skipImmediately"] = cmd.optional_bool("skip-immediately")
    return {"apiVersion": "velero.io/v1", "kind": "Schedule", "metadata": metadata, "spec": spec}
