"""The audit log: a gapless, append-only chain of hashed rows.

hash = SHA-256(`seq;at;` ‖ every text as `<bytes>:<text>`, in order ‖ hash of the row before). The head is read from the
database inside the transaction, never remembered: a rolled back row leaves no trace in the chain.
`audit_head` follows the last row by trigger, so that a cut tail shows without any signed head.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from domain.errors import StoreCorrupt
from store.encode import from_json, to_json
from store.scrub import scrub, scrub_json
from store.sqlite import Connection
from store.times import from_micros, to_micros

GENESIS = bytes(32)
"""The hash before the first row."""

TRIGGERS = {
    "audit_no_update": """CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'audit rows are never changed'); END""",
    "audit_no_delete": """CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'audit rows are never deleted'); END""",
    "audit_in_order": """CREATE TRIGGER audit_in_order BEFORE INSERT ON audit
WHEN NEW.seq IS NOT (SELECT seq + 1 FROM audit_head)
  OR NEW.prev IS NOT (SELECT hash FROM audit_head)
  OR (SELECT seq FROM audit_head) IS NOT (SELECT ifnull(max(seq), 0) FROM audit)
BEGIN SELECT RAISE(ABORT, 'audit rows are appended in order'); END""",
    "audit_moves_head": """CREATE TRIGGER audit_moves_head AFTER INSERT ON audit
BEGIN UPDATE audit_head SET seq = NEW.seq, hash = NEW.hash; END""",
}

SCHEMA = (
    """CREATE TABLE audit (
        seq INTEGER PRIMARY KEY CHECK (seq > 0),
        at INTEGER NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        subject TEXT NOT NULL,
        cluster TEXT NOT NULL,
        operation TEXT NOT NULL,
        outcome TEXT NOT NULL,
        detail TEXT NOT NULL CHECK (json_valid(detail)),
        prev BLOB NOT NULL CHECK (length(prev) = 32),
        hash BLOB NOT NULL CHECK (length(hash) = 32)
    ) STRICT""",
    "CREATE INDEX audit_of_operation ON audit (operation, seq) WHERE operation != ''",
    """CREATE TABLE audit_head (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        seq INTEGER NOT NULL,
        hash BLOB NOT NULL CHECK (length(hash) = 32)
    ) STRICT""",
    "INSERT INTO audit_head (one, seq, hash) VALUES (1, 0, zeroblob(32))",
    *TRIGGERS.values(),
)

PAGE_ROWS = 2_000
"""Rows that one read of the log looks through."""

ACTION_INDEX = ("CREATE INDEX audit_by_action ON audit (action, at)",)

COLUMNS = "seq, at, actor, action, subject, cluster, operation, outcome, detail, prev, hash"
_INSERT = f"INSERT INTO audit ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)"  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An entry to record. Secrets are scrubbed when it is written."""

    at: datetime
    actor: str
    action: str
    outcome: str
    subject: str = ""
    cluster: str = ""
    operation: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditRow:
    seq: int
    entry: AuditEntry
    hash: bytes


def row_hash(seq: int, at: int, texts: Sequence[bytes], prev: bytes) -> bytes:
    """Hash a row. Texts are UTF-8 bytes, so that the log can be verified without decoding."""
    actor, action, subject, cluster, operation, outcome, detail = texts
    return sha256(
        b"%d;%d;%d:%b%d:%b%d:%b%d:%b%d:%b%d:%b%d:%b%b"
        % (
            seq,
            at,
            len(actor),
            actor,
            len(action),
            action,
            len(subject),
            subject,
            len(cluster),
            cluster,
            len(operation),
            operation,
            len(outcome),
            outcome,
            len(detail),
            detail,
            prev,
        )
    ).digest()


