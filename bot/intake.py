"""Accepts requests into the inbox. A request is acknowledged after its commit; if it can't be committed, the person is told.

Limits: commands per minute and waiting commands per person, waiting commands in total. A request over a limit is
answered and leaves no row. A replay of an accepted request is never refused.
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
MAX_TRACKED_PEOPLE = 1000

BUSY_TEXT = "Too busy right now. Nothing was done; try again in a moment."
DISK_FULL_TEXT = "The bot's disk is full. Nothing was done. Contact the team that runs the bot."
INBOX_FULL_TEXT = "Too many commands are waiting. This one was not accepted; try again in a minute."

WRITE_VERBS = frozenset(verb.key for verb in VERBS if verb.effect is Effect.WRITE)


@dataclass(frozen=True, slots=True)
class IntakeResult:
    """`text` is shown in the acknowledgement; empty if the request was accepted."""

    text: str = ""
    duplicate: bool = False
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Queueing:
    """`lane` orders requests on one object. `person` is whose limits count, empty for none; `rated` if the rate limit counts."""

    lane: str = ""
    person: str = ""
    writes: bool = False
    rated: bool = True


class RequestRates:
    """Times of the requests of each person within the last minute."""

    def __init__(self) -> None:
        self._sent: dict[str, deque[datetime]] = {}

    def wait(self, person: str, most: int, now: datetime) -> timedelta:
        """Return how long until one more request is allowed; zero: now."""
        sent = self._sent.get(person, deque())
        while sent and now - sent[0] >= MINUTE:
            sent.popleft()
        return MINUTE - (now - sent[-most]) if len(sent) >= most else timedelta()

    def add(self, person: str, now: datetime) -> None:
        if len(self._sent) >= MAX_TRACKED_PEOPLE:
            self._sent = {name: sent for name, sent in self._sent.items() if now - sent[-1] < MINUTE}
        self._sent.setdefault(person, deque()).append(now)

    def remove_last(self, person: str) -> None:
        if sent := self._sent.get(person):
            sent.pop()
            if not sent:
                del self._sent[person]


class Intake:
    """`refused` is called with the reason of each refusal."""

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
        self._rates = RequestRates()
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
        """`also` runs in the transaction that adds a new request."""
        now, queueing, limits = self._now(), queueing or Queueing(), self._limits()
        rated = bool(queueing.person) and queueing.rated
        try:
            refuse_secrets_in_line(str(payload.get("line", "")), str(payload.get("lead", "")))
        except Refused as refusal:
            return IntakeResult(f"{refusal.text} {refusal.why} {refusal.fix}")
        try:
            if not await self._has_room(limits):
                return await self._refuse_unless_duplicate(key, "inbox-full", INBOX_FULL_TEXT)
            if rated and (wait := self._rates.wait(queueing.person, limits.commands_per_minute, now)):
                return await self._refuse_unless_duplicate(
                    key, "person-rate", rate_limit_text(limits.commands_per_minute, wait)
                )
            if rated:
                self._rates.add(queueing.person, now)

            def accept(tx: Transaction) -> Accepted | Duplicate | None:
                return _insert(tx, (key, source, payload), queueing, limits, now, response_url, also)

            found = await self._store.write(accept, timeout=INTAKE_TIMEOUT_S)
        except StoreBusy:
            return IntakeResult(BUSY_TEXT)
        except StoreFull:
            return IntakeResult(DISK_FULL_TEXT)
        except StoreError:
            log.exception("the inbox can't be written")
            return IntakeResult(BUSY_TEXT)
        if not isinstance(found, Accepted) and rated:
            self._rates.remove_last(queueing.person)
        return self._result_of(found, limits)

    def _result_of(self, found: Accepted | Duplicate | None, limits: Limits) -> IntakeResult:
        if found is None:
            self._refused("person-waiting")
            return IntakeResult(waiting_limit_text(limits.waiting_per_person))
        if isinstance(found, Duplicate):
            return IntakeResult(duplicate=True, seq=found.seq)
        INBOX_WAITING.inc()
        self.accepted += 1
        self._room -= 1
        self._wake()
        return IntakeResult(seq=found.seq)

    async def _has_room(self, limits: Limits) -> bool:
        """Count the inbox again only after the room found by the last count is used up."""
        if self._room <= 0:
            self._room = limits.waiting_total - await self._store.read(lambda tx: tx.inbox.count())
        return self._room > 0

    async def _refuse_unless_duplicate(self, key: str, why: str, text: str) -> IntakeResult:
        """A replay of an accepted request is a duplicate, not a refusal."""
        if (seq := await self._store.read(lambda tx: tx.inbox.seq_of(key))) is not None:
            return IntakeResult(duplicate=True, seq=seq)
        self._refused(why)
        return IntakeResult(text)


def _insert(
    tx: Transaction,
    request: tuple[str, str, Mapping[str, Any]],
    queueing: Queueing,
    limits: Limits,
    now: datetime,
    response_url: str,
    also: Callable[[Transaction], None] | None,
) -> Accepted | Duplicate | None:
    """Return None if the person has reached the limit of waiting requests."""
    key, source, payload = request
    person = queueing.person
    if person and tx.inbox.seq_of(key) is None and tx.inbox.count_of(person) >= limits.waiting_per_person:
        return None
    found = tx.inbox.accept(
        key, source, payload, queueing.lane, now, response_url=response_url, person=person, writes=queueing.writes
    )
    if also is not None and isinstance(found, Accepted):
        also(tx)
    return found


def rate_limit_text(most: int, wait: timedelta) -> str:
    seconds = counted(max(1, math.ceil(wait.total_seconds())), "second")
    return f"You sent {counted(most, 'command')} within a minute. This one was not accepted; try again in {seconds}."


def waiting_limit_text(most: int) -> str:
    return f"You have {counted(most, 'command')} waiting. This one was not accepted; try again when they are done."


def queueing_of(line: str, lead: str, cluster: str, person: str) -> Queueing:
    """Put commands on one object into one lane; a line that doesn't parse needs no order."""
    try:
        command = parse_quickly(line, lead=lead)
    except UserError:
        return Queueing(person=person)
    if command.help:
        return Queueing(person=person)
    lane = f"{command.cluster or cluster}/{command.noun}/{command.name}" if command.name else ""
    return Queueing(lane, person, command.key in WRITE_VERBS)
