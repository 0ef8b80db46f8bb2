"""Schedules as the watch shows them, so that no loop has to list them every few seconds.

A watch may lag behind the bot's own latest write. It only says that there may be something to do: read the cluster
before acting on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from domain.errors import ClusterError, Unreachable
from tracking.observation import VANISHED
from velero.cluster import Cluster
from velero.observations import Batch
from velero.resources.schedules import Schedule

SCHEDULE_KIND = "Schedule"
READ_TIMEOUT_S = 10.0


class WatchedSchedules:
    """The whole schedules of one cluster, by uid; None from `of` while the watch isn't in step."""

    def __init__(self) -> None:
        self._by_uid: dict[str, Schedule] = {}
        self._is_complete = False

    @property
    def names(self) -> dict[str, str]:
        return {uid: schedule.name for uid, schedule in self._by_uid.items()}

    def restart(self) -> None:
        """The watch starts again: until its list is complete, nothing is known to be current."""
        self._is_complete = False

    def take(self, batch: Batch[Schedule]) -> None:
        for seen in batch.observations:
            if seen.change in VANISHED or seen.value is None:
                self._by_uid.pop(seen.uid, None)
            else:
                self._by_uid[seen.uid] = seen.value
        self._is_complete = self._is_complete or batch.complete

    def all(self) -> Iterable[Schedule]:
        return self._by_uid.values()

    def of(self, cluster: Cluster) -> Mapping[str, Schedule] | None:
        """By name. A recreated schedule has its predecessor's name: the one that was created last counts."""
        if not self._is_complete or not cluster.board.get(SCHEDULE_KIND).ok:
            return None
        return {schedule.name: schedule for schedule in self._by_uid.values()}


class ScheduleReading:
    """The schedules of a cluster during one round: `seen` may come from the watch, `current` always from the cluster."""

    def __init__(self, cluster: Cluster, watched: WatchedSchedules | None) -> None:
        self._cluster = cluster
        self._watched = watched
        self._current: Mapping[str, Schedule] | None = None
        self._error: ClusterError | None = None

    async def seen(self) -> Mapping[str, Schedule]:
        """Raises ClusterError."""
        watched = self._watched.of(self._cluster) if self._watched is not None else None
        return watched if watched is not None else await self.current()

    async def current(self) -> Mapping[str, Schedule]:
        """Listed once at most, also where it fails: one timeout per round, not one per schedule. Raises ClusterError."""
        if self._error is not None:
            raise self._error
        if self._current is None:
            try:
                self._current = {schedule.name: schedule for schedule in await self._list()}
            except ClusterError as error:
                self._error = error
                raise
        return self._current

    async def _list(self) -> Iterable[Schedule]:
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                return await self._cluster.schedules.list()
        except TimeoutError as late:
            name = self._cluster.name
            raise Unreachable(
                name, f"Cluster {name} doesn't respond.", why=f"No response within {READ_TIMEOUT_S:g} seconds."
            ) from late
