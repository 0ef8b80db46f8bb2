"""What was asked, kept before it is acknowledged. One lane is worked through in order, lanes side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from domain.errors import Lost
from store.encode import from_json, storable, to_json
from store.scrub import scrub, scrub_json
from store.sqlite import Connection
from store.times import micros, moment

EXECUTED = frozenset({"line", "value", "extra"})
"""Parts of a payload that become a manifest: a scrubbed one would write `[scrubbed]` into a cluster.

Commands with the values of secrets in them are refused before they get here (commands/secret_values.py), and the payload
is emptied as soon as it is done.
"""
RESPONSE_URL_LIVES = timedelta(minutes=30)

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


@dataclass(frozen=True, slots=True)
class Accepted:
    seq: int


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The key was there before: a replay, or Slack asking twice."""

    seq: int


@dataclass(frozen=True, slots=True)
class Item:
    """`attempts` counts this claim too: 2 or more after a crash in the middle of it."""

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
UPDATE inbox SET state = 'claimed', attempts = attempts + 1, epoch = :epoch WHERE seq IN (
    SELECT seq FROM inbox AS mine WHERE state = 'waiting' AND (lane = '' OR NOT EXISTS (
        SELECT 1 FROM inbox AS earlier
        WHERE earlier.lane = mine.lane AND earlier.seq < mine.seq AND earlier.state != 'done'))
    ORDER BY seq LIMIT :limit)
RETURNING {_COLUMNS}"""  # noqa: S608 - constants


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
    ) -> Accepted | Duplicate:
        """Keeps what will be executed to the letter, and everything else without its secrets.

        Where `response_url` is not given, it is taken from the payload.
        """
        stored = self._connection.execute(
            "INSERT INTO inbox (key, source, lane, payload, response_url, received_at) VALUES (?,?,?,?,?,?)"
            " ON CONFLICT (key) DO NOTHING RETURNING seq",
            (
                storable(key),
                source,
                storable(lane),
                to_json(_kept(payload)),
                response_url or _response_url(payload),
                micros(now),
            ),
        ).fetchone()
        if stored:
            return Accepted(stored[0])
        return Duplicate(
            self._connection.execute("SELECT seq FROM inbox WHERE key = ?", (storable(key),)).fetchone()[0]
        )

    def next(self, limit: int = 1) -> tuple[Item, ...]:
        """Claims up to `limit` rows, oldest first, none whose lane holds an earlier unfinished one.

        The empty lane keeps no order.
        """
        rows = self._connection.execute(_CLAIM, {"epoch": self._epoch, "limit": limit}).fetchall()
        return tuple(_item(row) for row in sorted(rows))

    def done(self, seq: int, result: str, now: datetime) -> None:
        """Finished, well or not: `result` says how. Forgets payload and response URL. Lost unless it was claimed."""
        self._move(
            "UPDATE inbox SET state = 'done', result = ?, done_at = ?, response_url = '', payload = '{}'"
            " WHERE seq = ? AND state = 'claimed'",
            (scrub(result), micros(now), seq),
        )

    def release(self, seq: int) -> None:
        """Back to waiting, at its old place in its lane."""
        self._move("UPDATE inbox SET state = 'waiting' WHERE seq = ? AND state = 'claimed'", (seq,))

    def recover(self) -> int:
        """At start: what a dead process had claimed waits again. How many there were."""
        return self._connection.execute(
            "UPDATE inbox SET state = 'waiting' WHERE state = 'claimed' AND epoch < ?", (self._epoch,)
        ).rowcount

    def forget_response_urls(self, now: datetime) -> int:
        """They work for 30 minutes; after that they are only a secret to lose."""
        return self._connection.execute(
            "UPDATE inbox SET response_url = '' WHERE response_url != '' AND received_at <= ?",
            (micros(now - RESPONSE_URL_LIVES),),
        ).rowcount

    def count(self) -> int:
        """Unfinished rows."""
        row = self._connection.execute("SELECT count(*) FROM inbox WHERE state != 'done'").fetchone()
        return int(row[0])

    def result(self, key: str) -> str | None:
        """How the command with this key ended; None while it has not, or was never seen."""
        row = self._connection.execute(
            "SELECT result FROM inbox WHERE key = ? AND state = 'done'", (storable(key),)
        ).fetchone()
        return row[0] if row else None

    def _move(self, statement: str, values: tuple[object, ...]) -> None:
        if self._connection.execute(statement, values).rowcount == 0:
            raise Lost("This inbox row is not claimed.")


def _kept(payload: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value if name in EXECUTED else scrub_json({name: value})[name] for name, value in payload.items()}


def _response_url(payload: Mapping[str, Any]) -> str:
    """A slash command and a button have one; a form lists one for each channel it was asked to answer in."""
    if isinstance(url := payload.get("response_url"), str):
        return url
    listed = payload.get("response_urls")
    first = listed[0] if isinstance(listed, list) and listed else None
    url = first.get("response_url") if isinstance(first, Mapping) else None
    return url if isinstance(url, str) else ""


def _item(row: tuple[Any, ...]) -> Item:
    seq, key, source, lane, payload, response_url, received_at, attempts = row
    return Item(seq, key, source, lane, from_json(payload), response_url, moment(received_at), attempts)
