"""Requests, stored before they are acknowledged. A lane is processed in order; lanes are processed in parallel.

People take turns (start-time fair queueing): a row's turn is at least one after that person's previous row, and at least
the turn that is being served. So a person's first request is next, however many rows of others wait.
`ready` follows the state of the lanes, so that a claim reads only the rows that it takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from domain.errors import ConcurrentChange
from store.encode import from_json, storable, to_json
from store.scrub import scrub, scrub_json
from store.sqlite import Connection
from store.times import from_micros, to_micros

EXECUTED_FIELDS = frozenset({"line", "value", "extra"})
"""Fields of a payload that are executed, so they aren't scrubbed: `[scrubbed]` would be written into the cluster.

Commands that contain secrets are refused before they get here (commands/secret_lines.py), and the payload of a finished
row is deleted.
"""
RESPONSE_URL_LIFETIME = timedelta(minutes=30)

SCHEMA = (
    """CREATE TABLE inbox (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL UNIQUE,
        source TEXT NOT NULL,
        lane TEXT NOT NULL,
        payload TEXT NOT NULL CHECK (json_valid(payload)),
        response_url TEXT NOT NULL DEFAULT '',
        received_at INTEGER NOT NULL,
        state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'claimed', 'done')),
        attempts INTEGER NOT NULL DEFAULT 0,
        epoch INTEGER NOT NULL DEFAULT 0,
        result TEXT NOT NULL DEFAULT '',
        done_at INTEGER
    ) STRICT""",
    "CREATE INDEX inbox_unfinished ON inbox (lane, seq) WHERE state != 'done'",
    "CREATE INDEX inbox_waiting ON inbox (seq) WHERE state = 'waiting'",
    "CREATE INDEX inbox_response_urls ON inbox (received_at) WHERE response_url != ''",
)

FAIRNESS_MIGRATION = (
    "ALTER TABLE inbox ADD COLUMN person TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE inbox ADD COLUMN writes INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE inbox ADD COLUMN turn INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE inbox ADD COLUMN ready INTEGER NOT NULL DEFAULT 0",
    """UPDATE inbox SET ready = 1 WHERE state != 'done' AND (lane = '' OR NOT EXISTS (
        SELECT 1 FROM inbox AS earlier
        WHERE earlier.lane = inbox.lane AND earlier.seq < inbox.seq AND earlier.state != 'done'))""",
    "DROP INDEX inbox_waiting",
    "CREATE INDEX inbox_fresh ON inbox (turn, writes, seq) WHERE state = 'waiting' AND ready = 1 AND attempts = 0",
    "CREATE INDEX inbox_suspect ON inbox (attempts DESC, seq) WHERE state = 'waiting' AND ready = 1 AND attempts > 0",
    "CREATE INDEX inbox_claimed ON inbox (turn) WHERE state = 'claimed'",
    "CREATE INDEX inbox_by_person ON inbox (person, writes, turn) WHERE state != 'done'",
    "CREATE INDEX inbox_lane_of_person ON inbox (lane, person) WHERE state != 'done'",
    "CREATE INDEX inbox_done ON inbox (done_at) WHERE state = 'done'",
)


@dataclass(frozen=True, slots=True)
class Accepted:
    seq: int


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The key exists already: a replay, or a second request from Slack."""

    seq: int


@dataclass(frozen=True, slots=True)
class Item:
    """`attempts` includes this claim: 2 or more after a crash during an earlier one."""

    seq: int
    key: str
    source: str
    lane: str
    payload: Mapping[str, Any]
    response_url: str
    received_at: datetime
    attempts: int


_COLUMNS = "seq, key, source, lane, payload, response_url, received_at, attempts"

_CLAIM = f"""
UPDATE inbox SET state = 'claimed', attempts = attempts + 1, epoch = :epoch
WHERE seq IN (SELECT seq FROM inbox WHERE CONDITION LIMIT :limit) RETURNING {_COLUMNS}"""  # noqa: S608 - constants
_CLAIM_FRESH = _CLAIM.replace(
    "CONDITION", "state = 'waiting' AND ready = 1 AND attempts = 0 ORDER BY turn, writes, seq"
)
_CLAIM_SUSPECT = _CLAIM.replace(
    "CONDITION",
    "state = 'waiting' AND ready = 1 AND attempts > 0 AND attempts != :spared ORDER BY attempts DESC, seq",
)

