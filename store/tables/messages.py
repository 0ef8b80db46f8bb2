"""Posted messages: where they are, and which revision of their subject they show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from store.sqlite import Connection
from store.tables.operations import IS_OPEN
from store.times import from_micros, to_micros

CARD = "card"
APPROVAL = "approval"

SCHEMA = (
    """CREATE TABLE message (
        channel TEXT NOT NULL,
        ts TEXT NOT NULL,
        subject TEXT NOT NULL,
        role TEXT NOT NULL,
        revision INTEGER NOT NULL,
        wanted INTEGER NOT NULL,
        posted_at INTEGER NOT NULL,
        gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
        PRIMARY KEY (channel, ts)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX message_of_subject ON message (subject, posted_at)",
    "CREATE INDEX message_by_age ON message (posted_at)",
    # Stale status messages are read after every commit: the query must not scan all messages.
    "CREATE INDEX message_stale ON message (subject) WHERE role = 'card' AND gone = 0 AND revision < wanted",
    """CREATE TRIGGER operation_makes_cards_stale AFTER UPDATE OF revision ON operation
    BEGIN UPDATE message SET wanted = NEW.revision WHERE subject = NEW.id AND role = 'card'; END""",
)

REQUEST_INDEX = ("CREATE INDEX message_requests ON message (subject) WHERE role = 'approval' AND gone = 0",)


@dataclass(frozen=True, slots=True)
class Message:
    """`subject` is an operation's id, or `<cluster>/<kind>/<name>` for objects that the bot didn't create."""

    channel: str
    ts: str
    subject: str
    role: str
    revision: int
    posted_at: datetime


_SELECT = "SELECT channel, ts, subject, role, revision, posted_at FROM message"


class Messages:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def record_posted(self, message: Message) -> None:
        """Record a posted message; of two revisions the higher one is kept."""
        self._connection.execute(
            "INSERT INTO message (channel, ts, subject, role, revision, posted_at, wanted) VALUES (?1,?2,?3,?4,?5,?6,"
            " ifnull((SELECT revision FROM operation WHERE id = ?3), ?5)) ON CONFLICT (channel, ts) DO UPDATE SET revision = max(revision, excluded.revision), gone = 0",
            (
                message.channel,
                message.ts,
                message.subject,
                message.role,
                message.revision,
                to_micros(message.posted_at),
            ),
        )

    def record_revision(self, channel: str, ts: str, revision: int) -> None:
        """Record an edit. An older revision never overwrites a newer one."""
        self._connection.execute(
            "UPDATE message SET revision = ? WHERE channel = ? AND ts = ? AND revision < ?",
            (revision, channel, ts, revision),
        )

    def mark_gone(self, channel: str, ts: str) -> None:
        """Mark a message that was deleted or can't be reached; it is no longer edited."""
        self._connection.execute("UPDATE message SET gone = 1 WHERE channel = ? AND ts = ?", (channel, ts))

    def at(self, channel: str, ts: str) -> Message | None:
        return next(iter(self._select("WHERE channel = ? AND ts = ?", channel, ts)), None)

    def of(self, subject: str, role: str = "") -> tuple[Message, ...]:
        """Return the existing messages of a subject, oldest first."""
        return self._select(
            "WHERE subject = ?1 AND gone = 0 AND (?2 = '' OR role = ?2) ORDER BY posted_at, ts", subject, role
        )

    def stale_cards(self, limit: int = 50) -> tuple[Message, ...]:
        """Return status messages with an outdated revision: first those of finished runs, then by age of the change."""
        rows = self._connection.execute(
            "SELECT m.channel, m.ts, m.subject, m.role, m.revision, m.posted_at"  # noqa: S608 - constants
            " FROM message AS m JOIN operation AS o ON o.id = m.subject"
            " WHERE m.role = 'card' AND m.gone = 0 AND m.revision < m.wanted"
            f" ORDER BY o.{IS_OPEN}, o.changed_at LIMIT ?",
            (limit,),
        ).fetchall()
        return tuple(map(_message, rows))

    def stale_requests(self, limit: int = 50) -> tuple[Message, ...]:
        """Return approval requests that don't show the latest votes or the result of the run yet."""
        rows = self._connection.execute(
            "SELECT m.channel, m.ts, m.subject, m.role, m.revision, m.posted_at"  # noqa: S608 - a constant
            " FROM message AS m JOIN operation AS o ON o.id = m.subject JOIN approval AS a ON a.operation = o.id"
            " WHERE m.role = 'approval' AND m.gone = 0 AND m.revision < 2 * a.revision"
            f" + NOT (o.{IS_OPEN})"
            " ORDER BY o.changed_at LIMIT ?",
            (limit,),
        ).fetchall()
        return tuple(map(_message, rows))

    def _select(self, where: str, *values: object) -> tuple[Message, ...]:
        return tuple(map(_message, self._connection.execute(f"{_SELECT} {where}", values).fetchall()))


def _message(row: tuple[Any, ...]) -> Message:
    channel, ts, subject, role, revision, posted_at = row
    return Message(channel, ts, subject, role, revision, from_micros(posted_at))
