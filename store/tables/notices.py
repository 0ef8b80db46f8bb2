"""Notifications on their way to receivers: at most one attempt per lane at a time, each recorded before it is sent.

pending → sending → sent | dead | unknown | pending;  pending → suppressed;  unknown → sent | pending;  dead → pending.
`unknown` means that the receiver may show it: only reading it back decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from domain.errors import ConcurrentChange
from store.encode import from_json, to_json
from store.scrub import scrub
from store.sqlite import Connection
from store.times import from_micros, maybe_micros, maybe_moment, to_micros

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
RECEIVER_INDEX = ("CREATE INDEX notice_to_receiver ON notice (kind, address, seq) WHERE state = 'pending'",)
SWEEP_TRIES_MIGRATION = ("ALTER TABLE notice ADD COLUMN sweep_tries INTEGER NOT NULL DEFAULT 0",)


class NoticeState(StrEnum):
    PENDING = "pending"
    SENDING = "sending"
    UNKNOWN = "unknown"
    SENT = "sent"
    DEAD = "dead"
    SUPPRESSED = "suppressed"


@dataclass(frozen=True, slots=True)
class Notice:
    """`receipt` is the receiver's answer (a message's ts); `ambiguous`: an attempt may have arrived without an answer.

    `sweeps` counts completed sweeps; `sweep_tries` counts those that failed since.
    """

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
    sweep_tries: int = 0


_COLUMNS = (
    "id, event, kind, address, lane, body, priority, state, created_at, next_at, attempts, ambiguous, epoch,"
    " first_at, last_at, reads, read_at, sweep_at, sweeps, receipt, error, sweep_tries"
)
_SELECT = f"SELECT {_COLUMNS} FROM notice"  # noqa: S608 - constants

# Notices without a lane have no order.
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

# A reply goes to the channel of its operation's status message.
_PLACE = """CASE WHEN address LIKE 'op:%' THEN ifnull((SELECT channel FROM message
    WHERE subject = substr(mine.address, 4) AND role = 'card' AND gone = 0 ORDER BY posted_at, ts LIMIT 1), address)
    ELSE address END"""

# At the head of its lane.
_FREE = """state = 'pending' AND (:kind = '' OR kind = :kind) AND (lane = '' OR NOT EXISTS (
    SELECT 1 FROM notice AS earlier WHERE earlier.lane = mine.lane AND earlier.seq < mine.seq
        AND earlier.state IN ('pending', 'sending', 'unknown')))"""


_READY = f"""SELECT {_COLUMNS}, {_PLACE} AS place FROM notice AS mine
WHERE {_FREE} AND next_at <= :now AND priority BETWEEN :first AND :last
    AND {_PLACE} NOT IN (SELECT value FROM json_each(:closed))
    AND id NOT IN (SELECT value FROM json_each(:taken))
ORDER BY priority, seq LIMIT :limit"""  # noqa: S608 - constants

_BEGIN = f"""UPDATE notice AS mine SET state = 'sending', attempts = attempts + 1, epoch = :epoch,
    first_at = ifnull(first_at, :now), last_at = :now