_SERVED = """
SELECT coalesce(
    (SELECT max(turn) FROM inbox WHERE state = 'claimed'),
    (SELECT min(turn) FROM inbox WHERE state = 'waiting' AND ready = 1 AND attempts = 0), 0)"""
_LAST_TURN = "SELECT coalesce(max(turn) + 1, 0) FROM inbox WHERE person = ? AND writes = ? AND state != 'done'"


class Inbox:
    def __init__(self, connection: Connection, epoch: int) -> None:
        self._connection = connection
        self._epoch = epoch

    def accept(
        self,
        key: str,
        source: str,
        payload: Mapping[str, Any],
        lane: str,
        now: datetime,
        *,
        response_url: str = "",
        person: str = "",
        writes: bool = False,
    ) -> Accepted | Duplicate:
        """Store a request: EXECUTED_FIELDS unchanged, everything else scrubbed.

        Without `response_url`, the one in the payload is used.
        """
        if (before := self.seq_of(key)) is not None:
            return Duplicate(before)
        lane, person = storable(lane), storable(person)
        stored = self._connection.execute(
            "INSERT INTO inbox (key, source, lane, payload, response_url, received_at, person, writes, turn, ready)"
            " VALUES (?,?,?,?,?,?,?,?,?,?) RETURNING seq",
            (
                storable(key),
                source,
                lane,
                to_json(_scrubbed(payload)),
                response_url or _response_url(payload),
                to_micros(now),
                person,
                writes,
                self._turn(person, writes=writes),
                self._ready(lane, person, writes=writes),
            ),
        ).fetchone()
        return Accepted(stored[0])

    def _turn(self, person: str, *, writes: bool) -> int:
        served: int = self._connection.execute(_SERVED).fetchone()[0]
        next_of_person: int = self._connection.execute(_LAST_TURN, (person, writes)).fetchone()[0]
        return max(served, next_of_person)

    def _ready(self, lane: str, person: str, *, writes: bool) -> bool:
        """Return whether it is the first of its lane. A read waits for earlier requests of the same person only."""
        if not lane:
            return True
        condition, values = ("", ()) if writes or not person else (" AND person = ?", (person,))
        return (
            self._connection.execute(
                f"SELECT 1 FROM inbox WHERE lane = ? AND state != 'done'{condition} LIMIT 1",  # noqa: S608 - constants
                (lane, *values),
            ).fetchone()
            is None
        )

    def seq_of(self, key: str) -> int | None:
        row = self._connection.execute("SELECT seq FROM inbox WHERE key = ?", (storable(key),)).fetchone()
        return row[0] if row else None

    def next(self, limit: int = 1, *, suspects: bool = True, spared: int | None = None) -> tuple[Item, ...]:
        """Claim up to `limit` rows: people in turn, reads first, only the first unfinished row of a lane.

        A claim counts as an attempt even if the process dies. A row that was claimed before may have crashed the last
        process, so only one of those is claimed at a time: the one with the most attempts, except rows with exactly
        `spared` attempts. The empty lane has no order.
        """
        rows: list[tuple[Any, ...]] = []
        if suspects and limit > 0:
            values = {"epoch": self._epoch, "limit": 1, "spared": -1 if spared is None else spared}
            rows = self._connection.execute(_CLAIM_SUSPECT, values).fetchall()
        fresh = {"epoch": self._epoch, "limit": limit - len(rows)}
        rows += sorted(self._connection.execute(_CLAIM_FRESH, fresh).fetchall())
        return tuple(map(_item, rows))

    def finish(self, seq: int, result: str, now: datetime, *, keep: bool = False) -> None:
        """Finish a claimed row with its `result`, success or error. Delete the response URL, and the payload unless it is
        kept for a retry. Raises ConcurrentChange if the row isn't claimed.
        """
        (lane,) = self._move(
            "UPDATE inbox SET state = 'done', result = ?, done_at = ?, response_url = '',"
            " payload = CASE WHEN ? THEN payload ELSE '{}' END WHERE seq = ? AND state = 'claimed' RETURNING lane",
            (scrub(result), to_micros(now), keep, seq),
        )
        if lane:
            self._connection.execute(
                "UPDATE inbox SET ready = 1"
                " WHERE seq = (SELECT min(seq) FROM inbox WHERE lane = ? AND state != 'done')",
                (lane,),
            )

    def release(self, seq: int, *, counted: bool = True) -> None:
        """Return a row to its place in its lane. Not `counted`: the attempt was stopped before it could end."""
        self._move(
            "UPDATE inbox SET state = 'waiting', attempts = attempts - ?"
            " WHERE seq = ? AND state = 'claimed' RETURNING lane",
            (0 if counted else 1, seq),
        )

    def count_attempt(self, seq: int) -> None:
        """Count another attempt within the same claim."""
        self._move(
            "UPDATE inbox SET attempts = attempts + 1 WHERE seq = ? AND state = 'claimed' RETURNING lane", (seq,)
        )

    def reopen(self, seq: int) -> bool:
        """Reopen a finished row at its place in its lane, with its attempts forgotten. Return False if it is gone."""
        row = self._connection.execute(
            "UPDATE inbox SET state = 'waiting', attempts = 0, result = '', done_at = NULL, ready = 1"
            " WHERE seq = ? AND state = 'done' AND payload != '{}' RETURNING lane",
            (seq,),
        ).fetchone()
        if row is not None and row[0]:
            self._connection.execute(
                "UPDATE inbox SET ready = 0 WHERE lane = ? AND state != 'done' AND state = 'waiting'", row
            )
            self._connection.execute(
                "UPDATE inbox SET ready = 1 WHERE seq = ?"
                " AND NOT EXISTS (SELECT 1 FROM inbox WHERE lane = ? AND state = 'claimed')",
                (seq, *row),
            )
        return row is not None

    def recover(self) -> int:
        """At the start: release the rows that a dead process had claimed. Return their number."""
        return self._connection.execute(
            "UPDATE inbox SET state = 'waiting' WHERE state = 'claimed' AND epoch < ?", (self._epoch,)
        ).rowcount

    def forget_response_urls(self, now: datetime) -> int:
        """Delete response URLs after 30 minutes: they no longer work, but are still secret."""
        return self._connection.execute(
            "UPDATE inbox SET response_url = '' WHERE response_url != '' AND received_at <= ?",
            (to_micros(now - RESPONSE_URL_LIFETIME),),
        ).rowcount

    def count(self) -> int:
        """Return the number of unfinished rows."""
        row = self._connection.execute("SELECT count(*) FROM inbox WHERE state != 'done'").fetchone()
        return int(row[0])

    def count_of(self, person: str) -> int:
        """Return the number of unfinished rows of one person."""
        row = self._connection.execute(
            "SELECT count(*) FROM inbox WHERE person = ? AND state != 'done'", (storable(person),)
        ).fetchone()
        return int(row[0])

    def result_of(self, key: str) -> str | None:
        """Return the result of the command with this key; None if it isn't finished or unknown."""
        row = self._connection.execute(
            "SELECT result FROM inbox WHERE key = ? AND state = 'done'", (storable(key),)
        ).fetchone()
        return row[0] if row else None

    def _move(self, statement: str, values: tuple[object, ...]) -> tuple[str]:
        row = self._connection.execute(statement, values).fetchone()
        if row is None:
            raise ConcurrentChange("This inbox entry isn't claimed.")
        return (row[0],)


def _scrubbed(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value if name in EXECUTED_FIELDS else scrub_json({name: value})[name] for name, value in payload.items()
    }


def _response_url(payload: Mapping[str, Any]) -> str:
    """Return the response URL: slash commands and buttons have one, forms list one per channel."""
    if isinstance(url := payload.get("response_url"), str):
        return url
    listed = payload.get("response_urls")
    first = listed[0] if isinstance(listed, list) and listed else None
    url = first.get("response_url") if isinstance(first, Mapping) else None
    return url if isinstance(url, str) else ""


def _item(row: tuple[Any, ...]) -> Item:
    seq, key, source, lane, payload, response_url, received_at, attempts = row
    return Item(seq, key, source, lane, from_json(payload), response_url, from_micros(received_at), attempts)
