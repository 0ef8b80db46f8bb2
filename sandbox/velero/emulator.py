"""The server process with its controllers and scripts; it can be killed and started again."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Literal

from domain.json_types import Json
from sandbox.bucket import Buckets
from sandbox.clock import Clock
from sandbox.kubernetes.objects import Objects
from sandbox.velero import locations, restart
from sandbox.velero.backups.controller import Backups
from sandbox.velero.backups.finalize import Finalizer
from sandbox.velero.backups.queue import Queue
from sandbox.velero.deletion import Deletions
from sandbox.velero.downloads import Downloads
from sandbox.velero.gc import GarbageCollection
from sandbox.velero.history import Past, seed
from sandbox.velero.install import install
from sandbox.velero.restores.controller import Restores
from sandbox.velero.schedule import Schedules
from sandbox.velero.server import WATCHED, Change, Part, Server, decodable
from sandbox.velero.settings import Outcome, Script, Scripts, VeleroSettings
from sandbox.velero.status import StatusRequests
from sandbox.velero.sync import Sync


class VeleroEmulator:
    def __init__(
        self,
        objects: Objects,
        buckets: Buckets,
        clock: Clock,
        *,
        namespace: str = "velero",
        settings: VeleroSettings | None = None,
        new_id: Callable[[], str] | None = None,
    ) -> None:
        self._objects = objects
        self._buckets = buckets
        self._clock = clock
        self._new_id = new_id or (lambda: str(uuid.uuid4()))
        self.namespace = namespace
        self.settings = settings or VeleroSettings()
        self.scripts = Scripts()
        self._parts: list[Part] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._server: Server | None = None
        objects.on_change(self._seen)

    @property
    def running(self) -> bool:
        return self._server is not None

    @property
    def log(self) -> list[str]:
        """The server's own log."""
        return list(self._server.log) if self._server is not None else []

    def script(
        self,
        match: str,
        *,
        outcome: Outcome = "succeeds",
        items: int | None = None,
        seconds: float | None = None,
        reason: str = "",
        kind: Literal["backup", "restore", "any"] = "any",
        times: int | None = None,
    ) -> None:
        """Script the next runs whose name or one of whose namespaces matches the pattern."""
        self.scripts.add(Script(match, outcome, items, seconds, reason, kind, times))

    def release(self, match: str) -> None:
        """Continue the runs that a script with this pattern made hang."""
        self.scripts.release(match)

    def seed_history(self, past: Past) -> list[str]:
        """Add past backups directly to cluster and bucket; the location has to exist."""
        location = self._objects.get("backupstoragelocations", self.namespace, past.location)
        bucket = self._buckets.create(location["spec"]["objectStorage"]["bucket"])
        return seed(self._objects, bucket, location, past, self.namespace)

    async def start(self) -> None:
        """Start a new process with empty memory."""
        if self.running:
            return
        server = Server(
            self._objects, self._buckets, self._clock, self.namespace, self.settings, self.scripts, self._new_id
        )
        install(self._objects, self.namespace, node_agent=self.settings.node_agent)
        restart.fail_interrupted(server)
        locations.mark_default(server)
        self._server = server
        self._parts = [
            Queue(server),
            Backups(server),
            Finalizer(server),
            Restores(server),
            Schedules(server),
            Deletions(server),
            GarbageCollection(server),
            Sync(server),
            Downloads(server),
            StatusRequests(server),
            locations.Locations(server),
        ]
        for resource in WATCHED:
            self._list(resource)
        self._tasks = [asyncio.create_task(loop) for part in self._parts for loop in part.loops()]
        for task in self._tasks:
            task.add_done_callback(_report_crash)
        await asyncio.sleep(0)

    async def stop(self) -> None:
        """Kill the process; runs stay as they are."""
        for part in self._parts:
            part.killed()
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._parts, self._tasks, self._server = [], [], None
        for result in results:
            if isinstance(result, Exception):
                raise result

    def _list(self, resource: str) -> None:
        """List again: at the start, or after a malformed object is gone."""
        server = self._server
        if server is None:
            return
        things = self._objects.list(resource, self.namespace)
        poison = {thing["metadata"]["name"] for thing in things if not decodable(resource, thing)}
        server.cache.poison[resource] = poison
        if poison:
            return
        known = server.cache.of(resource)
        present = {str(thing["metadata"]["name"]): thing for thing in things}
        gone = [known[name] for name in known.keys() - present.keys()]
        earlier = dict(known)
        known.clear()
        known.update(present)
        for thing in gone:
            self._tell(Change("DELETED", resource, thing, thing))
        for name, thing in present.items():
            before = earlier.get(name)
            if before != thing:
                self._tell(Change("ADDED" if before is None else "MODIFIED", resource, before, thing))

    def _seen(self, kind: str, resource: str, old: Json | None, new: Json | None) -> None:
        thing = new or old
        if self._server is None or resource not in WATCHED or thing is None:
            return
        if thing["metadata"].get("namespace") != self.namespace:
            return
        if self._blinded(resource, thing, gone=kind == "DELETED"):
            return
        name, known = str(thing["metadata"]["name"]), self._server.cache.of(resource)
        if kind == "DELETED":
            known.pop(name, None)
            self._tell(Change("DELETED", resource, old, thing))
        elif kind == "ADDED":
            known[name] = thing
            self._tell(Change("ADDED", resource, None, thing))
        else:
            known[name] = thing
            self._tell(Change("MODIFIED", resource, old, thing))

    def _blinded(self, resource: str, thing: Json, *, gone: bool) -> bool:
        """Return whether the server is blind for this kind: one object that Go can't decode hides all changes of its kind."""
        server = self._server
        if server is None:
            return True
        poison, name = server.cache.poison.setdefault(resource, set()), str(thing["metadata"]["name"])
        if not gone and not decodable(resource, thing):
            poison.add(name)
            server.say("error", "failed to list", resource=resource, error=f"time: invalid duration in {name}")
            return True
        if name in poison:
            poison.discard(name)
            if not poison:
                self._list(resource)
            return True
        return bool(poison)

    def _tell(self, change: Change) -> None:
        for part in self._parts:
            part.seen(change)


def _report_crash(task: asyncio.Task[None]) -> None:
    """Report a controller that crashed at once; stopping the server raises its error as well."""
    if not task.cancelled() and (error := task.exception()) is not None:
        context = {"message": "a controller of the Velero emulator has crashed", "exception": error, "task": task}
        task.get_loop().call_exception_handler(context)
