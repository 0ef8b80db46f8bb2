"""The steps of an operation in order, each with its manifest, object and state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from domain.errors import ConcurrentChange
from domain.json_types import Json
from domain.plan import Step
from store.encode import from_json, storable, to_json
from store.sqlite import Connection
from store.times import from_micros, to_micros

SCHEMA = (
    """CREATE TABLE step (
        operation TEXT NOT NULL REFERENCES operation (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        verb TEXT NOT NULL,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        namespace TEXT NOT NULL,
        manifest TEXT NOT NULL CHECK (json_valid(manifest)),
        uid TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'pending'
            CHECK (state IN ('pending', 'submitting', 'submitted', 'done', 'failed', 'skipped')),
        reason TEXT NOT NULL DEFAULT '',
        changed_at INTEGER NOT NULL,
        PRIMARY KEY (operation, position)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX step_by_uid ON step (uid) WHERE uid != ''",
    "CREATE INDEX step_by_object ON step (kind, name)",
)


class StepState(StrEnum):
    PENDING = "pending"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class StoredStep:
    """`uid` and `name` are those of the object once it exists, and those of the plan before."""

    operation: str
    position: int
    verb: str
    kind: str
    name: str
    namespace: str
    manifest: Json
    uid: str
    state: StepState
    reason: str
    changed_at: datetime


_COLUMNS = "operation, position, verb, kind, name, namespace, manifest, uid, state, reason, changed_at"


class Steps:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def insert(self, operation: str, steps: Sequence[Step], now: datetime) -> None:
        self._connection.executemany(
            "INSERT INTO step (operation, position, verb, kind, name, namespace, manifest, uid, changed_at)"
            " VALUES (?,?,?,?,?,?,?,?,?)",
            [
                (
                    operation,
                    position,
                    step.verb.value,
                    step.kind,
                    storable(step.name),
                    step.namespace,
                    to_json(step.manifest),
                    step.uid,
                    to_micros(now),
                )
                for position, step in enumerate(steps)
            ],
        )

    def of(self, operation: str) -> tuple[StoredStep, ...]:
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM step WHERE operation = ? ORDER BY position",  # noqa: S608 - a constant
            (operation,),
        ).fetchall()
        return tuple(map(_step, rows))

    def move(
        self,
        operation: str,
        position: int,
        expected: StepState,
        to: StepState,
        now: datetime,
        *,
        uid: str = "",
        name: str = "",
        reason: str = "",
    ) -> None:
        """Raises ConcurrentChange unless the step is in `expected`. An empty `uid`, `name` or `reason` keeps the stored one."""
        changed = self._connection.execute(
            "UPDATE step SET state = ?, changed_at = ?, uid = ifnull(nullif(?, ''), uid),"
            " name = ifnull(nullif(?, ''), name), reason = ifnull(nullif(?, ''), reason)"
            " WHERE operation = ? AND position = ? AND state = ?",
            (to, to_micros(now), uid, name, storable(reason), operation, position, expected),
        ).rowcount
        if changed == 0:
            raise ConcurrentChange(f"Step {position} of operation {operation} was changed in the meantime.")

    def by_uid(self, uid: str) -> tuple[StoredStep, ...]:
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM step WHERE uid = ? AND uid != ''",  # noqa: S608 - a constant
            (uid,),
        ).fetchall()
        return tuple(map(_step, rows))


def _step(row: tuple[Any, ...]) -> StoredStep:
    operation, position, verb, kind, name, namespace, manifest, uid, state, reason, changed_at = row
    return StoredStep(
        operation,
        position,
        verb,
        kind,
        name,
        namespace,
        from_json(manifest),
        uid,
        StepState(state),
        reason,
        from_micros(changed_at),
    )
