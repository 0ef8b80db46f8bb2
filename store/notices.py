"""Events on their way to a receiver: at most one attempt in flight per lane, and nothing leaves before it is written.

pending → sending → sent | dead | unknown | pending;  unknown → sent | pending;  dead → pending.
`unknown` means that the receiver may show it: only reading it back decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from domain.errors import Lost
from store.encode import from_json, to_json
from store.scrub import scrub
from store.sqlite import Connection
from store.times import maybe_micros, maybe_moment, micros, moment

SCHEMA = (
    """CREATE TABLE notice (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        event TEXT NOT NULL,
        kind TEXT NOT NULL,
        address TEXT NOT NULL,
        lane TEXT NOT NULL,
        body TEXT NOT NULL CHECK (json_valid(body)),
        priority INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('pending', 'sending', 'unknown', 'sent', 'dead', 'suppressed')),
        created_at INTEGER NOT NULL,
        next_at INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        ambiguous INTEGER NOT NULL DEFAULT 0 CHECK (ambiguous IN (0, 1)),
        epoch INTEGER NOT NULL DEFAULT 0,
        first_at INTEGER,
        last_at INTEGER,
        reads INTEGER NOT NULL DEFAULT 0,
        read_at INTEGER,
        sweep_at INTEGER,
        sweeps INTEGER NOT NULL DEFAULT 0,
        receipt TEXT NOT NULL DEFAULT '',
        error TEXT NOT NULL DEFAULT '',
        CHECK (state NOT IN ('sending', 'unknown') OR last_at IS NOT NULL)
    ) STRICT""",
    "CREATE INDEX notice_lane ON notice (lane, seq) WHERE state IN ('pending', 'sending', 'unknown')",
    "CREATE INDEX notice_pending ON notice (priority, seq) WHERE state = 'pending'",
    "CREATE INDEX notice_sending ON notice (epoch) WHERE state = 'sending'",
    "CREATE INDEX notice_unknown ON notice (seq) WHERE state = 'unknown'",
    "CREATE INDEX notice_dead ON notice (seq) WHERE state = 'dead'",
    "CREATE INDEX notice_sweep ON notice (sweep_at) WHERE sweep_at IS NOT NULL",
    "CREATE INDEX notice_by_event ON notice (event)",
    "CREATE INDEX notice_by_age ON notice (created_at)",
)


class NoticeState(StrEnum):
    PENDING = "pending"
    SENDING = "sending"
    UNKNOWN = "unknown"
    SENT = "sent"
    DEAD = "dead"
    SUPPRESSED = "suppressed"


@dataclass(frozen=True, slots=True)
class Notice:
    """`receipt` is what the receiver gave back (a message's ts); `ambiguous`: some attempt may have arrived unseen."""

    id: str
    event: str
    kind: str
    address: str
    lane: str
    body: Mapping[str, Any]
    priority: int
    state: NoticeState
    created_at: datetime
    next_at: datetime
    attempts: int
    ambiguous: bool
    epoch: int
    first_at: datetime | None
    last_at: datetime | None
    reads: int
    read_at: datetime | None
    sweep_at: datetime | None
    sweeps: int
    receipt: str
    error: str


_COLUMNS = (
    "id, event, kind, address, lane, body, priority, state, created_at, next_at, attempts, ambiguous, epoch,"
    " first_at, last_at, reads, read_at, sweep_at, sweeps, receipt, error"
)
_SELECT = f"SELECT {_COLUMNS} FROM notice"  # noqa: S608 - constants

# An empty lane keeps no order.
_CLAIM = f"""
UPDATE notice SET state = 'sending', attempts = attempts + 1, epoch = :epoch,
    first_at = ifnull(first_at, :now), last_at = :now
WHERE seq IN (
    SELECT seq FROM notice AS mine
    WHERE state = 'pending' AND next_at <= :now AND (:kind = '' OR kind = :kind)
        AND (:address = '' OR address = :address) AND (lane = '' OR NOT EXISTS (
        SELECT 1 FROM notice AS earlier WHERE earlier.lane = mine.lane AND earlier.seq < mine.seq
            AND earlier.state IN ('pending', 'sending', 'unknown')))
    ORDER BY priority, seq LIMIT :limit)
RETURNING seq, {_COLUMNS}"""  # noqa: S608 - constants

# At the head of its lane.
_FREE = """state = 'pending' AND (:kind = '' OR kind = :kind) AND (lane = '' OR NOT EXISTS (
    SELECT 1 FROM notice AS earlier WHERE earlier.lane = mine.lane AND earlier.seq < mine.seq
        AND earlier.state IN ('pending', 'sending', 'unknown')))"""


class Notices:
    """Marks are compare-and-set on state, attempt and epoch: they take the notice as it was claimed or listed."""

    def __init__(self, connection: Connection, epoch: int) -> None:
        self._connection = connection
        self._epoch = epoch

    def add(
        self,
        id: str,  # noqa: A002 - the word of the table
        event: str,
        kind: str,
        address: str,
        lane: str,
        body: Mapping[str, Any],
        now: datetime,
        *,
        priority: int = 100,
        not_before: datetime | None = None,
        state: NoticeState = NoticeState.PENDING,
    ) -> bool:
        """Whether it is new. Lower `priority` goes first. `unknown` asks the receiver's history before anything is sent."""
        values = (
            id,
            event,
            kind,
            address,
            lane,
            to_json(body),
            priority,
            state,
            micros(now),
            micros(not_before or now),
            micros(now) if state is NoticeState.UNKNOWN else None,
            state is NoticeState.UNKNOWN,
        )
        return (
            self._connection.execute(
                "INSERT INTO notice (id, event, kind, address, lane, body, priority, state, created_at, next_at,"
                " last_at, ambiguous) VALUES (?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING",
                values,
            ).rowcount
            == 1
        )

    def claim(self, now: datetime, limit: int = 10, *, kind: str = "", address: str = "") -> tuple[Notice, ...]:
        """The write-ahead intent: due rows become `sending`, by priority, none behind an unfinished one of its lane."""
        values = {"now": micros(now), "epoch": self._epoch, "limit": limit, "kind": kind, "address": address}
        rows = self._connection.execute(_CLAIM, values).fetchall()
        return tuple(_notice(row[1:]) for row in sorted(rows, key=lambda row: (row[7], row[0])))

    def sent(self, notice: Notice, receipt: str, *, sweep_at: datetime | None = None) -> None:
        """Proof in hand: the receiver said so, or its history shows it. `sweep_at`: look again for a second copy."""
        self._mark(
            notice,
            ("sending", "unknown"),
            "state = 'sent', error = '', receipt = ?, sweep_at = ?",
            receipt,
            maybe_micros(sweep_at),
        )

    def again(self, notice: Notice, at: datetime, error: str) -> None:
        """The receiver certainly did not take it: pending until `at`."""
        self._mark(notice, ("sending",), "state = 'pending', next_at = ?, error = ?", micros(at), scrub(error))

    def unknown(self, notice: Notice, error: str) -> None:
        """Nobody can say whether it arrived."""
        self._mark(
            notice,
            ("sending",),
            "state = 'unknown', ambiguous = 1, reads = 0, read_at = NULL, error = ?",
            scrub(error),
        )

    def dead(self, notice: Notice, error: str) -> None:
        """The receiver will never take it as it is."""
        self._mark(notice, ("pending", "sending", "unknown"), "state = 'dead', error = ?", scrub(error))

    def suppress(self, notice: Notice, reason: str) -> None:
        """Deliberately not said: a digest says it, or it is old news."""
        self._mark(notice, ("pending", "unknown"), "state = 'suppressed', error = ?", scrub(reason))

    def rewrite(self, notice: Notice, body: Mapping[str, Any]) -> None:
        """Other words, as long as nothing has left."""
        self._mark(notice, ("pending",), "body = ?", to_json(body))

    def absent(self, notice: Notice, now: datetime) -> int:
        """A complete read of the receiver's history did not show it. How many such reads there are now."""
        self._mark(notice, ("unknown",), "reads = reads + 1, read_at = ?", micros(now))
        return notice.reads + 1

    def resend(self, notice: Notice, now: datetime) -> None:
        """Unknown → pending: enough reads found nothing, or saying it twice is better than not at all."""
        self._mark(notice, ("unknown",), "state = 'pending', next_at = ?", micros(now))

    def retry(self, id: str, now: datetime) -> None:  # noqa: A002
        """Dead → pending, by an operator's hand."""
        changed = self._connection.execute(
            "UPDATE notice SET state = 'pending', next_at = ? WHERE id = ? AND state = 'dead'", (micros(now), id)
        ).rowcount
        if changed == 0:
            raise Lost(f"Notice {id} is not among the dead letters.")

    def recover(self) -> int:
        """At start: whatever an older epoch was sending may have arrived. How many there were."""
        return self._connection.execute(
            "UPDATE notice SET state = 'unknown', ambiguous = 1, reads = 0, read_at = NULL"
            " WHERE state = 'sending' AND epoch < ?",
            (self._epoch,),
        ).rowcount

    def to_reconcile(
        self, now: datetime, quarantine: timedelta, read_gap: timedelta, limit: int = 50, *, kind: str = ""
    ) -> tuple[Notice, ...]:
        """Unknown for at least `quarantine`, and not read within `read_gap`."""
        return self._select(
            "WHERE state = 'unknown' AND last_at <= ?1 AND (read_at IS NULL OR read_at <= ?2)"
            " AND (?4 = '' OR kind = ?4) ORDER BY seq LIMIT ?3",
            micros(now - quarantine),
            micros(now - read_gap),
            limit,
            kind,
        )

    def to_sweep(self, now: datetime, limit: int = 50) -> tuple[Notice, ...]:
        return self._select("WHERE sweep_at <= ? ORDER BY sweep_at LIMIT ?", micros(now), limit)

    def swept(self, notice: Notice, receipt: str, *, next_at: datetime | None = None) -> None:
        """`receipt` is the copy that stays; `next_at` when to look once more."""
        self._mark(notice, ("sent",), "sweeps = sweeps + 1, receipt = ?, sweep_at = ?", receipt, maybe_micros(next_at))

    def get(self, id: str) -> Notice | None:  # noqa: A002
        return next(iter(self._select("WHERE id = ?", id)), None)

    def of_event(self, event: str) -> tuple[Notice, ...]:
        return self._select("WHERE event = ? ORDER BY seq", event)

    def dead_letters(self, limit: int = 50) -> tuple[Notice, ...]:
        return self._select("WHERE state = 'dead' ORDER BY seq DESC LIMIT ?", limit)

    def waiting(self, kind: str, address: str) -> tuple[Notice, ...]:
        """Pending for one receiver, in order: too many of them are better told as one digest."""
        return self._select("WHERE state = 'pending' AND kind = ? AND address = ? ORDER BY seq", kind, address)

    def next_due(self, *, kind: str = "") -> datetime | None:
        """When the earliest row that may leave wants to: how long the sender may sleep."""
        row = self._connection.execute(
            f"SELECT min(next_at) FROM notice AS mine WHERE {_FREE}",  # noqa: S608 - a constant
            {"kind": kind},
        ).fetchone()
        return maybe_moment(row[0])

    def due(self, now: datetime, kind: str) -> tuple[str, ...]:
        """Addresses to which something may leave now, so that each receiver has a sender of its own."""
        rows = self._connection.execute(
            f"SELECT DISTINCT address FROM notice AS mine WHERE {_FREE} AND next_at <= :now",  # noqa: S608 - a constant
            {"kind": kind, "now": micros(now)},
        ).fetchall()
        return tuple(sorted(row[0] for row in rows))

    def counts(self) -> Mapping[NoticeState, int]:
        """Of those not settled, for the metrics."""
        unsettled = (NoticeState.PENDING, NoticeState.SENDING, NoticeState.UNKNOWN, NoticeState.DEAD)
        # The state is spelled out: only then is the partial index of that state used.
        return {
            state: self._connection.execute(f"SELECT count(*) FROM notice WHERE state = '{state}'").fetchone()[0]  # noqa: S608
            for state in unsettled
        }

    def _select(self, where: str, *values: object) -> tuple[Notice, ...]:
        return tuple(map(_notice, self._connection.execute(f"{_SELECT} {where}", values).fetchall()))

    def _mark(self, notice: Notice, states: tuple[str, ...], assignments: str, *values: object) -> None:
        allowed = ",".join("?" * len(states))
        changed = self._connection.execute(
            f"UPDATE notice SET {assignments} WHERE id = ? AND attempts = ? AND epoch = ? AND reads = ?"  # noqa: S608
            f" AND state = ? AND state IN ({allowed})",
            (*values, notice.id, notice.attempts, notice.epoch, notice.reads, notice.state, *states),
        ).rowcount
        if changed == 0:
            raise Lost(f"Notice {notice.id} is no longer {notice.state} at attempt {notice.attempts}.")


def _notice(row: tuple[Any, ...]) -> Notice:
    id_, event, kind, address, lane, body, priority, state, created_at, next_at, attempts, ambiguous, *tail = row
    epoch, first_at, last_at, reads, read_at, sweep_at, sweeps, receipt, error = tail
    return Notice(
        id=id_,
        event=event,
        kind=kind,
        address=address,
        lane=lane,
        body=from_json(body),
        priority=priority,
        state=NoticeState(state),
        created_at=moment(created_at),
        next_at=moment(next_at),
        attempts=attempts,
        ambiguous=bool(ambiguous),
        epoch=epoch,
        first_at=maybe_moment(first_at),
        last_at=maybe_moment(last_at),
        reads=reads,
        read_at=maybe_moment(read_at),
        sweep_at=maybe_moment(sweep_at),
        sweeps=sweeps,
        receipt=receipt,
        error=error,
    )
