"""The backup queue: positions, one worker, and its known ways to get stuck."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from domain.json_types import Json
from sandbox.velero.selection import namespaces_of
from sandbox.velero.server import Change, Server, moment, phase, status
from sandbox.velero.work import Tick, Work

HELD = ("ReadyToStart", "InProgress")


class Queue:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._work = Work(server.clock, self._reconcile, server.complain("backup-queue"))
        self._tick = Tick(server.clock, server.settings.queue_period, self._due, self._dispatch)
        self._running: set[str] = set()
        self._stale: Json | None = None

    def seen(self, change: Change) -> None:
        if change.resource != "backups":
            return
        before, now = phase(change.old or {}), phase(change.new)
        if change.type == "DELETED":
            self._running.discard(change.name)
            self._tick.touch()
            return
        if now in ("", "New"):
            self._work.add(change.name)
        elif now == "Queued":
            self._tick.touch()
            if change.type == "ADDED":
                self._work.add(change.name)
        elif before in HELD and now not in HELD:
            self._left(change.new, before)

    def loops(self) -> Iterator[Any]:
        yield self._work.run()
        yield self._tick.run()

    def killed(self) -> None:
        self._work.forget()

    def _left(self, backup: Json, before: str) -> None:
        name = backup["metadata"]["name"]
        if before == "ReadyToStart" and self._server.settings.queue_wedge:
            return  # It failed validation before the tracker knew it, so it is never removed.
        self._running.discard(name)
        self._stale = backup if self._stalls(backup) else None
        self._work.add("")

    def _stalls(self, backup: Json) -> bool:
        """The cached list still shows a short backup as running when the next one is checked."""
        started = moment(status(backup).get("startTimestamp"))
        quick = started is not None and self._server.now() - started < timedelta(seconds=1)
        return self._server.settings.queue_stalls and quick and namespaces_of(backup) != ["*"]

    async def _reconcile(self, name: str) -> None:
        backup = self._server.find("backups", name) if name else None
        if backup is not None and phase(backup) in ("", "New"):
            self._stale = None
            places = [int(status(b).get("queuePosition", 0)) for b in self._queued()]
            place = max(places, default=0) + 1
            self._server.patch("backups", name, status={"phase": "Queued", "queuePosition": place})
        self._advance()

    def _dispatch(self) -> None:
        self._stale = None
        self._advance()

    def _due(self) -> datetime | None:
        return self._server.now() if self._queued() else None

    def _queued(self) -> list[Json]:
        waiting = [b for b in self._server.all("backups") if phase(b) == "Queued"]
        return sorted(waiting, key=lambda b: int(status(b).get("queuePosition", 0)))

    def _advance(self) -> None:
        """Start the backups that may run; later ones move up by one."""
        if self._server.cache.poisoned("backups"):
            return
        queued = self._queued()
        for backup in queued:
            if len(self._running) >= self._server.settings.concurrent_backups:
                return
            if self._blocked(backup):
                self._server.say("info", f"Backup {backup['metadata']['name']} has namespace conflict, leaving queued")
                return
            self._start(backup, [b for b in queued if b is not backup])
            queued = self._queued()

    def _start(self, backup: Json, others: list[Json]) -> None:
        name, place = backup["metadata"]["name"], int(status(backup).get("queuePosition", 0))
        self._running.add(name)
        self._server.patch("backups", name, status={"phase": "ReadyToStart", "queuePosition": None})
        for other in others:
            if (behind := int(status(other).get("queuePosition", 0))) > place:
                self._server.patch("backups", other["metadata"]["name"], status={"queuePosition": behind - 1})

    def _blocked(self, backup: Json) -> bool:
        mine = set(namespaces_of(backup))
        held = [b for b in self._server.all("backups") if b["metadata"]["name"] in self._running]
        if self._stale is not None:
            held.append(self._stale)
        return any("*" in mine or "*" in (theirs := set(namespaces_of(b))) or mine & theirs for b in held)
