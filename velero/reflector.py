"""Follows one kind in one cluster: lists the objects, then watches from the list's resourceVersion, endlessly.

A watch can end in many ways: closed, silent, cut off, expired (410), refused, or answered by a proxy. The reflector
resumes at the last committed resourceVersion where it can, and lists again where it can't; a list also reports objects
that vanished in the meantime. The consumer commits each batch with its resourceVersion and then requests the next; only
then does the reflector advance, so a crash loses nothing and repeats at most one batch. It must never order
resourceVersions (they are opaque), never raise a ClusterError, and never retry without a delay.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from random import Random
from typing import Generic, Protocol, TypeVar

from domain.errors import ClusterError, ResourceVersionExpired, Throttled, Unreachable
from velero.api import Lines, StreamEnd
from velero.backoff import Backoff
from velero.errors import describe_request, error_of_watch_event
from velero.gateway import Gateway
from velero.health import LASTING_CONDITIONS, HealthBoard, condition_of
from velero.line_batches import batch_lines
from velero.observations import Batch, Change, Observation
from velero.watch import EventType, WatchEvent, read_event


class Identified(Protocol):
    @property
    def uid(self) -> str: ...
    @property
    def name(self) -> str: ...


V = TypeVar("V", bound=Identified)
S = TypeVar("S")
Known = Callable[[], Awaitable[Mapping[str, str]]]

_CHANGES = {EventType.ADDED: Change.ADDED, EventType.MODIFIED: Change.MODIFIED, EventType.DELETED: Change.DELETED}


@dataclass(frozen=True, slots=True)
class ReflectorTimes:
    """Times in seconds, and sizes.

    `silence_timeout`: a bookmark arrives about every minute. `lasting_error_delay`: only an administrator can fix such an
    error, so retries are rare. `min_stream_seconds`: a shorter stream counts as a failure, whatever its status.
    `max_silent_streams`: after so many in a row the reflector lists again, because a cluster restored from a backup of
    etcd sends nothing for a resourceVersion that is ahead of its own.
    """

    silence_timeout: float = 75.0
    watch_seconds: tuple[int, int] = (300, 600)
    backoff_base: float = 0.5
    backoff_cap: float = 30.0
    lasting_error_delay: float = 60.0
    min_stream_seconds: float = 5.0
    max_silent_streams: int = 3
    batch_seconds: float = 0.005
    batch_size: int = 256
    page_size: int = 500


class Reflector(Generic[V]):
    """`known` returns the uids that the consumer has, with their names; it is called right before each list."""

    def __init__(
        self,
        gateway: Gateway[V],
        board: HealthBoard,
        known: Known,
        random: Random,
        *,
        resource_version: str = "",
        times: ReflectorTimes | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._gateway = gateway
        self._board = board
        self._known = known
        self._random = random
        self._resource_version = resource_version
        self._times = times or ReflectorTimes()
        self._backoff = Backoff(random, base=self._times.backoff_base, cap=self._times.backoff_cap)
        self._sleep = sleep
        self._listing = not resource_version
        self._silent_streams = 0
        self.kind = gateway.kind.name

    async def batches(self) -> AsyncGenerator[Batch[V], None]:
        """Yield batches endlessly. Errors of the cluster go to the health board. Close the generator with `aclosing`."""
        while True:
            try:
                async with aclosing(self._round()) as round_:
                    async for batch in round_:
                        yield batch
            except ClusterError as error:
                await self._recover(error)

    async def _round(self) -> AsyncGenerator[Batch[V], None]:
        batches = self._list() if self._listing else self._watch()
        async with aclosing(batches):
            async for batch in batches:
                yield batch
                self._resource_version = batch.resource_version
                self._listing = self._listing and not batch.complete

    async def _recover(self, error: ClusterError) -> None:
        """Wait, or list at once after a first expiry: a restart of an API server expires all older resourceVersions."""
        if isinstance(error, ResourceVersionExpired):
            self._listing = True
            if not self._backoff.failures:
                self._backoff.next()
                return
        else:
            self._board.record_failure(self.kind, error)
        if condition_of(error) in LASTING_CONDITIONS:
            await self._sleep(self._backoff.jittered(self._times.lasting_error_delay))
            return
        await self._sleep(
            self._backoff.next(at_least=error.retry_after or 0.0 if isinstance(error, Throttled) else 0.0)
        )

    # --- list

    async def _list(self) -> AsyncGenerator[Batch[V], None]:
        known = await self._known()
        missing, resource_version = dict(known), ""
        async with aclosing(self._gateway.pages(limit=self._times.page_size)) as pages:
            async for page in pages:
                resource_version = resource_version or page.resource_version
                for chunk in _slices(page.values, self._times.batch_size):
                    yield Batch(tuple(self._compare_with_known(known, missing, chunk)), self._resource_version)
        if not resource_version:
            raise Unreachable(
                self._gateway.api.cluster,
                f"The list of {self.kind} in cluster {self._gateway.api.cluster} has no resourceVersion.",
            )
        self._board.record_ok(self.kind)
        gone: list[Observation[V]] = [
            Observation(Change.GONE, self.kind, uid, name, None) for uid, name in missing.items()
        ]
        for gone_chunk in _slices(gone, self._times.batch_size):
            yield Batch(tuple(gone_chunk), self._resource_version)
        yield Batch((), resource_version, complete=True)

    def _compare_with_known(
        self, known: Mapping[str, str], missing: dict[str, str], values: Sequence[V]
    ) -> Iterator[Observation[V]]:
        for value in values:
            uid, name = value.uid, value.name
            missing.pop(uid, None)
            if uid and name:
                yield Observation(Change.MODIFIED if uid in known else Change.ADDED, self.kind, uid, name, value)

    # --- watch

    async def _watch(self) -> AsyncGenerator[Batch[V], None]:
        loop = asyncio.get_running_loop()
        started, received = loop.time(), False
        async with self._gateway.api.stream(
            self._gateway.kind.path(self._gateway.namespace), self._query(), silence=self._times.silence_timeout
        ) as lines:
            self._board.record_ok(self.kind)
            async with aclosing(
                batch_lines(lines, size=self._times.batch_size, within=self._times.batch_seconds)
            ) as batches:
                async for batch in batches:
                    received = True
                    observed, error = self._read(batch)
                    if observed is not None:
                        yield observed
                    self._board.record_ok(self.kind)
                    if error is not None:
                        self._reset_backoff_after(loop.time() - started)
                        raise error
        self._check_end(lines, loop.time() - started, received=received)

    def _query(self) -> dict[str, str]:
        return {
            "resourceVersion": self._resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(self._random.randint(*self._times.watch_seconds)),
        }

    def _read(self, batch: list[bytes]) -> tuple[Batch[V] | None, ClusterError | None]:
        """Return the observations up to the first line that is an error or isn't an event, and the error of that line."""
        observations: list[Observation[V]] = []
        resource_version, error = self._resource_version, None
        for raw in batch:
            event = read_event(raw, self._gateway.read)
            if event is None or event.type is EventType.ERROR:
                error = self._error_of(event)
                break
            if (observation := self._observe(event)) is not None:
                observations.append(observation)
            resource_version = event.resource_version or resource_version
        has_advanced = observations or resource_version != self._resource_version
        return (Batch(tuple(observations), resource_version) if has_advanced else None), error

    def _observe(self, event: WatchEvent[V]) -> Observation[V] | None:
        """Return the observation; None for an object without a uid or name, which could never be recognized again."""
        value = event.value
        if value is None or not value.uid or not value.name:
            return None
        return Observation(_CHANGES[event.type], self.kind, value.uid, value.name, value)

    def _error_of(self, event: WatchEvent[V] | None) -> ClusterError:
        gateway = self._gateway
        context = describe_request(gateway.api.cluster, "GET", gateway.kind.path(gateway.namespace), watch=True)
        if event is None:
            message = (
                f"The watch on {context.resource} in cluster {context.cluster} returned something that isn't an event."
            )
            return Unreachable(context.cluster, message)
        return error_of_watch_event(context, event.status)

    def _check_end(self, lines: Lines, seconds: float, *, received: bool) -> None:
        """Return normally after a good stream, so that the next follows at once; raise after one that ended too early."""
        self._silent_streams = 0 if received else self._silent_streams + (lines.end is StreamEnd.SILENT)
        cluster = self._gateway.api.cluster
        if lines.end is StreamEnd.TOO_LONG or self._silent_streams >= self._times.max_silent_streams:
            self._silent_streams = 0
            raise ResourceVersionExpired(
                cluster, f"The watch on {self.kind} in cluster {cluster} may be outdated.", why=lines.why
            )
        if lines.end is not StreamEnd.SILENT and seconds < self._times.min_stream_seconds:
            raise Unreachable(
                cluster,
                f"The watch on {self.kind} in cluster {cluster} closes immediately.",
                why=lines.why or "the API server closes it early",
            )
        self._backoff.reset()

    def _reset_backoff_after(self, seconds: float) -> None:
        if seconds >= self._times.min_stream_seconds:
            self._backoff.reset()


def _slices(values: Sequence[S], size: int) -> Iterator[Sequence[S]]:
    return (values[start : start + size] for start in range(0, len(values), size))
