"""Periodic tasks: forget response URLs, prune old rows, sign audit checkpoints, record the number of refused requests."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bot.configuration.settings import Settings
from bot.metrics import INBOX_WAITING, NOTICES_PENDING
from bot.refused_attempts import RefusedAttempts
from bot.supervise import Loops
from commands.restore import schedule_hold
from domain.event import Event
from operations.approval import timers
from operations.execution_records import OBJECT_CLEANUP
from store.audit_chain import checkpoint
from store.retention import PRUNED_TABLES, SLICE_ROWS, RetentionPolicy, prune_slice
from store.tables.audit import AuditEntry
from store.tables.notices import NoticeState
from store.transaction import Transaction
from store.writer import Store

DEADLINE_KINDS = timers.DEADLINE_KINDS | {OBJECT_CLEANUP, schedule_hold.RENEW_KIND}
"""Kinds of deadlines that a loop handles."""

PRUNE_PAUSE_S = 0.1
"""Between two rounds of slices while there are more old rows: they can't arrive faster than they are deleted."""

log = logging.getLogger(__name__)


class Housekeeping:
    def __init__(
        self,
        store: Store,
        key: checkpoint.Key,
        settings: Callable[[], Settings],
        refused: Counter[str],
        now: Callable[[], datetime],
        attempts: RefusedAttempts | None = None,
    ) -> None:
        self._store = store
        self._key = key
        self._settings = settings
        self._refused = refused
        self._now = now
        self._attempts = attempts or RefusedAttempts()

    def start(self, loops: Loops) -> None:
        loops.start("minute", self.run_minute_tasks)
        loops.start("hour", self.run_hourly_tasks)
        loops.start("check database", self.check_database)
        loops.start("sign", self.sign_audit_head)

    async def run_minute_tasks(self) -> float:
        now = self._now()
        refused = dict(self._refused)
        self._refused.clear()
        attempts = tuple(self._attempts.drain(now))
        await self._store.write(lambda tx: self._run_minute_writes(tx, refused, attempts, now))
        waiting, counts = await self._store.read(lambda tx: (tx.inbox.count(), tx.notices.counts()))
        INBOX_WAITING.set(waiting)
        NOTICES_PENDING.set(counts.get(NoticeState.PENDING, 0))
        return 60.0

    def _run_minute_writes(
        self, tx: Transaction, refused: dict[str, int], attempts: Sequence[AuditEntry], now: datetime
    ) -> None:
        for entry in attempts:
            tx.audit.append(entry)
        tx.inbox.forget_response_urls(now)
        tx.failed_items.forget_settled()
        if refused:
            tx.audit.append(AuditEntry(now, "door", "requests.refused", "refused", detail=refused))
        for deadline in tx.deadlines.without_kind(now, DEADLINE_KINDS):
            log.warning(
                "a deadline of an unknown kind is ignored: %s", deadline.kind, extra={"facts": {"id": deadline.id}}
            )
            tx.audit.append(AuditEntry(now, "timer", "deadline.unknown", "ignored", subject=deadline.id))
            tx.deadlines.mark_reported(deadline, now)

    async def check_database(self) -> float:
        """Look for damage once a day. After a clean stop the start didn't wait for it."""
        await self._store.check_for_damage()
        return 86_400.0

    async def run_hourly_tasks(self) -> float:
        """Delete a slice of old rows of each table. Return soon while there are more."""
        now, store = self._now(), self._settings().store
        policy = RetentionPolicy(
            inbox=timedelta(seconds=store.keep_inbox),
            operations=timedelta(seconds=store.keep_operations),
            notices=timedelta(seconds=store.keep_notices),
            inbox_rows=store.keep_inbox_rows,
        )
        full = [table for table in PRUNED_TABLES if await self._prune_slice(table, now, policy) == SLICE_ROWS]
        return PRUNE_PAUSE_S if full else 3600.0

    async def _prune_slice(self, table: str, now: datetime, policy: RetentionPolicy) -> int:
        """Delete each slice in its own transaction: other writes wait for at most one slice."""
        return await self._store.write(lambda tx: prune_slice(tx, table, now, policy))

    async def sign_audit_head(self) -> float:
        """Create a signed checkpoint, and the event that publishes it if a channel is set."""
        now, audit = self._now(), self._settings().audit
        await self._store.write(lambda tx: self._sign(tx, now, audit.channel))
        return audit.anchor_every

    def _sign(self, tx: Transaction, now: datetime, channel: str) -> None:
        signed = checkpoint.head(tx, now, self._key)
        if signed is None:
            return
        log.info("audit checkpoint signed", extra={"facts": {"seq": signed.seq, "note": signed.note}})
        if channel:
            tx.outbox.add(_checkpoint_event(signed.note, signed.seq, channel, now))


def _checkpoint_event(note: str, seq: int, channel: str, now: datetime) -> Event:
    return Event(
        kind="audit.anchored",
        cluster="",
        cluster_uid="",
        object_kind="Audit",
        object_uid="audit",
        object_name=f"checkpoint {seq}",
        transition=str(seq),
        at=now,
        facts={"headline": f"Audit log checkpoint {seq}", "message": note, "channel": channel},
    )
