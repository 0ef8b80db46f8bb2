"""Storage locations: validated repeatedly; the object store's answer decides their phase."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from domain.json_types import Json
from sandbox.velero import durations
from sandbox.velero.server import Change, Server, moment, status
from sandbox.velero.store import Unreachable, intruders, reach
from sandbox.velero.work import Tick, Work

RESOURCE = "backupstoragelocations"


class Locations:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._work = Work(server.clock, self._reconcile, server.complain("backup-storage-location"))
        self._tick = Tick(server.clock, server.settings.validation_tick, self._due, self._sweep)
        if not server.settings.heartbeats:
            server.buckets.listeners.append(self._sweep)

    def seen(self, change: Change) -> None:
        if change.resource == RESOURCE:
            self._tick.touch()
            if change.type != "DELETED" and change.spec_changed:
                self._work.add(change.name)

    def loops(self) -> Iterator[Any]:
        yield self._work.run()
        yield self._tick.run()

    def killed(self) -> None:
        self._work.forget()
        if self._sweep in self._server.buckets.listeners:
            self._server.buckets.listeners.remove(self._sweep)

    def _period(self, location: Json) -> timedelta:
        given = location["spec"].get("validationFrequency")
        parsed = durations.parse(str(given)) if given is not None else None
        return timedelta(seconds=self._server.settings.validation_period) if parsed is None else parsed

    def _again(self, location: Json) -> datetime | None:
        period = self._period(location)
        if not period or not self._server.settings.heartbeats:
            return None
        last = moment(status(location).get("lastValidationTime"))
        return self._server.now() if last is None else last + period

    def _due(self) -> datetime | None:
        whens = (self._again(location) for location in self._server.all(RESOURCE))
        return min((when for when in whens if when is not None), default=None)

    def _sweep(self) -> None:
        for location in self._server.all(RESOURCE):
            when = self._again(location)
            if not self._server.settings.heartbeats or (when is not None and when <= self._server.now()):
                self._work.add(location["metadata"]["name"])

    async def _reconcile(self, name: str) -> None:
        location = self._server.find(RESOURCE, name)
        if location is None or not self._period(location):
            return
        self._one_default()
        fault = await self._fault(location)
        phase_now = "Unavailable" if fault else "Available"
        message = f'BackupStorageLocation "{name}" is unavailable: {fault}' if fault else None
        known = status(location)
        if not self._server.settings.heartbeats and (known.get("phase"), known.get("message")) == (phase_now, message):
            return
        seen = {"phase": phase_now, "lastValidationTime": self._server.stamp(), "message": message}
        self._server.patch(RESOURCE, name, status=seen)

    async def _fault(self, location: Json) -> str | None:
        try:
            bucket = reach(self._server, location)
        except Unreachable as gone:
            if gone.retried:
                await self._server.clock.sleep(self._server.settings.store_attempts_seconds)
            return gone.text
        if strangers := intruders(bucket, location):
            return f"Backup store contains invalid top-level directories: [{' '.join(strangers)}]"
        return None

    def _one_default(self) -> None:
        """Keep the default location that was created last, if there are several."""
        marked = [b for b in self._server.all(RESOURCE) if b["spec"].get("default")]
        marked.sort(key=lambda b: (b["metadata"]["creationTimestamp"], int(b["metadata"]["resourceVersion"])))
        for location in marked[:-1]:
            self._server.patch(RESOURCE, location["metadata"]["name"], spec={"default": None})


def mark_default(server: Server) -> None:
    """At the start, make the location that the server's flag names the default."""
    name = server.settings.default_location
    location = server.live(RESOURCE, name)
    if location is not None and not location["spec"].get("default"):
        server.patch(RESOURCE, name, spec={"default": True})
