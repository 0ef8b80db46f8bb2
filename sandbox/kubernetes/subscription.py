"""One subscriber to the changes of a kind."""

import asyncio

from domain.json_types import Json
from sandbox.kubernetes.history import Change, ChangeType, Table
from sandbox.kubernetes.patches import clone


class Subscription:
    """An async iterator of `(type, object, revision)` after a revision; it ends when closed."""

    def __init__(self, table: Table, namespace: str | None, since: int) -> None:
        self._table = table
        self._namespace = namespace
        self._since = since
        self._queue: asyncio.Queue[Change | None] = asyncio.Queue()
        self._closed = False
        for change in table.since(since):
            self._add(change)
        table.listeners.append(self._add)

    def _add(self, change: Change) -> None:
        # a revision from the future is waited for
        if change.revision > self._since and self._namespace in {None, "", change.key[0]}:
            self._queue.put_nowait(change)

    def close(self) -> None:
        """End the iteration after the changes collected so far."""
        if not self._closed:
            self._closed = True
            self._table.listeners.remove(self._add)
            self._queue.put_nowait(None)

    async def next_change(self) -> Change | None:
        """Return the next change as stored, not a copy; None at the end."""
        change = await self._queue.get()
        if change is None:
            self._queue.put_nowait(None)
        return change

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> tuple[ChangeType, Json, int]:
        change = await self.next_change()
        if change is None:
            raise StopAsyncIteration
        return change.type, clone(change.version.object), change.revision