WHERE id = :id AND attempts = :attempts AND {_FREE} RETURNING {_COLUMNS}"""  # noqa: S608 - constants


class Notices:
    """Changes are compare-and-set on state, attempt and epoch: pass the notice as it was claimed or listed."""

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
        """Add a notice; return whether it is new. Lower `priority` goes first. `unknown`: read the receiver's history before sending."""
        values = (
            id,
            event,
            kind,
            address,
            lane,
            to_json(body),
            priority,
            state,
            to_micros(now),
            to_micros(not_before or now),
            to_micros(now) if state is NoticeState.UNKNOWN else None,
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
        """Claim due notices for sending, by priority; none behind an unfinished one of its lane. This is the write-ahead record."""
        values = {"now": to_micros(now), "epoch": self._epoch, "limit": limit, "kind": kind, "address": address}
        rows = self._connection.execute(_CLAIM, values).fetchall()
        return tuple(_notice(row[1:]) for row in sorted(rows, key=lambda row: (row[7], row[0])))

    def ready(
        self,
        now: datetime,
        kind: str,
        priorities: tuple[int, int],
        limit: int,
        *,
        closed: Iterable[str] = (),
        taken: Iterable[str] = (),
    ) -> tuple[tuple[Notice, str], ...]:
        """Return due notices at the head of their lanes, with their channel, without claiming them.

        `priorities` are the first and the last of a band. Left out: `closed` channels, and notices `taken` in hand.
        """
        first, last = priorities
        values = {
            "now": to_micros(now),
            "kind": kind,
            "first": first,
            "last": last,
            "limit": limit,
            "closed": to_json(sorted(closed)),
            "taken": to_json(sorted(taken)),
        }
        rows = self._connection.execute(_READY, values).fetchall()
        return tuple((_notice(row[:-1]), str(row[-1])) for row in rows)

    def begin(self, notice: Notice, now: datetime) -> Notice:
        """Claim one ready notice for sending. Raises ConcurrentChange if it is no longer ready."""
        values = {"id": notice.id, "attempts": notice.attempts, "kind": notice.kind}
        row = self._connection.execute(_BEGIN, values | {"epoch": self._epoch, "now": to_micros(now)}).fetchone()
        if row is None:
            raise ConcurrentChange(f"Notification {notice.id} is no longer ready.")
        return _notice(row)

    def mark_sent(self, notice: Notice, receipt: str, *, sweep_at: datetime | None = None) -> None:
        """The receiver or its history confirmed the notice. `sweep_at`: when to look for a duplicate."""
        self._mark(
            notice,
            ("sending", "unknown"),
            "state = 'sent', error = '', receipt = ?, sweep_at = ?",
            receipt,
            maybe_micros(sweep_at),
        )

    def postpone(self, notice: Notice, at: datetime, error: str) -> None:
        """The notice certainly wasn't delivered: send it again at `at`."""
        self._mark(
            notice, ("pending", "sending"), "state = 'pending', next_at = ?, error = ?", to_micros(at), scrub(error)
        )

    def mark_unknown(self, notice: Notice, error: str) -> None:
        """It isn't known whether the notice arrived."""
        self._mark(
            notice,
            ("sending",),
            "state = 'unknown', ambiguous = 1, reads = 0, read_at = NULL, error = ?",
            scrub(error),
        )

    def mark_dead(self, notice: Notice, error: str) -> None:
        """The receiver will never accept it."""
        self._mark(notice, ("pending", "sending", "unknown"), "state = 'dead', error = ?", scrub(error))

    def suppress(self, notice: Notice, reason: str) -> None:
        """Don't send it: a digest covers it, or it is outdated."""
        self._mark(notice, ("pending", "unknown"), "state = 'suppressed', error = ?", scrub(reason))

    def record_absence(self, notice: Notice, now: datetime) -> int:
        """Record that a complete read of the history didn't show it. Return the number of such reads."""
        self._mark(notice, ("unknown",), "reads = reads + 1, read_at = ?", to_micros(now))
        return notice.reads + 1

    def resend(self, notice: Notice, now: datetime) -> None:
        """Unknown → pending: enough reads found nothing, or a duplicate is better than a loss."""
        self._mark(notice, ("unknown",), "state = 'pending', next_at = ?", to_micros(now))

    def retry(self, id: str, now: datetime) -> None:  # noqa: A002
        """Dead → pending, on an operator's request."""
        changed = self._connection.execute(
            "UPDATE notice SET state = 'pending', next_at = ? WHERE id = ? AND state = 'dead'", (to_micros(now), id)
        ).rowcount
        if changed == 0:
            raise ConcurrentChange(f"Notification {id} isn't among the failed ones.")

    def recover(self) -> int:
        """At the start: what an older epoch was sending is unknown. Return the number."""
        return self._connection.execute(
            "UPDATE notice SET state = 'unknown', ambiguous = 1, reads = 0, read_at = NULL"
            " WHERE state = 'sending' AND epoch < ?",
            (self._epoch,),
        ).rowcount

    def to_reconcile(
        self, now: datetime, quarantine: timedelta, read_gap: timedelta, limit: int = 50, *, kind: str = ""
    ) -> tuple[Notice, ...]:
        """Return notices that are unknown for at least `quarantine` and weren't read within `read_gap`."""
        return self._select(
            "WHERE state = 'unknown' AND last_at <= ?1 AND (read_at IS NULL OR read_at <= ?2)"
            " AND (?4 = '' OR kind = ?4) ORDER BY seq LIMIT ?3",
            to_micros(now - quarantine),
            to_micros(now - read_gap),
            limit,
            kind,
        )

    def to_sweep(self, now: datetime, limit: int = 50) -> tuple[Notice, ...]:
        return self._select("WHERE sweep_at <= ? ORDER BY sweep_at LIMIT ?", to_micros(now), limit)

    def record_sweep(self, notice: Notice, receipt: str, *, next_at: datetime | None = None) -> None:
        """Record a sweep. `receipt` is the copy that stays; `next_at` is the next sweep."""
        self._mark(
            notice,
            ("sent",),
            "sweeps = sweeps + 1, sweep_tries = 0, receipt = ?, sweep_at = ?",
            receipt,
            maybe_micros(next_at),
        )

    def postpone_sweep(self, notice: Notice, next_at: datetime) -> None:
        """Repeat the sweep at `next_at`."""
        self._mark(notice, ("sent",), "sweep_tries = sweep_tries + 1, sweep_at = ?", to_micros(next_at))

    def get(self, id: str) -> Notice | None:  # noqa: A002
        return next(iter(self._select("WHERE id = ?", id)), None)

    def of_event(self, event: str) -> tuple[Notice, ...]:
        return self._select("WHERE event = ? ORDER BY seq", event)

    def dead_letters(self, limit: int = 50) -> tuple[Notice, ...]:
        return self._select("WHERE state = 'dead' ORDER BY seq DESC LIMIT ?", limit)

    def waiting(self, kind: str, address: str) -> tuple[Notice, ...]:
        """Return the pending notices of one receiver, in order."""
        return self._select("WHERE state = 'pending' AND kind = ? AND address = ? ORDER BY seq", kind, address)

    def next_due(self, *, kind: str = "", after: datetime | None = None) -> datetime | None:
        """Return when the next notice is due that may be sent, at or after `after`."""
        row = self._connection.execute(
            f"SELECT min(next_at) FROM notice AS mine WHERE {_FREE} AND next_at > :after",  # noqa: S608 - a constant
            {"kind": kind, "after": to_micros(after) if after else -1},
        ).fetchone()
        return maybe_moment(row[0])

    def due(self, now: datetime, kind: str) -> tuple[str, ...]:
        """Return the addresses with notices that may be sent now."""
        rows = self._connection.execute(
            f"SELECT DISTINCT address FROM notice AS mine WHERE {_FREE} AND next_at <= :now",  # noqa: S608 - a constant
            {"kind": kind, "now": to_micros(now)},
        ).fetchall()
        return tuple(sorted(row[0] for row in rows))

    def counts(self) -> Mapping[NoticeState, int]:
        """Return the number of unfinished notices by state, for the metrics."""
        unsettled = (NoticeState.PENDING, NoticeState.SENDING, NoticeState.UNKNOWN, NoticeState.DEAD)
        # The state is a literal: only then does SQLite use its partial index.
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
            raise ConcurrentChange(f"Notification {notice.id} was changed in the meantime.")


def _notice(row: tuple[Any, ...]) -> Notice:
    id_, event, kind, address, lane, body, priority, state, created_at, next_at, attempts, ambiguous, *tail = row
    epoch, first_at, last_at, reads, read_at, sweep_at, sweeps, receipt, error, sweep_tries = tail
    return Notice(
        id=id_,
        event=event,
        kind=kind,
        address=address,
        lane=lane,
        body=from_json(body),
        priority=priority,
        state=NoticeState(state),
        created_at=from_micros(created_at),
        next_at=from_micros(next_at),
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
        sweep_tries=sweep_tries,
    )
