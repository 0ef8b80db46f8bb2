"""Group commit: many closures, one transaction, one fsync; each closure in its own savepoint."""

from __future__ import annotations

import threading
from asyncio import Future
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from domain.errors import StoreCorrupt, StoreError, StoreFull
from store.sqlite import Connection, in_our_words, sqlite3
from store.transaction import Transaction


class Waiting:
    """A closure in the queue. Whoever takes it first decides: the writer runs it, its caller abandons it."""

    __slots__ = ("_taken", "closure", "future")

    def __init__(self, closure: Callable[[Transaction], Any], future: Future[Any]) -> None:
        self.closure = closure
        self.future = future
        self._taken = threading.Lock()

    def take(self) -> bool:
        return self._taken.acquire(blocking=False)


@dataclass(frozen=True, slots=True)
class Settled:
    waiting: Waiting
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
            own_words = in_our_words(error)
            own_words.__cause__ = error
            error = own_words
        self._connection.execute("ROLLBACK TO closure")
        self._connection.execute("RELEASE closure")
        self.error = error
        return True


def _is_fatal(error: sqlite3.Error, connection: Connection) -> bool:
    return not connection.in_transaction or isinstance(in_our_words(error), (StoreFull, StoreCorrupt))


def commit(transaction: Transaction, batch: Sequence[Waiting]) -> tuple[list[Settled], StoreError | None]:
    """What became of each closure that was still wanted, and why the commit failed if it did: then of none of them."""
    connection = transaction.connection
    settled: list[Settled] = []
    try:
        connection.execute("BEGIN IMMEDIATE")
        for waiting in batch:
            if waiting.take():
                # Noted before it runs: if the transaction breaks under it, its caller hears of that too.
                settled.append(Settled(waiting))
                settled[-1] = _run(transaction, waiting)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        failure = in_our_words(error)
        failure.__cause__ = error
        _roll_back(connection)
        settled += [Settled(waiting) for waiting in batch if waiting.take()]
        return [_failed(one, failure) for one in settled], failure
    return settled, None


def _run(transaction: Transaction, waiting: Waiting) -> Settled:
    result = None
    with Savepoint(transaction.connection) as savepoint:
        result = waiting.closure(transaction)
    return Settled(waiting, result, savepoint.error)


def _failed(settled: Settled, failure: StoreError) -> Settled:
    return Settled(settled.waiting, error=settled.error or failure)


def _roll_back(connection: Connection) -> None:
    # A full disk leaves the transaction open; other errors have ended it already.
    if connection.in_transaction:
        connection.rollback()
