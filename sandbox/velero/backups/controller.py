"""The backup controller: validates the backups that the queue starts, and runs them."""

from collections.abc import Iterator
from typing import Any

from domain.json_types import Json
from sandbox.velero.backups.finalize import record
from sandbox.velero.backups.prepare import Facts, prepare
from sandbox.velero.backups.run import BackupRun, Fatal
from sandbox.velero.server import Change, Server, phase
from sandbox.velero.work import Work


class Backups:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._work = Work(server.clock, self._reconcile, server.complain("backup"))
        self.records: dict[str, BackupRun] = {}

    def seen(self, change: Change) -> None:
        """Only an update to ReadyToStart counts: a backup found in that phase at start waits for the next update."""
        if change.resource == "backups" and change.type == "MODIFIED" and phase(change.new) == "ReadyToStart":
            self._work.add(change.name)

    def loops(self) -> Iterator[Any]:
        for _ in range(self._server.settings.concurrent_backups):
            yield self._work.run()

    def killed(self) -> None:
        self._work.forget()

    async def _reconcile(self, name: str) -> None:
        backup = self._server.find("backups", name)
        if backup is None or phase(backup) != "ReadyToStart":
            return
        prepared = prepare(backup, facts(self._server), self._server.now())
        ready = self._server.patch("backups", name, **prepared.patch(self._server.now()))
        if prepared.errors:
            return
        location = self._server.live("backupstoragelocations", ready["spec"]["storageLocation"])
        if location is not None:
            await self._run(BackupRun(self._server, ready, location))

    async def _run(self, run: BackupRun) -> None:
        try:
            following = await run.execute()
        except Fatal as fatal:
            ended = {"phase": "Failed", "failureReason": fatal.reason, "completionTimestamp": self._server.stamp()}
            ended_backup = self._server.patch("backups", run.name, status=run.record.counts() | ended)
            if fatal.uploaded is not None:
                record(ended_backup, run.location, fatal.uploaded)
            return
        self.records[run.name] = run
        self._server.patch("backups", run.name, status={"phase": following, **run.record.counts()})


def facts(server: Server) -> Facts:
    secrets = server.objects.list("secrets", server.namespace)
    configmaps = server.objects.list("configmaps", server.namespace)
    return Facts(
        locations=dict(server.cache.of("backupstoragelocations")),
        snapshot_locations=dict(server.cache.of("volumesnapshotlocations")),
        secrets=frozenset(_names(secrets)),
        configmaps={str(configmap["metadata"]["name"]): configmap for configmap in configmaps},
        settings=server.settings,
    )


def _names(things: list[Json]) -> Iterator[str]:
    for thing in things:
        yield str(thing["metadata"]["name"])