class Audit:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def append(self, entry: AuditEntry) -> int:
        """Append an entry and return its number. Raises StoreCorrupt if the end of the log was changed."""
        seq, prev = self.head()
        at = to_micros(entry.at)
        detail = to_json(scrub_json(entry.detail))
        words = (entry.actor, entry.action, entry.subject, entry.cluster, entry.operation, entry.outcome)
        texts = (*map(scrub, words), detail)
        own = row_hash(seq + 1, at, [text.encode() for text in texts], prev)
        self._connection.execute(_INSERT, (seq + 1, at, *texts, prev, own))
        return seq + 1

    def head(self) -> tuple[int, bytes]:
        """Return number and hash of the last row; (0, GENESIS) if there is none."""
        row = self._connection.execute(
            "SELECT seq, hash FROM audit WHERE seq = (SELECT max(seq) FROM audit)"
        ).fetchone()
        return (row[0], row[1]) if row else (0, GENESIS)

    def check_end(self) -> None:
        """Check that the last row is the one written last; cheap enough for every start."""
        noted = self._connection.execute("SELECT seq, hash FROM audit_head").fetchone()
        if noted != (end := self.head()):
            raise StoreCorrupt(
                "The audit log was changed outside the bot.",
                why=f"it ends at row {end[0]}, but the last row written was {noted[0] if noted else '?'}",
                fix="keep the file, run `velero-chatops audit verify`, and restore the latest backup of the data directory",
            )

    def history_of(self, operation: str) -> tuple[AuditRow, ...]:
        """Return all entries of one operation, in order."""
        rows = self._connection.execute(
            f"SELECT {COLUMNS} FROM audit WHERE operation = ? AND operation != '' ORDER BY seq",  # noqa: S608
            (operation,),
        ).fetchall()
        return tuple(map(recorded, rows))

    def count(self, action: str, actor: str, since: datetime, person: str = "") -> int:
        """Count an action since a time, by actor id or by `person` under any id."""
        row = self._connection.execute(
            "SELECT count(*) FROM audit WHERE at >= ?1 AND action = ?2"
            " AND (actor = ?3 OR (?4 != '' AND json_extract(detail, '$.person') = ?4))",
            (to_micros(since), action, actor, person),
        ).fetchone()
        return int(row[0])

    def latest(
        self,
        limit: int,
        *,
        before: int | None = None,
        cluster: str = "",
        by: Collection[str] = (),
        subject: str = "",
    ) -> tuple[AuditRow, ...]:
        """Return entries, newest first; `before` continues from a row number. `by` lists the names of one person, also in lowercase."""
        found: list[AuditRow] = []
        position: int | None = before
        while position != 1 and len(found) < limit:
            page, position = self.page(limit - len(found), position, cluster=cluster, by=by, subject=subject)
            found += page
        return tuple(found)

    def page(
        self,
        limit: int,
        before: int | None,
        *,
        cluster: str = "",
        by: Collection[str] = (),
        subject: str = "",
    ) -> tuple[tuple[AuditRow, ...], int]:
        """Search a bounded part of the log. Return its entries, newest first, and the row number to continue before; 1 is the end.

        A rare person in a long log takes many pages, and other readers go in between.
        """
        before = self.head()[0] + 1 if before is None else before
        after = max(before - 1 - PAGE_ROWS, 0)
        names = to_json(sorted(by))
        rows = self._connection.execute(
            f"SELECT {COLUMNS} FROM audit WHERE seq > ?1 AND seq < ?2 AND (?3 = '' OR cluster = ?3)"  # noqa: S608
            " AND (?4 = '[]' OR lower(actor) IN (SELECT value FROM json_each(?4))"
            " OR lower(json_extract(detail, '$.actor')) IN (SELECT value FROM json_each(?4)))"
            " AND (?5 = '' OR instr(subject, ?5) > 0) ORDER BY seq DESC LIMIT ?6",
            (after, before, cluster, names, subject, limit),
        ).fetchall()
        return tuple(map(recorded, rows)), rows[-1][0] if len(rows) == limit and limit else after + 1


def pages(connection: Connection, *, after: int = 0, size: int = 5000) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the whole log in order, page by page; no statement stays open between pages."""
    query = f"SELECT {COLUMNS} FROM audit WHERE seq > ? ORDER BY seq LIMIT {size}"  # noqa: S608 - constants
    while page := connection.execute(query, (after,)).fetchall():
        yield page
        after = page[-1][0]


def recorded(row: tuple[Any, ...]) -> AuditRow:
    seq, at, actor, action, subject, cluster, operation, outcome, detail, _, own = row
    entry = AuditEntry(from_micros(at), actor, action, outcome, subject, cluster, operation, from_json(detail))
    return AuditRow(seq, entry, own)
