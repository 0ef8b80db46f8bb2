"""Calls of pipelines, by operation: digest of the body, answer, and whether the call is complete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.errors import ConcurrentChange
from store.encode import from_json, storable, to_json
from store.scrub import scrub, scrub_json
from store.sqlite import Connection
from store.times import from_micros, maybe_moment, to_micros

SCHEMA = (
    """CREATE TABLE hook (
        operation TEXT PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        sender TEXT NOT NULL,
        digest TEXT NOT NULL,
        asked TEXT NOT NULL CHECK (json_valid(asked)),
        callback TEXT NOT NULL,
        answer TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(answer)),
        received_at INTEGER NOT NULL,
        answered_at INTEGER,
        settled_at INTEGER
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX hook_unsettled ON hook (received_at) WHERE settled_at IS NULL",
    "CREATE INDEX hook_by_age ON hook (received_at)",
)
AGE_INDEX = ("CREATE INDEX hook_to_shorten ON hook (settled_at) WHERE asked != '{}'",)


@dataclass(frozen=True, slots=True)
class PipelineCall:
    """`request` and `answer` are JSON. `answered_at`: the command was processed; `completed_at`: the result is final."""

    operation: str
    key: str
    sender: str
    digest: str
    received_at: datetime
    request: Mapping[str, Any] = field(default_factory=dict)
    callback: str = ""
    answer: Mapping[str, Any] = field(default_factory=dict)
    answered_at: datetime | None = None
    completed_at: datetime | None = None


_COLUMNS = "operation, key, sender, digest, received_at, asked, callback, answer, answered_at, settled_at"
_SELECT = f"SELECT {_COLUMNS} FROM hook"  # noqa: S608 - constants


class PipelineCalls:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, call: PipelineCall) -> None:
        self._connection.execute(
            f"INSERT INTO hook ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?)",  # noqa: S608 - a constant
            (
                call.operation,
                storable(call.key),
                call.sender,
                call.digest,
                to_micros(call.received_at),
                to_json({**call.request, **_scrubbed(call.request)}),
                call.callback,
                to_json(scrub_json(call.answer)),
                to_micros(call.answered_at) if call.answered_at else None,
                to_micros(call.completed_at) if call.completed_at else None,
            ),
        )

    def get(self, operation: str) -> PipelineCall | None:
        return next(iter(self._select("WHERE operation = ?", operation)), None)

    def record_answer(self, operation: str, answer: Mapping[str, Any], now: datetime) -> None:
        """Record an answer. A second one replaces it: after a crash the command may run again."""
        self._connection.execute(
            "UPDATE hook SET answer = ?, answered_at = ? WHERE operation = ? AND settled_at IS NULL",
            (to_json(scrub_json(answer)), to_micros(now), operation),
        )

    def complete(self, operation: str, answer: Mapping[str, Any], now: datetime) -> None:
        """Record the final answer. Raises ConcurrentChange if the call is already complete: its callback is sent once."""
        changed = self._connection.execute(
            "UPDATE hook SET answer = ?, settled_at = ? WHERE operation = ? AND settled_at IS NULL",
            (to_json(scrub_json(answer)), to_micros(now), operation),
        ).rowcount
        if changed == 0:
            raise ConcurrentChange(f"Operation {operation} is already finished.")

    def incomplete(self, limit: int = 500) -> tuple[PipelineCall, ...]:
        """Return the calls without a final result, oldest first."""
        return self._select("WHERE settled_at IS NULL ORDER BY received_at LIMIT ?", limit)

    def _select(self, where: str, *values: object) -> tuple[PipelineCall, ...]:
        return tuple(map(_call, self._connection.execute(f"{_SELECT} {where}", values).fetchall()))


def _scrubbed(request: Mapping[str, Any]) -> dict[str, Any]:
    """Scrub what is only shown. The gate and its namespaces are needed for the verdict: they stay unchanged."""
    return {name: scrub(str(request[name])) for name in ("line",) if name in request}


def _call(row: tuple[Any, ...]) -> PipelineCall:
    operation, key, sender, digest, received_at, asked, callback, answer, answered_at, settled_at = row
    return PipelineCall(
        operation,
        key,
        sender,
        digest,
        from_micros(received_at),
        from_json(asked),
        callback,
        from_json(answer),
        maybe_moment(answered_at),
        maybe_moment(settled_at),
    )
