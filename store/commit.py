"""Group commit: many closures share one transaction and one fsync; each runs in its own savepoint.

A closure that raises undoes only itself. If the transaction breaks (full disk, damaged file), all closures fail.
"""

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
    """A closure in the queue. Either the writer takes it first and runs it, or its caller abandons it."""

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
    """Rolls back its body on an exception and keeps the exception. One that breaks the transaction is raised."""

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
            translated = translate_error(error)
            translated.__cause__ = error
            error = translated
        self._connection.execute("ROLLBACK TO closure")
        self._connection.execute("RELEASE closure")
        self.error = error
        return True


def _is_fatal(error: sqlite3.Error, connection: Connection) -> bool:
    return not connection.in_transaction or isinstance(translate_error(error), (StoreFull, StoreCorrupt))


def commit(transaction: Transaction, batch: Sequence[QueuedWrite]) -> tuple[list[WriteResult], StoreError | None]:
    """Run the closures that weren't abandoned. Return their results, and the error if the commit failed for all of them."""
    connection = transaction.connection
    results: list[WriteResult] = []
    try:
        connection.execute("BEGIN IMMEDIATE")
        for waiting in batch:
            if waiting.take():
                # Recorded before it runs: if the transaction breaks during it, its caller gets the error too.
                results.append(WriteResult(waiting))
                results[-1] = _run(transaction, waiting)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        failure = translate_error(error)
        failure.__cause__ = error
        _roll_back(connection)
        results += [WriteResult(waiting) for waiting in batch if waiting.take()]
        return [_failed(one, failure) for one in results], failure
    return results, None


def _run(transaction: Transaction, waiting: QueuedWrite) -> WriteResult:
    result = None
    with Savepoint(transaction.connection) as savepoint:
        result = waiting.closure(transaction)
    return WriteResult(waiting, result, savepoint.error)


def _failed(result: WriteResult, failure: StoreError) -> WriteResult:
    return WriteResult(result.waiting, error=result.error or failure)


def _roll_back(connection: Connection) -> None:
    # A full disk leaves the transaction open; other errors have ended it already.
    if connection.in_transaction:
        connection.rollback()
