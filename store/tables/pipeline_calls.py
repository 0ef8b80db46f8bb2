"""What pipelines asked by webhook, by the operation it became: its body's digest, its answer, whether it was called back."""

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


@dataclass(frozen=True, slots=True)
class PipelineCall:
    """`asked` and `answer` are JSON. `answered_at`: it was taken up and decided; `settled_at`: nothing more will come."""

    operation: str
    key: str
    sender: str
    digest: str
    received_at: datetime
    asked: Mapping[str, Any] = field(default_factory=dict)
    callback: str = ""
    answer: Mapping[str, Any] = field(default_factory=dict)
    answered_at: datetime | None = None
    settled_at: datetime | None = None


_COLUMNS = "operation, key, sender, digest, received_at, asked, callback, answer, answered_at, settled_at"
_SELECT = f"SELECT {_COLUMNS} FROM hook"  # noqa: S608 - constants


class PipelineCalls:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, hook: PipelineCall) -> None:
        self._connection.execute(
            f"INSERT INTO hook ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?)",  # noqa: S608 - a constant
            (
                hook.operation,
                storable(hook.key),
                hook.sender,
                hook.digest,
                to_micros(hook.received_at),
                to_json({**hook.asked, **_told(hook.asked)}),
                hook.callback,
                to_json(scrub_json(hook.answer)),
                to_micros(hook.answered_at) if hook.answered_at else None,
                to_micros(hook.settled_at) if hook.settled_at else None,
            ),
        )

    def get(self, operation: str) -> PipelineCall | None:
        return next(iter(self._select("WHERE operation = ?", operation)), None)

    def answered(self, operation: str, answer: Mapping[str, Any], now: datetime) -> None:
        """Again with another answer is allowed: a command taken up after a crash is answered anew."""
        self._connection.execute(
            "UPDATE hook SET answer = ?, answered_at = ? WHERE operation = ? AND settled_at IS NULL",
            (to_json(scrub_json(answer)), to_micros(now), operation),
        )

    def settled(self, operation: str, answer: Mapping[str, Any], now: datetime) -> None:
        """Lost if it was settled before: its callback is made once."""
        changed = self._connection.execute(
            "UPDATE hook SET answer = ?, settled_at = ? WHERE operation = ? AND settled_at IS NULL",
            (to_json(scrub_json(answer)), to_micros(now), operation),
        ).rowcount
        if changed == 0:
            raise ConcurrentChange(f"Operation {operation} is already finished.")

    def unsettled(self, limit: int = 500) -> tuple[PipelineCall, ...]:
        """Accepted or still running, oldest first."""
        return self._select("WHERE settled_at IS NULL ORDER BY received_at LIMIT ?", limit)

    def _select(self, where: str, *values: object) -> tuple[PipelineCall, ...]:
        return tuple(map(_hook, self._connection.execute(f"{_SELECT} {where}", values).fetchall()))


def _told(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What is only shown. The gate and its namespaces are read again when the verdict is due: they stay as asked."""
    return {name: scrub(str(asked[name])) for name in ("line",) if name in asked}


def _hook(row: tuple[Any, ...]) -> PipelineCall:
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
