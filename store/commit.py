"""Group commit: many closures, one transaction, one fsync; each closure in its own savepoint."""

from __future__ import annotations

import threading
from asyncio import Future
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from domain.errors import StoreCorrupt, StoreError, StoreFull
from store.sqlite import Connection, sqlite3, translate_error
from store.transaction import Transaction


class QueuedWrite:
    """A closure in the queue. Whoever takes it first decides: the writer runs it, its caller abandons it."""

    __slots__ = ("_taken", "closure", "future")

    def __init__(self, closure: Callable[[Transaction], Any], future: Future[Any]) -> None:
        self.closure = closure
        self.future = future
        self._taken = threading.Lock()

    def take(self) -> bool:
        return self._taken.acquire(blocking=False)


@dataclass(frozen=True, slots=True)
class WriteResult:
    waiting: QueuedWrite
    result: Any = None
    error: BaseException | None = None


class Savepoint:
    """Undoes and keeps what its body raises. What breaks the whole transaction goes on up."""

    __slots__ = ("_connection", "error")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.error: BaseException | None = None

    def __enter__(self) -> Self:
        self._connection.execute("SAVEPOINT closure")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if error is None:
            self._connection.execute("RELEASE closure")
            return False
        if isinstance(error, sqlite3.Error):
            if _is_fatal(error, self._connection):
                return False
            own_words = translate_error(error)
            own_words.__cause__ = error
            error = own_words
        self._connection.execute("ROLLBACK TO closure")
        self._connection.execute("RELEASE closure")
        self.error = error
        return True


def _is_fatal(error: sqlite3.Error, connection: Connection) -> bool:
    return not connection.in_transaction or isinstance(translate_error(error), (StoreFull, StoreCorrupt))


def commit(transaction: Transaction, batch: Sequence[QueuedWrite]) -> tuple[list[WriteResult], StoreError | None]:
    """What became of each closure that was still wanted, and why the commit failed if it did: then of none of them."""
    connection = transaction.connection
    settled: list[WriteResult] = []
    try:
        connection.execute("BEGIN IMMEDIATE")
        for waiting in batch:
            if waiting.take():
                # Noted before it runs: if the transaction breaks under it, its caller hears of that too.
                settled.append(WriteResult(waiting))
                settled[-1] = _run(transaction, waiting)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        failure = translate_error(error)
        failure.__cause__ = error
        _roll_back(connection)
        settled += [WriteResult(waiting) for waiting in batch if waiting.take()]
        return [_failed(one, failure) for one in settled], failure
    return settled, None


def _run(transaction: Transaction, waiting: QueuedWrite) -> WriteResult:
    result = None
    with Savepoint(transaction.connection) as savepoint:
        result = waiting.closure(transaction)
    return WriteResult(waiting, result, savepoint.error)


def _failed(settled: WriteResult, failure: StoreError) -> WriteResult:
    return WriteResult(settled.waiting, error=settled.error or failure)


def _roll_back(connection: Connection) -> None:
    # A full disk leaves the transaction open; other errors have ended it already.
    if connection.in_transaction:
        connection.rollback()
