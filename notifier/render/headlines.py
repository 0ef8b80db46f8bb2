"""The first line of a notification, one text for each kind of event.

`{name}` is the object, `{expected}` the time of a schedule's run, `{done}` what a command did to the object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from domain.event import Event, Severity
from notifier.render.values import format_utc, parse_moment

CHANGES = {
    "create": "was created",
    "delete": "was deleted",
    "pause": "was paused",
    "unpause": "was resumed",
    "resume": "was resumed",
    "run": "was run",
    "skip": "skips runs",
    "unskip": "no longer skips runs",
}
HEADLINES: Mapping[str, str] = {
    "backup.completed": "Backup {name} Completed",
    "backup.partially-failed": "Backup {name} PartiallyFailed",
    "backup.failed": "Backup {name} Failed",
    "backup.failed-validation": "Backup {name} FailedValidation",
    "backup.changed": "Backup {name} {done}",
    "backup.deleted": "Backup {name} and its data were deleted",
    "backup.gone": "Backup {name} disappeared",
    "backup.returned": "Backup {name} is back",
    "backup.data-gone": "The data of backup {name} is gone too",
    "backup.deletion-failed": "Backup {backup} couldn't be deleted",
    "backup.stuck-in-queue": "Backup {name} is stuck in the queue",
    "backup.stuck-in-finalizing": "Backup {name} is stuck in Finalizing",
    "backup.slow": "Backup {name} is taking much longer than usual",
    "restore.completed": "Restore {name} Completed",
    "restore.partially-failed": "Restore {name} PartiallyFailed",
    "restore.failed": "Restore {name} Failed",
    "restore.failed-validation": "Restore {name} FailedValidation",
    "restore.changed": "Restore {name} {done}",
    "restore.removed": "Restore {name} was deleted",
    "restore.outside": "Restore {name} of backup {backup} was created without approval",
    "restore.stuck-in-queue": "Restore {name} is stuck in the queue",
    "restore.stuck-in-finalizing": "Restore {name} is stuck in Finalizing",
    "restore.slow": "Restore {name} is taking much longer than usual",
    "schedule.changed": "Schedule {name} {done}",
    "schedule.changed-outside": "Schedule {name} was changed outside Slack",
    "schedule.paused-outside": "Schedule {name} was paused outside Slack",
    "schedule.resumed-outside": "Schedule {name} was resumed outside Slack",
    "schedule.skipped-outside": "Runs of schedule {name} were skipped outside Slack",
    "schedule.deleted-outside": "Schedule {name} was deleted outside Slack",
    "schedule.replaced-outside": "Schedule {name} was replaced outside Slack",
    "schedule.skip-lost": "A skip of schedule {name} was removed outside Slack and is restored",
    "schedule.pause-ended": "Schedule {name} is resumed: its pause ended",
    "schedule.failed": "Schedule {name} wasn't changed",
    "schedule.failed-validation": "Schedule {name} doesn't run: FailedValidation",
    "schedule.fixed": "Schedule {name} is valid again",
    "schedule.skipped-as-asked": "Schedule {name} skipped its run at {expected}, as requested",
    "schedule.not-skipped": "Schedule {name} ran at {expected} although the run was to be skipped",
    "schedule.missed": "Schedule {name} missed its run at {expected}",
    "schedule.ran-late": "Schedule {name} ran late: the run was due at {expected}",
    "schedule.recovered": "Schedule {name} is running again",
    "schedule.unseen": "It isn't known whether schedule {name} ran at {expected}",
    "schedule.seen": "Schedule {name} did run at {expected}",
    "schedule.clock-skew": "Velero's clock is wrong",
    "schedule.clock-right": "Velero's clock is right again",
    "schedule.piling-up": "Runs of schedule {name} are piling up in the queue",
    "schedule.drained": "Runs of schedule {name} no longer wait in the queue",
    "schedule.no-good-backup": "Schedule {name} has no recent Completed backup",
    "schedule.good-again": "Schedule {name} has a Completed backup again: {backup}",
    "schedule.near-period": "Runs of schedule {name} take almost as long as their interval",
    "backup-location.changed": "Storage location {name} {done}",
    "backup-location.failed": "Storage location {name} wasn't changed",
    "snapshot-location.changed": "Snapshot location {name} {done}",
    "snapshot-location.failed": "Snapshot location {name} wasn't changed",
    "location.unavailable": "Storage location {name} is Unavailable",
    "location.available": "Storage location {name} is Available again",
    "location.removed": "Storage location {name}, which was Unavailable, was removed",
    "cluster.unreachable": "Cluster {name} doesn't respond",
    "cluster.reachable": "Cluster {name} responds again",
    "cluster.access-lost": "Cluster {name} refuses the bot's credentials",
    "cluster.access-back": "Cluster {name} accepts the bot's credentials again",
    "velero.silent": "Velero doesn't respond",
    "velero.back": "Velero responds again",
    "operation.started": "Started: {name}",
    "operation.failed": "The cluster rejected {name}",
    "operation.unconfirmed": "Velero hasn't confirmed {name} yet; checking",
    "operation.unresolved": "Velero still hasn't confirmed {name}",
    "operation.lost": "It isn't known whether Velero carried out {name}",
    "operation.answered": "Command {name} finished",
    "approval.requested": "Approval needed: {name}",
    "approval.reminded": "Approval still needed: {name}",
    "approval.approved": "Approved: {name}",
    "approval.rejected": "Rejected: {name}",
    "approval.expired": "Expired without approval: {name}",
    "approval.withdrawn": "Withdrawn: {name}",
    "approval.stale": "Outdated and not started: {name}",
    "approval.not-started": "Approved, but not started: {name}",
    "glass.broken": "Break-glass: {name} runs without approval",
    "audit.anchored": "Audit log checkpoint {name}",
    "receiver.disabled": "Webhook receiver {name} is disabled",
    "receiver.tested": "Test notification from velero-chatops to {name}",
}
ADVICE: Mapping[str, str] = {
    "backup.gone": "The Backup object was removed outside the bot; its data may still be in the object store.",
    "backup.stuck-in-finalizing": "Check that the storage location is Available.",
    "restore.stuck-in-finalizing": "Check that the storage location is Available.",
    "restore.removed": "Only the Restore object was deleted. What it restored stays in the cluster.",
    "location.unavailable": "Backups and restores that use it fail.",
}
"""The meaning of the event or the next step, for events without a message."""


def headline(
    event: Event,
    *,
    in_cluster: bool = False,
    quote: Callable[[str], str] = str,
    time: Callable[[datetime], str] = format_utc,
) -> str:
    """`in_cluster` names the cluster behind the object; `quote` escapes every value, `time` formats a run's time."""
    cluster = quote(event.cluster) if in_cluster and event.object_kind != "Cluster" else ""
    if text := str(event.facts.get("headline") or ""):
        return f"{quote(text)} in {cluster}" if cluster else quote(text)
    template = HEADLINES.get(event.kind, event.kind.replace(".", " ").replace("-", " ") + ": {name}")
    name = quote(event.object_name)
    expected = parse_moment(event.facts.get("expected"))
    text = template.format(
        name=f"{name} in {cluster}" if cluster else name,
        backup=quote(str(event.facts.get("backup") or event.object_name)),
        expected=time(expected) if expected else "an unknown time",
        done=CHANGES.get(str(event.facts.get("verb", "")), "was changed"),
    )
    if cluster and "{name}" not in template:
        text += f" in {cluster}"
    if event.kind == "backup.completed" and event.severity is Severity.RECOVERY:
        text += ", after earlier failures"
    return text
