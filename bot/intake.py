"""The door to the inbox: what is acknowledged was committed before; what was not committed is told as not done."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.metrics import INBOX_WAITING
from commands.grammar import glance
from commands.secret_values import refuse_in_line
from domain.errors import Refused, StoreBusy, StoreError, StoreFull, UserError
from store.inbox import Accepted, Duplicate
from store.transaction import Transaction
from store.writer import Store

log = logging.getLogger(__name__)

PATIENCE = 2.0
"""Seconds: Slack shows an error after three."""

BUSY = "I am busy: this was not done. Please try again in a moment."
FULL = "My disk is full: this was not done, and nothing will be until there is room."


@dataclass(frozen=True, slots=True)
class Taken:
    """`text` is what the person is told in the acknowledgement; empty when the answer follows."""

    text: str = ""
    duplicate: bool = False
    seq: int = 0


class Intake:
    def __init__(self, store: Store, now: Callable[[], datetime], wake: Callable[[], None]) -> None:
        self._store = store
        self._now = now
        self._wake = wake
        self.accepted = 0

    async def take(
        self,
        key: str,
        source: str,
        payload: Mapping[str, Any],
        *,
        lane: str = "",
        response_url: str = "",
        also: Callable[[Transaction], None] | None = None,
    ) -> Taken:
        """`also` shares the transaction of what is new."""
        now = self._now()
        try:
            refuse_in_line(str(payload.get("line", "")), str(payload.get("lead", "")))
        except Refused as refusal:
            return Taken(f"{refusal.text} {refusal.why} {refusal.fix}")

        def accept(tx: Transaction) -> Accepted | Duplicate:
            found = tx.inbox.accept(key, source, payload, lane, now, response_url=response_url)
            if also is not None and isinstance(found, Accepted):
                also(tx)
            return found

        try:
            found = await self._store.write(accept, timeout=PATIENCE)
        except StoreBusy:
            return Taken(BUSY)
        except StoreFull:
            return Taken(FULL)
        except StoreError:
            log.exception("the inbox cannot be written")
            return Taken(BUSY)
        if isinstance(found, Duplicate):
            return Taken(duplicate=True, seq=found.seq)
        assert isinstance(found, Accepted)
        INBOX_WAITING.inc()
        self.accepted += 1
        self._wake()
        return Taken(seq=found.seq)


def lane_of(line: str, lead: str, cluster: str) -> str:
    """Commands on one object keep their order; those that do not parse need none."""
    try:
        command = glance(line, lead=lead)
    except UserError:
        return ""
    if not command.name or command.help:
        return ""
    return f"{command.cluster or cluster}/{command.noun}/{command.name}"
