"""The store: callers hand in closures and get durable results. One thread writes, another one reads.

The writer thread owns the writing connection and commits many closures at once. A write returns after its fsync. Callers
may give up waiting; a closure that has not started is then dropped. Nothing may be awaited inside a closure.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlite_utils import Migrations

from domain.errors import StoreBusy, StoreCorrupt, StoreError, StoreFull
from store.commit import QueuedWrite, WriteResult, commit
from store.connection import DATABASE_FILE, check_file, open_for_reading, open_for_writing, snapshot, translate_errors
from store.lock import DirectoryLock
from store.migrations import STEPS
from store.private_files import make_private
from store.reserve_file import ReserveFile
from store.sqlite import Connection
from store.transaction import Transaction, next_epoch

T = TypeVar("T")

MAX_BATCH = 256
RESERVE_BYTES = 16 * 1024 * 1024
RESERVE_CHECK_INTERVAL_S = 10.0


@dataclass(frozen=True, slots=True)
class RecoveredCounts:
    """Counts of what the former process left unfinished: claimed commands, and notifications with an unknown result."""

    commands: int
    notices: int


class Store:
    """`await Store.open(data_dir, now)`, then `write`, `read`, at the end `close`. Used from one event loop."""

    def __init__(
        self, writer: _Writer, reader: _Reader, lock: DirectoryLock, recovered: RecoveredCounts, path: Path
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._lock = lock
        self._path = path
        self.recovered = recovered

    @classmethod
    async def open(
        cls, data_dir: Path, now: datetime, *, steps: Migrations = STEPS, reserve_bytes: int = RESERVE_BYTES
    ) -> Store:
        """Lock the directory, check and migrate the file, start a new epoch and release what a dead process held.

        Raises StoreLocked, StoreNewer, StoreCorrupt, StoreFull.
        """
        loop = asyncio.get_running_loop()
        return await asyncio.to_thread(_opened, data_dir, now, steps, reserve_bytes, loop)

    @property
    def epoch(self) -> int:
        return self._writer.transaction.epoch

    @property
    def commits(self) -> int:
        """The number of group commits; see `committed`."""
        return self._writer.commits

    @property
    def short_of_space(self) -> bool:
        """The disk was full and the reserve is used: accept no new commands until it is restored."""
        return self._writer.short_of_space

    @property
    def fault(self) -> StoreError | None:
        """Why writing is no longer possible; None if it is."""
        return self._writer.fault

    async def write(self, closure: Callable[[Transaction], T], *, timeout: float | None = None) -> T:  # noqa: ASYNC109
        """Run `closure` in its own savepoint and return its result once it is on disk.

        What it raises undoes it alone. With `timeout` it is abandoned if it has not begun by then (StoreBusy: nothing
        was done); one that has begun is waited for. A cancelled caller's closure does not begin any more.
        """
        waiting = self._writer.submit(closure)
        timer = None if timeout is None else asyncio.get_running_loop().call_later(timeout, _abandon, waiting)
        try:
            return await waiting.future  # type: ignore[no-any-return]
        except asyncio.CancelledError:
            waiting.take()
            waiting.future.cancel()
            raise
        finally:
            if timer is not None:
                timer.cancel()

    async def read(self, closure: Callable[[Transaction], T]) -> T:
        """Run `closure` on a read-only connection, on one consistent state that includes every finished `write`."""
        return await self._reader.run(closure)

    async def committed(self, since: int) -> None:
        """Return once `commits` is greater than `since`. Read `commits` first, then the tables, then wait here."""
        await self._writer.wait_for_commit(since)

    async def snapshot(self, path: Path) -> None:
        """Write a consistent copy of the file while writes continue."""
        await self._reader.snapshot(path)

    async def check_for_damage(self) -> None:
        """Read the whole file, table by table, next to the running bot.

        Raises StoreCorrupt; from then on nothing is written any more.
        """
        if self._writer.fault is not None:
            raise self._writer.fault
        stop = threading.Event()
        try:
            await asyncio.to_thread(check_file, self._path, stop)
        except StoreCorrupt as damage:
            self._writer.fault = damage
            raise
        finally:
            stop.set()

    async def close(self) -> None:
        """Finish everything that was submitted, then release the directory."""
        await self._writer.stop()
        await self._reader.stop()
        clean = await asyncio.to_thread(self._writer.finish)
        self._lock.release(clean=clean)


def _opened(
    data_dir: Path, now: datetime, steps: Migrations, reserve_bytes: int, loop: asyncio.AbstractEventLoop
) -> Store:
    make_private(data_dir)
    lock = DirectoryLock(data_dir, now)
    try:
        connection = open_for_writing(data_dir, now, steps, stopped_cleanly=lock.stopped_cleanly)
    except BaseException:
        lock.release(clean=False)
        raise
    try:
        transaction, recovered = _begin_epoch(connection)
        reader = _Reader(open_for_reading(data_dir / DATABASE_FILE), transaction.epoch)
    except BaseException:
        connection.close()
        lock.release(clean=False)
        raise
    writer = _Writer(transaction, ReserveFile(data_dir / "ballast", reserve_bytes), loop)
    return Store(writer, reader, lock, recovered, data_dir / DATABASE_FILE)


def _begin_epoch(connection: Connection) -> tuple[Transaction, RecoveredCounts]:
    with translate_errors():
        connection.execute("BEGIN IMMEDIATE")
        transaction = Transaction(connection, next_epoch(connection))
        recovered = RecoveredCounts(transaction.inbox.recover(), transaction.notices.recover())
        connection.execute("COMMIT")
    return transaction, recovered


class _Writer:
    """The thread that owns the writing connection, with its queue."""

    def __init__(self, transaction: Transaction, reserve: ReserveFile, loop: asyncio.AbstractEventLoop) -> None:
        self.transaction = transaction
        self.commits = 0
        self.fault: StoreError | None = None
        self._reserve = reserve
        self.short_of_space = not reserve.fill()
        self._loop = loop
        self._queue: queue.SimpleQueue[QueuedWrite | None] = queue.SimpleQueue()
        self._signal = asyncio.Event()
        self._closed = False
        self._heal_at = 0.0
        # A daemon thread: nothing unfinished has been acknowledged when the process ends.
        self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, closure: Callable[[Transaction], T]) -> QueuedWrite:
        if self.fault is not None:
            raise self.fault
        if self._closed:
            raise StoreError("The database is closed: the bot is shutting down.")
        waiting = QueuedWrite(closure, self._loop.create_future())
        self._queue.put(waiting)
        return waiting

    async def wait_for_commit(self, since: int) -> None:
        while self.commits <= since and not self._closed:
            await self._signal.wait()

    async def stop(self) -> None:
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._wake()

    def finish(self) -> bool:
        """Close the file. Return whether everything is in it and no damage was seen."""
        complete = False
        with suppress(StoreError), translate_errors():
            complete = self.transaction.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        self.transaction.connection.close()
        return complete and self.fault is None

    def _work(self) -> None:
        batch: list[QueuedWrite] = []
        going_on = True
        try:
            while going_on:
                batch, going_on = self._take_batch()
                if batch:
                    self._commit_batch(batch)
                self._restore_reserve()
        finally:
            self._fail_waiting(batch)

    def _take_batch(self) -> tuple[list[QueuedWrite], bool]:
        """Return all waiting closures, and whether to continue after them."""
        batch: list[QueuedWrite] = []
        try:
            first = self._queue.get(timeout=RESERVE_CHECK_INTERVAL_S if self.short_of_space else None)
            while first is not None:
                batch.append(first)
                if len(batch) == MAX_BATCH:
                    return batch, True
                first = self._queue.get_nowait()
        except queue.Empty:
            return batch, True
        return batch, False

    def _commit_batch(self, batch: list[QueuedWrite]) -> None:
        results, failure = commit(self.transaction, batch)
        if isinstance(failure, StoreFull):
            self._reserve.release()
            self.short_of_space = True
            self._heal_at = time.monotonic() + RESERVE_CHECK_INTERVAL_S
        if isinstance(failure, StoreCorrupt):
            self.fault = failure
        self._deliver_from_thread(results, committed=failure is None)

    def _restore_reserve(self) -> None:
        if self.short_of_space and time.monotonic() >= self._heal_at:
            self.short_of_space = not self._reserve.fill()
            self._heal_at = time.monotonic() + RESERVE_CHECK_INTERVAL_S

    def _fail_waiting(self, batch: list[QueuedWrite]) -> None:
        """Fail everything that waits when the thread ends."""
        if not self._closed:
            self.fault = StoreError("The database writer stopped.", fix="restart the bot")
        ended = StoreError("The database is closed: the bot is shutting down.")
        rest = [waiting for waiting in batch if not waiting.future.done()]
        with suppress(queue.Empty):
            while True:
                if (waiting := self._queue.get_nowait()) is not None:
                    rest.append(waiting)
        self._deliver_from_thread(
            [WriteResult(waiting, error=ended) for waiting in rest if waiting.take()], committed=False
        )

    def _deliver_from_thread(self, results: list[WriteResult], *, committed: bool) -> None:
        # The event loop may be closed already when the process ends.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._deliver, results, committed)

    def _deliver(self, results: list[WriteResult], committed: bool) -> None:
        for one in results:
            _resolve(one)
        if committed:
            self.commits += 1
            self._wake()

    def _wake(self) -> None:
        woken, self._signal = self._signal, asyncio.Event()
        woken.set()


def _abandon(waiting: QueuedWrite) -> None:
    if not waiting.future.done() and waiting.take():
        busy = StoreBusy("Too busy right now. Nothing was done.", fix="try again in a moment")
        waiting.future.set_exception(busy)


def _resolve(results: WriteResult) -> None:
    future, error = results.waiting.future, results.error
    if future.done():
        return
    if isinstance(error, StopIteration):
        # A future can't carry a StopIteration.
        error = RuntimeError(f"a closure raised StopIteration: {error}")
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(results.result)


class _Reader:
    """A thread with a read-only connection: readers never wait for the writer's fsync."""

    def __init__(self, connection: Connection, epoch: int) -> None:
        self._transaction = Transaction(connection, epoch)
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-reader")
        self._closed = False

    async def run(self, closure: Callable[[Transaction], T]) -> T:
        if self._closed:
            raise StoreError("The database is closed: the bot is shutting down.")
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, closure)

    async def snapshot(self, path: Path) -> None:
        await asyncio.get_running_loop().run_in_executor(self._pool, self._snapshot, path)

    async def stop(self) -> None:
        self._closed = True
        await asyncio.to_thread(self._pool.shutdown)
        self._transaction.connection.close()

    def _run(self, closure: Callable[[Transaction], Any]) -> Any:
        connection = self._transaction.connection
        with translate_errors():
            connection.execute("BEGIN")
            try:
                return closure(self._transaction)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _snapshot(self, path: Path) -> None:
        with translate_errors():
            snapshot(self._transaction.connection, path)
