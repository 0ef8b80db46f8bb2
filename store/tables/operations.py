"""Operations, each with the plan that it executes."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from domain.actor import Origin, Way
from domain.errors import ConcurrentChange, NotFound
from domain.operation import OPEN, Operation, State
from domain.plan import Plan
from store.encode import from_json, storable, to_json
from store.plans import plan_from_json, plan_to_json
from store.scrub import scrub
from store.sqlite import Connection
from store.tables.steps import Steps
from store.times import from_micros, to_micros

_FIRST_STATES = (
    "'planned', 'refused', 'awaiting', 'rejected', 'expired', 'withdrawn', 'stale', 'approved', 'submitting',"
    " 'submitted', 'running', 'succeeded', 'partial', 'failed', 'lost'"
)
SCHEMA = (
    f"""CREATE TABLE operation (
        id TEXT PRIMARY KEY,
        cluster TEXT NOT NULL,
        noun TEXT NOT NULL,
        verb TEXT NOT NULL,
        subject TEXT NOT NULL,
        actor TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ({_FIRST_STATES})),
        line TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        changed_at INTEGER NOT NULL,
        phase TEXT NOT NULL,
        object_uid TEXT NOT NULL,
        object_name TEXT NOT NULL,
        reason TEXT NOT NULL,
        revision INTEGER NOT NULL,
        plan TEXT NOT NULL CHECK (json_valid(plan)),
        origin TEXT NOT NULL CHECK (json_valid(origin))
    ) STRICT""",
    """CREATE INDEX operation_open ON operation (created_at)
        WHERE state IN ('planned', 'awaiting', 'approved', 'submitting', 'submitted', 'running')""",
    "CREATE INDEX operation_by_uid ON operation (object_uid) WHERE object_uid != ''",
    "CREATE INDEX operation_by_subject ON operation (cluster, noun, subject, created_at)",
    "CREATE INDEX operation_by_actor ON operation (actor, created_at)",
)

AGE_INDEXES = (
    """CREATE INDEX operation_final ON operation (changed_at, id) WHERE state IN
        ('refused', 'rejected', 'expired', 'withdrawn', 'stale', 'succeeded', 'partial', 'failed')""",
    "CREATE INDEX operation_by_age ON operation (created_at)",
    "CREATE INDEX operation_of_cluster ON operation (cluster, created_at)",
)

IS_OPEN = f"state IN {tuple(state.value for state in State if state in OPEN)}"


def unconfirmed(connection: Connection) -> None:
    """Add the state `unconfirmed` to the CHECK and the index.

    Rewriting the table would cascade to steps and approvals and delete them. SQLite's documented way to change a CHECK is
    to change its text in the schema (sqlite.org/lang_altertable.html, section 7).
    """
    version = connection.execute("PRAGMA schema_version").fetchone()[0]
    connection.execute("PRAGMA writable_schema=ON")
    connection.execute(
        "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = 'operation'",
        (_FIRST_STATES, f"{_FIRST_STATES}, 'unconfirmed'"),
    )
    connection.execute(f"PRAGMA schema_version={version + 1}")
    connection.execute("PRAGMA writable_schema=OFF")
    connection.execute("DROP INDEX operation_open")
    connection.execute(
        "CREATE INDEX operation_open ON operation (created_at) WHERE state IN"
        " ('planned', 'awaiting', 'approved', 'submitting', 'unconfirmed', 'submitted', 'running')"
    )


_COLUMNS = (
    "id, cluster, noun, verb, subject, actor, state, line, fingerprint, created_at, changed_at,"
    " phase, object_uid, object_name, reason, revision"
)
_SELECT = f"SELECT {_COLUMNS} FROM operation"  # noqa: S608 - constants


class Operations:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def insert(self, operation: Operation, plan: Plan, origin: Origin) -> None:
        """Inserts the operation with its plan and steps. The origin is kept without response URL and trigger, which expire."""
        kept = replace(origin, response_url="", trigger="")
        self._connection.execute(
            f"INSERT INTO operation ({_COLUMNS}, plan, origin) VALUES ({','.join('?' * 18)})",  # noqa: S608
            (*_values(operation), to_json(plan_to_json(plan)), to_json(asdict(kept))),
        )
        Steps(self._connection).insert(operation.id, plan.steps, operation.created_at)

    def advance(self, new: Operation, expected_revision: int) -> None:
        """Stores what `Operation.advance` returned. Raises ConcurrentChange if it changed since `expected_revision`."""
        changed = self._connection.execute(
            "UPDATE operation SET state = ?, changed_at = ?, phase = ?, object_uid = ?, object_name = ?, reason = ?,"
            " revision = ? WHERE id = ? AND revision = ?",
            (
                new.state,
                to_micros(new.changed_at),
                storable(new.phase),
                new.object_uid,
                new.object_name,
                scrub(new.reason),
                new.revision,
                new.id,
                expected_revision,
            ),
        ).rowcount
        if changed == 0:
            raise ConcurrentChange(f"Operation {new.id} was changed in the meantime.")

    def get(self, operation: str) -> Operation | None:
        row = self._connection.execute(f"{_SELECT} WHERE id = ?", (operation,)).fetchone()
        return _operation(row) if row else None

    def load_plan(self, operation: str) -> Plan:
        return plan_from_json(self._column("plan", operation))

    def origin(self, operation: str) -> Origin:
        stored = self._column("origin", operation)
        return Origin(**{**stored, "way": Way(stored["way"])})

    def open(self) -> tuple[Operation, ...]:
        """Operations that aren't over, oldest first."""
        return self._select(f"WHERE {IS_OPEN} ORDER BY created_at, id")

    def by_uid(self, uid: str) -> tuple[Operation, ...]:
        """Operations that created or change the object with this uid, newest first."""
        return self._select(
            "WHERE id IN (SELECT id FROM operation WHERE object_uid = ?1 AND object_uid != ''"
            " UNION SELECT operation FROM step WHERE uid = ?1 AND uid != '') ORDER BY created_at DESC, id",
            uid,
        )

    def by_object(self, cluster: str, kind: str, name: str) -> tuple[Operation, ...]:
        """Operations with a step on this object, newest first."""
        return self._select(
            "WHERE cluster = ? AND id IN (SELECT operation FROM step WHERE kind = ? AND name = ?)"
            " ORDER BY created_at DESC, id",
            cluster,
            kind,
            name,
        )

    def recent(self, cluster: str, noun: str, subject: str, limit: int = 10) -> tuple[Operation, ...]:
        return self._select(
            "WHERE cluster = ? AND noun = ? AND subject = ? ORDER BY created_at DESC, id LIMIT ?",
            cluster,
            noun,
            subject,
            limit,
        )

    def recent_by(self, actor: str, limit: int = 10) -> tuple[Operation, ...]:
        return self._select("WHERE actor = ? ORDER BY created_at DESC, id LIMIT ?", actor, limit)

    def latest(self, limit: int = 10, *, cluster: str = "", since: datetime | None = None) -> tuple[Operation, ...]:
        where, values = ("cluster = ? AND", (cluster,)) if cluster else ("", ())
        return self._select(
            f"WHERE {where} created_at >= ? ORDER BY created_at DESC, id LIMIT ?",
            *values,
            to_micros(since) if since else 0,
            limit,
        )

    def _select(self, where: str, *values: object) -> tuple[Operation, ...]:
        return tuple(map(_operation, self._connection.execute(f"{_SELECT} {where}", values).fetchall()))

    def _column(self, column: str, operation: str) -> Any:
        row = self._connection.execute(
            f"SELECT {column} FROM operation WHERE id = ?",  # noqa: S608 - one of two constants
            (operation,),
        ).fetchone()
        if row is None:
            raise NotFound(f"Operation {operation} doesn't exist.")
        return from_json(row[0])


def _values(operation: Operation) -> tuple[object, ...]:
    return (
        operation.id,
        operation.cluster,
        operation.noun,
        operation.verb,
        storable(operation.subject),
        operation.actor,
        operation.state,
        storable(operation.line),
        operation.fingerprint,
        to_micros(operation.created_at),
        to_micros(operation.changed_at),
        storable(operation.phase),
        operation.object_uid,
        operation.object_name,
        scrub(operation.reason),
        operation.revision,
    )


def _operation(row: tuple[Any, ...]) -> Operation:
    (*who, state, line, fingerprint, created_at, changed_at) = row[:11]
    id_, cluster, noun, verb, subject, actor = who
    phase, object_uid, object_name, reason, revision = row[11:]
    return Operation(
        id=id_,
        cluster=cluster,
        noun=noun,
        verb=verb,
        subject=subject,
        actor=actor,
        state=State(state),
        line=line,
        fingerprint=fingerprint,
        created_at=from_micros(created_at),
        changed_at=from_micros(changed_at),
        phase=phase,
        object_uid=object_uid,
        object_name=object_name,
        reason=reason,
        revision=revision,
    )
