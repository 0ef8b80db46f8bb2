"""The schedule controller: reconciles every minute from its start, and when a spec changes."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from domain.json_types import Json
from sandbox.kubernetes.failures import ApiFailure
from sandbox.velero.names import timestamped
from sandbox.velero.server import Change, Server, labels, moment, phase, status
from sandbox.velero.work import Tick, Work
from velero.cron import expression as cron

LABEL = "velero.io/schedule-name"
BLOCKING = ("", "New", "InProgress")


class Schedules:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._zone = ZoneInfo(server.settings.timezone)
        self._work = Work(server.clock, self._reconcile, server.complain("schedule"))
        self._tick = Tick(server.clock, server.settings.schedule_tick, self._due, self._sweep)

    def seen(self, change: Change) -> None:
        """Reconcile a changed spec. Changes of status alone and paused schedules start no reconciliation."""
        if change.resource != "schedules":
            return
        self._tick.touch()
        if change.type != "DELETED" and change.spec_changed and not change.new["spec"].get("paused"):
            self._work.add(change.name)

    def loops(self) -> Iterator[Any]:
        yield self._work.run()
        yield self._tick.run()

    def killed(self) -> None:
        self._work.forget()

    def _active(self) -> Iterator[Json]:
        for schedule in self._server.all("schedules"):
            if not schedule["spec"].get("paused"):
                yield schedule

    def _due(self) -> datetime | None:
        """Return the next instant at which a reconciliation would change anything."""
        return min((self._interesting(schedule) for schedule in self._active()), default=None)

    def _interesting(self, schedule: Json) -> datetime:
        now = self._server.now()
        if not phase(schedule) or schedule["spec"].get("skipImmediately") is not False:
            return now
        try:
            following = self._next(schedule)
        except cron.CronError:
            return now + timedelta(days=3650)
        return now if following is None else max(now, following + timedelta(microseconds=1))

    def _sweep(self) -> None:
        for schedule in self._active():
            self._work.add(schedule["metadata"]["name"])

    def _cron(self, schedule: Json) -> cron.CronSchedule:
        return _parsed(str(schedule["spec"].get("schedule") or ""), self._zone, self._server.settings.cron_dialect)

    def _next(self, schedule: Json) -> datetime | None:
        """Return the next run. An expression that never matches gives the zero time, which Velero takes as due."""
        metadata, known = schedule["metadata"], status(schedule)
        last = moment(known.get("lastBackup")) or moment(metadata["creationTimestamp"]) or self._server.now()
        skipped = moment(known.get("lastSkipped"))
        if skipped is not None and skipped > last:
            last = skipped
        return self._cron(schedule).next(last)

    async def _reconcile(self, name: str) -> None:
        schedule = self._server.find("schedules", name)
        if schedule is None:
            return
        schedule = self._settle(schedule)
        if phase(schedule) != "Enabled":
            return
        following = self._next(schedule)
        if (following is None or self._server.now() > following) and not self._running(name):
            self._submit(schedule)

    def _settle(self, schedule: Json) -> Json:
        """Write the phase and the one-time skip if they differ."""
        spec, known = schedule["spec"], status(schedule)
        skip = spec.get("skipImmediately")
        if skip is None:
            skip = self._server.settings.schedule_skip_immediately
        errors = self._errors(schedule)
        wanted: Json = {"phase": "FailedValidation" if errors else "Enabled", "validationErrors": errors or None}
        if skip:
            wanted["lastSkipped"] = self._server.stamp()
        changes: Json = {}
        if spec.get("skipImmediately") is not False:
            changes["spec"] = {"skipImmediately": False}
        if differing := {key: value for key, value in wanted.items() if known.get(key) != value}:
            changes["status"] = differing
        return self._server.patch("schedules", schedule["metadata"]["name"], **changes) if changes else schedule

    def _errors(self, schedule: Json) -> list[str]:
        try:
            self._cron(schedule)
        except cron.CronError as wrong:
            return [wrong.as_velero_says]
        return []

    def _running(self, name: str) -> bool:
        """Return whether the next run is deferred: by a run of the schedule that is New or in progress, not by a queued one."""
        mine = (b for b in self._server.all("backups") if labels(b).get(LABEL) == name)
        return any(phase(backup) in BLOCKING for backup in mine)

    def _submit(self, schedule: Json) -> None:
        name, now = schedule["metadata"]["name"], self._server.now()
        stamp = self._server.stamp()
        try:
            self._server.create("backups", from_schedule(schedule, now.astimezone(self._zone)))
        except ApiFailure as failure:
            where = f"{self._server.namespace}/{name}"
            text = f"error submit backup for schedule {where}: error creating Backup: {failure.message}"
            raise ApiFailure(failure.status, failure.reason, text) from failure
        self._server.patch("schedules", name, status={"lastBackup": stamp})


@lru_cache(maxsize=4096)
def _parsed(expression: str, zone: ZoneInfo, dialect: str) -> cron.CronSchedule:
    return cron.parse(expression, zone, cron.Dialect(dialect))


def from_schedule(schedule: Json, local: datetime) -> Json:
    """Return the Backup of a run: the template, its labels or else the schedule's, and all annotations."""
    metadata, template = schedule["metadata"], dict(schedule["spec"].get("template") or {})
    own = (template.get("metadata") or {}).get("labels")
    marked = {**(metadata.get("labels") or {} if own is None else own), LABEL: metadata["name"]}
    if own is not None:
        template["metadata"] = {**template["metadata"], "labels": marked}
    made: Json = {"name": timestamped(metadata["name"], local), "labels": marked}
    if metadata.get("annotations"):
        made["annotations"] = dict(metadata["annotations"])
    if schedule["spec"].get("useOwnerReferencesInBackup"):
        owner = {"apiVersion": "velero.io/v1", "kind": "Schedule", "name": metadata["name"], "uid": metadata["uid"]}
        made["ownerReferences"] = [owner | {"controller": True}]
    return {"metadata": made, "spec": template}
