"""The door to the inbox: what is acknowledged was committed before; what was not committed is told as not done.

One person may send so many commands a minute and have so many waiting; the inbox as a whole is bounded too. What is
over a limit is answered and leaves no row.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.configuration.settings import Limits
from bot.metrics import INBOX_WAITING
from commands.grammar.parser import parse_quickly
from commands.grammar.verb import Effect
from commands.registry import VERBS
from commands.secret_lines import refuse_secrets_in_line
from domain.counting import counted
from domain.errors import Refused, StoreBusy, StoreError, StoreFull, UserError
from store.tables.inbox import Accepted, Duplicate
from store.transaction import Transaction
from store.writer import Store

log = logging.getLogger(__name__)

INTAKE_TIMEOUT_S = 2.0
"""Seconds: Slack shows an error after three."""
MINUTE = timedelta(minutes=1)
MANY_PEOPLE = 1000

BUSY = "Too busy right now. Nothing was done; try again in a moment."
FULL = "The bot's disk is full. Nothing was done. Contact the team that runs the bot."
TOO_MANY_WAIT = "Too many commands are waiting: this one was not taken. Please try again in a minute."

WRITES = frozenset(verb.key for verb in VERBS if verb.effect is Effect.WRITE)


@dataclass(frozen=True, slots=True)
class IntakeResult:
    """`text` is what the person is told in the acknowledgement; empty when the answer follows."""

    text: str = ""
    duplicate: bool = False
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Queueing:
    """`person` takes turns with the others; empty: nobody's limits count. `rated`: so many a minute are taken."""

    lane: str = ""
    person: str = ""
    writes: bool = False
    rated: bool = True


class Rates:
    """What each person sent within the last minute."""

    def __init__(self) -> None:
        self._sent: dict[str, deque[datetime]] = {}

    def wait(self, person: str, most: int, now: datetime) -> timedelta:
        """Until one more may be sent; nothing: now."""
        sent = self._sent.get(person, deque())
        while sent and now - sent[0] >= MINUTE:
            sent.popleft()
        return MINUTE - (now - sent[-most]) if len(sent) >= most else timedelta()

    def add(self, person: str, now: datetime) -> None:
        if len(self._sent) >= MANY_PEOPLE:
            self._sent = {name: sent for name, sent in self._sent.items() if now - sent[-1] < MINUTE}
        self._sent.setdefault(person, deque()).append(now)

    def take_back(self, person: str) -> None:
        if sent := self._sent.get(person):
            sent.pop()
            if not sent:
                del self._sent[person]


class Intake:
    """`refused` counts by reason what was not taken: one audit row a minute is made of all of them."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], datetime],
        wake: Callable[[], None],
        limits: Callable[[], Limits] = Limits,
        refused: Callable[[str], None] = lambda _why: None,
    ) -> None:
        self._store = store
        self._now = now
        self._wake = wake
        self._limits = limits
        self._refused = refused
        self._rates = Rates()
        self._room = 0
        self.accepted = 0

    async def accept(
        self,
        key: str,
        source: str,
        payload: Mapping[str, Any],
        *,
        queueing: Queueing | None = None,
        response_url: str = "",
        also: Callable[[Transaction], None] | None = None,
    ) -> IntakeResult:
        """`also` shares the transaction of what is new."""
        now, queueing, limits = self._now(), queueing or Queueing(), self._limits()
        rated = bool(queueing.person) and queueing.rated
        try:
            refuse_secrets_in_line(str(payload.get("line", "")), str(payload.get("lead", "")))
        except Refused as refusal:
            return IntakeResult(f"{refusal.text} {refusal.why} {refusal.fix}")
        try:
            if not await self._has_room(limits):
                return await self._over(key, "inbox-full", TOO_MANY_WAIT)
            if rated and (wait := self._rates.wait(queueing.person, limits.commands_per_minute, now)):
                return await self._over(key, "person-rate", too_fast(limits.commands_per_minute, wait))
            if rated:
                self._rates.add(queueing.person, now)

            def accept(tx: Transaction) -> Accepted | Duplicate | None:
                return _accepted(tx, (key, source, payload), queueing, limits, now, response_url, also)

            found = await self._store.write(accept, timeout=INTAKE_TIMEOUT_S)
        except StoreBusy:
            return IntakeResult(BUSY)
        except StoreFull:
            return IntakeResult(FULL)
        except StoreError:
            log.exception("the inbox cannot be written")
            return IntakeResult(BUSY)
        if not isinstance(found, Accepted) and rated:
            self._rates.take_back(queueing.person)
        return self._told(found, limits)

    def _told(self, found: Accepted | Duplicate | None, limits: Limits) -> IntakeResult:
        if found is None:
            self._refused("person-waiting")
            return IntakeResult(waits_already(limits.waiting_per_person))
        if isinstance(found, Duplicate):
            return IntakeResult(duplicate=True, seq=found.seq)
        INBOX_WAITING.inc()
        self.accepted += 1
        self._room -= 1
        self._wake()
        return IntakeResult(seq=found.seq)

    async def _has_room(self, limits: Limits) -> bool:
        """Counted again only after as many were taken as there was room for."""
        if self._room <= 0:
            self._room = limits.waiting_total - await self._store.read(lambda tx: tx.inbox.count())
        return self._room > 0

    async def _over(self, key: str, why: str, text: str) -> IntakeResult:
        """What was taken before is not refused when it is sent again."""
        if (seq := await self._store.read(lambda tx: tx.inbox.seq_of(key))) is not None:
            return IntakeResult(duplicate=True, seq=seq)
        self._refused(why)
        return IntakeResult(text)


def _accepted(
    tx: Transaction,
    asked: tuple[str, str, Mapping[str, Any]],
    queueing: Queueing,
    limits: Limits,
    now: datetime,
    response_url: str,
    also: Callable[[Transaction], None] | None,
) -> Accepted | Duplicate | None:
    """None where the person has as many waiting as may wait."""
    key, source, payload = asked
    person = queueing.person
    if person and tx.inbox.seq_of(key) is None and tx.inbox.count_of(person) >= limits.waiting_per_person:
        return None
    found = tx.inbox.accept(
        key, source, payload, queueing.lane, now, response_url=response_url, person=person, writes=queueing.writes
    )
    if also is not None and isinstance(found, Accepted):
        also(tx)
    return found


def too_fast(most: int, wait: timedelta) -> str:
    seconds = counted(max(1, math.ceil(wait.total_seconds())), "second")
    return f"You sent {counted(most, 'command')} in a minute; this one was not taken. Please try again in {seconds}."


def waits_already(most: int) -> str:
    return f"You have {counted(most, 'command')} waiting; this one was not taken. Please try again when they are done."


def queueing_of(line: str, lead: str, cluster: str, person: str) -> Queueing:
    """Commands on one object keep their order; those that do not parse need none."""
    try:
        command = parse_quickly(line, lead=lead)
    except UserError:
        return Queueing(person=person)
    if command.help:
        return Queueing(person=person)
    lane = f"{command.cluster or cluster}/{command.noun}/{command.name}" if command.name else ""
    return Queueing(lane, person, command.key in WRITES)
