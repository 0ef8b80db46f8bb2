"""Follows one kind in one cluster: list, then watch from there, for ever.

The consumer commits each batch with its resourceVersion and asks for the next one; only then is the place advanced,
so nothing is lost by a crash and at most one batch is seen twice. resourceVersions are opaque.
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
    """`silence`: a bookmark comes about every minute. `lasting`: what only an administrator mends is asked for rarely.

    `steady`: a stream that lived this long was good; one that ends sooner counts as a failure, whatever its status.
    `deaf`: so many silent streams in a row, and the place is doubted: a cluster restored from a copy of etcd says
    nothing at all about a place in its future.
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
    """`known` tells the uids that the consumer has, with their names; it is asked right before each list."""

    def __init__(
        self,
        gateway: Gateway[V],
        board: HealthBoard,
        known: Known,
        random: Random,
        *,
        resource_version: str = "",
        pace: ReflectorTimes | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._gateway = gateway
        self._board = board
        self._known = known
        self._random = random
        self._place = resource_version
        self._pace = pace or ReflectorTimes()
        self._backoff = Backoff(random, base=self._pace.backoff_base, cap=self._pace.backoff_cap)
        self._sleep = sleep
        self._listing = not resource_version
        self._silent = 0
        self.kind = gateway.kind.name

    async def batches(self) -> AsyncGenerator[Batch[V], None]:
        """Never ends and never raises a ClusterError: what goes wrong is on the board. Close it with `aclosing`."""
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
                self._place = batch.resource_version
                self._listing = self._listing and not batch.complete

    async def _recover(self, error: ClusterError) -> None:
        """An Expired place is routine: after the restart of an API server every older one is. Its repetition is not."""
        if isinstance(error, ResourceVersionExpired):
            self._listing = True
            if not self._backoff.failures:
                self._backoff.next()
                return
        else:
            self._board.record_failure(self.kind, error)
        if condition_of(error) in LASTING_CONDITIONS:
            await self._sleep(self._backoff.jittered(self._pace.lasting_error_delay))
            return
        await self._sleep(
            self._backoff.next(at_least=error.retry_after or 0.0 if isinstance(error, Throttled) else 0.0)
        )

    # --- list

    async def _list(self) -> AsyncGenerator[Batch[V], None]:
        known = await self._known()
        missing, place = dict(known), ""
        async with aclosing(self._gateway.pages(limit=self._pace.page_size)) as pages:
            async for page in pages:
                place = place or page.resource_version
                for some in _slices(page.values, self._pace.batch_size):
                    yield Batch(tuple(self._listed(known, missing, some)), self._place)
        if not place:
            raise Unreachable(self._gateway.api.cluster, f"The list of {self.kind} has no resourceVersion.")
        self._board.record_ok(self.kind)
        gone: list[Observation[V]] = [
            Observation(Change.GONE, self.kind, uid, name, None) for uid, name in missing.items()
        ]
        for lost in _slices(gone, self._pace.batch_size):
            yield Batch(tuple(lost), self._place)
        yield Batch((), place, complete=True)

    def _listed(
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
        began, heard = loop.time(), False
        async with self._gateway.api.stream(
            self._gateway.kind.path(self._gateway.namespace), self._query(), silence=self._pace.silence_timeout
        ) as lines:
            self._board.record_ok(self.kind)
            async with aclosing(
                batch_lines(lines, most=self._pace.batch_size, within=self._pace.batch_seconds)
            ) as hands:
                async for hand in hands:
                    heard = True
                    read, broken = self._read(hand)
                    if read is not None:
                        yield read
                    self._board.record_ok(self.kind)
                    if broken is not None:
                        self._settle(loop.time() - began)
                        raise broken
        self._judge(lines, loop.time() - began, heard=heard)

    def _query(self) -> dict[str, str]:
        return {
            "resourceVersion": self._place,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(self._random.randint(*self._pace.watch_seconds)),
        }

    def _read(self, hand: list[bytes]) -> tuple[Batch[V] | None, ClusterError | None]:
        """What was understood up to the first line that was not, and the fault of that line."""
        seen: list[Observation[V]] = []
        place, broken = self._place, None
        for raw in hand:
            line = read_event(raw, self._gateway.read)
            if line is None or line.type is EventType.ERROR:
                broken = self._fault(line)
                break
            if (one := self._change(line)) is not None:
                seen.append(one)
            place = line.resource_version or place
        moved = seen or place != self._place
        return (Batch(tuple(seen), place) if moved else None), broken

    def _change(self, line: WatchEvent[V]) -> Observation[V] | None:
        """None for an object without an identity: nothing could be said of it later."""
        value = line.value
        if value is None or not value.uid or not value.name:
            return None
        return Observation(_CHANGES[line.type], self.kind, value.uid, value.name, value)

    def _fault(self, line: WatchEvent[V] | None) -> ClusterError:
        gateway = self._gateway
        what = describe_request(gateway.api.cluster, "GET", gateway.kind.path(gateway.namespace), watch=True)
        if line is None:
            return Unreachable(what.cluster, f"The watch on {what.resource} returned something that isn't an event.")
        return error_of_watch_event(what, line.status)

    def _judge(self, lines: Lines, lived: float, *, heard: bool) -> None:
        """A stream that served its time is followed by the next at once; one that broke off early is not."""
        self._silent = 0 if heard else self._silent + (lines.end is StreamEnd.SILENT)
        cluster = self._gateway.api.cluster
        if lines.end is StreamEnd.TOO_LONG or self._silent >= self._pace.max_silent_streams:
            self._silent = 0
            raise ResourceVersionExpired(cluster, "The watch position may be outdated.", why=lines.why)
        if lines.end is not StreamEnd.SILENT and lived < self._pace.min_stream_seconds:
            raise Unreachable(
                cluster,
                f"The watch on {self.kind} closes immediately.",
                why=lines.why or "the API server closes it early",
            )
        self._backoff.reset()

    def _settle(self, lived: float) -> None:
        if lived >= self._pace.min_stream_seconds:
            self._backoff.reset()


def _slices(values: Sequence[S], size: int) -> Iterator[Sequence[S]]:
    return (values[start : start + size] for start in range(0, len(values), size))
