"""The store: closures go in, durable results come out. One thread writes, another reads."""

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
from store.connection import DATABASE_FILE, open_for_reading, open_for_writing, snapshot, translate_errors
from store.lock import DirectoryLock
from store.migrations import STEPS
from store.private_files import make_private
from store.reserve_file import ReserveFile
from store.sqlite import Connection
from store.transaction import Transaction, next_epoch

T = TypeVar("T")

MAX_BATCH = 256
RESERVE_BYTES = 16 * 1024 * 1024
HEAL_EVERY = 10.0


@dataclass(frozen=True, slots=True)
class RecoveredCounts:
    """What the process before left in the middle: commands claimed, notices whose fate nobody knows."""

    commands: int
    notices: int


class Store:
    """`await Store.open(data_dir, now)`, then `write`, `read`, at the end `close`. Used from one event loop."""

    def __init__(self, writer: _Writer, reader: _Reader, lock: DirectoryLock, recovered: RecoveredCounts) -> None:
        self._writer = writer
        self._reader = reader
        self._lock = lock
        self.recovered = recovered

    @classmethod
    async def open(
        cls, data_dir: Path, now: datetime, *, steps: Migrations = STEPS, reserve_bytes: int = RESERVE_BYTES
    ) -> Store:
        """Locks the directory, checks and migrates the file, starts a new epoch and takes back what a dead one held.

        Raises StoreLocked, StoreNewer, StoreCorrupt, StoreFull.
        """
        loop = asyncio.get_running_loop()
        return await asyncio.to_thread(_opened, data_dir, now, steps, reserve_bytes, loop)

    @property
    def epoch(self) -> int:
        return self._writer.transaction.epoch

    @property
    def commits(self) -> int:
        """Grows with every group commit; see `committed`."""
        return self._writer.commits

    @property
    def short_of_space(self) -> bool:
        """The disk was full and the reserve is spent: take no new commands until it is back."""
        return self._writer.short_of_space

    @property
    def fault(self) -> StoreError | None:
        """Why nothing can be written any more."""
        return self._writer.fault

    async def write(self, closure: Callable[[Transaction], T], *, timeout: float | None = None) -> T:  # noqa: ASYNC109
        """Runs `closure` in its own savepoint and returns its result once that is on the disk.

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
        """Runs `closure` on a read-only connection, on one consistent state that holds every finished `write`."""
        return await self._reader.run(closure)

    async def committed(self, since: int) -> None:
        """Returns once `commits` is beyond `since`: read `commits`, look at the tables, wait here, look again."""
        await self._writer.wait_for_commit(since)

    async def snapshot(self, path: Path) -> None:
        """A consistent copy of the whole file, while writes go on."""
        await self._reader.snapshot(path)

    async def close(self) -> None:
        """Finishes everything that was submitted, then lets go of the directory."""
        await self._writer.stop()
        await self._reader.stop()
        await asyncio.to_thread(self._writer.finish)
        self._lock.release()


def _opened(
    data_dir: Path, now: datetime, steps: Migrations, reserve_bytes: int, loop: asyncio.AbstractEventLoop
) -> Store:
    make_private(data_dir)
    lock = DirectoryLock(data_dir, now)
    try:
        connection = open_for_writing(data_dir, now, steps)
    except BaseException:
        lock.release()
        raise
    try:
        transaction, recovered = _begin_epoch(connection)
        reader = _Reader(open_for_reading(data_dir / DATABASE_FILE), transaction.epoch)
    except BaseException:
        connection.close()
        lock.release()
        raise
    writer = _Writer(transaction, ReserveFile(data_dir / "ballast", reserve_bytes), loop)
    return Store(writer, reader, lock, recovered)


def _begin_epoch(connection: Connection) -> tuple[Transaction, RecoveredCounts]:
    with translate_errors():
        connection.execute("BEGIN IMMEDIATE")
        transaction = Transaction(connection, next_epoch(connection))
        recovered = RecoveredCounts(transaction.inbox.recover(), transaction.notices.recover())
        connection.execute("COMMIT")
    return transaction, recovered


class _Writer:
    """The thread that owns the writing connection, and the queue in front of it."""

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
        # Not waited for when the process dies: nothing unfinished has been acknowledged.
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

    def finish(self) -> None:
        with suppress(StoreError), translate_errors():
            self.transaction.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.transaction.connection.close()

    def _work(self) -> None:
        batch: list[QueuedWrite] = []
        going_on = True
        try:
            while going_on:
                batch, going_on = self._take_batch()
                if batch:
                    self._settle(batch)
                self._heal()
        finally:
            self._fail_the_rest(batch)

    def _take_batch(self) -> tuple[list[QueuedWrite], bool]:
        """Everything that waits, and whether to go on afterwards."""
        batch: list[QueuedWrite] = []
        try:
            first = self._queue.get(timeout=HEAL_EVERY if self.short_of_space else None)
            while first is not None:
                batch.append(first)
                if len(batch) == MAX_BATCH:
                    return batch, True
                first = self._queue.get_nowait()
        except queue.Empty:
            return batch, True
        return batch, False

    def _settle(self, batch: list[QueuedWrite]) -> None:
        settled, failure = commit(self.transaction, batch)
        if isinstance(failure, StoreFull):
            self._reserve.release()
            self.short_of_space = True
            self._heal_at = time.monotonic() + HEAL_EVERY
        if isinstance(failure, StoreCorrupt):
            self.fault = failure
        self._tell(settled, committed=failure is None)

    def _heal(self) -> None:
        if self.short_of_space and time.monotonic() >= self._heal_at:
            self.short_of_space = not self._reserve.fill()
            self._heal_at = time.monotonic() + HEAL_EVERY

    def _fail_the_rest(self, batch: list[QueuedWrite]) -> None:
        """The thread ends: nobody may wait for ever."""
        if not self._closed:
            self.fault = StoreError("The database writer stopped.", fix="restart the bot")
        ended = StoreError("The database is closed: the bot is shutting down.")
        rest = [waiting for waiting in batch if not waiting.future.done()]
        with suppress(queue.Empty):
            while True:
                if (waiting := self._queue.get_nowait()) is not None:
                    rest.append(waiting)
        self._tell([WriteResult(waiting, error=ended) for waiting in rest if waiting.take()], committed=False)

    def _tell(self, settled: list[WriteResult], *, committed: bool) -> None:
        # The loop may be gone already when the process ends in a hurry.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._deliver, settled, committed)

    def _deliver(self, settled: list[WriteResult], committed: bool) -> None:
        for one in settled:
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


def _resolve(settled: WriteResult) -> None:
    future, error = settled.waiting.future, settled.error
    if future.done():
        return
    if isinstance(error, StopIteration):
        # A future cannot carry one.
        error = RuntimeError(f"a closure raised StopIteration: {error}")
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(settled.result)


class _Reader:
    """One thread with a read-only connection: readers never wait for the writer's fsync."""

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
