"""Finds what a thread is about: the object of the bot's message that started it."""

from __future__ import annotations

from store.transaction import Transaction
from store.writer import Store


class ThreadSubjects:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def subject(self, channel: str, thread: str) -> tuple[str, str, str]:
        """Return (cluster, noun, name); empty if the thread isn't under a message of the bot."""
        if not thread:
            return "", "", ""
        return await self._store.read(lambda tx: _subject(tx, channel, thread))


def _subject(tx: Transaction, channel: str, thread: str) -> tuple[str, str, str]:
    message = tx.messages.at(channel, thread)
    if message is None:
        return "", "", ""
    operation = tx.operations.get(message.subject)
    if operation is not None:
        return operation.cluster, operation.noun, operation.object_name or operation.subject
    cluster, _, rest = message.subject.partition("/")
    kind, _, name = rest.partition("/")
    return cluster, kind.lower(), name
