"""What we intend of each schedule, and what it was last seen to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.errors import ConcurrentChange
from store.encode import from_json, to_json
from store.scrub import scrub
from store.sqlite import Connection
from store.times import from_micros, maybe_micros, maybe_moment, to_micros

SCHEMA = (
    """CREATE TABLE schedule_state (
        cluster TEXT NOT NULL,
        name TEXT NOT NULL,
        uid TEXT NOT NULL,
        horizon INTEGER,
        paused INTEGER NOT NULL CHECK (paused IN (0, 1)),
        reason TEXT NOT NULL,
        who TEXT NOT NULL,
        since INTEGER,
        spec_hash TEXT NOT NULL,
        last TEXT NOT NULL CHECK (json_valid(last)),
        revision INTEGER NOT NULL,
        changed_at INTEGER NOT NULL,
        PRIMARY KEY (cluster, name)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX schedule_by_uid ON schedule_state (cluster, uid)",
    """CREATE TABLE schedule_history (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        cluster TEXT NOT NULL,
        name TEXT NOT NULL,
        horizon INTEGER,
        paused INTEGER NOT NULL,
        reason TEXT NOT NULL,
        who TEXT NOT NULL,
        at INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX schedule_history_of ON schedule_history (cluster, name, seq)",
    "CREATE INDEX schedule_history_by_age ON schedule_history (at)",
)


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """The intent (`horizon`, `paused`, `reason`, `who`, `since`), and what was seen (`spec_hash`, `last`).

    `spec_hash` covers the spec without paused and skipImmediately; `last` is JSON of values seen, such as lastBackup.
    """

    cluster: str
    name: str
    uid: str
    changed_at: datetime
    horizon: datetime | None = None
    paused: bool = False
    reason: str = ""
    who: str = ""
    since: datetime | None = None
    spec_hash: str = ""
    last: Mapping[str, Any] = field(default_factory=dict)
    revision: int = 0

    @property
    def intent(self) -> tuple[datetime | None, bool, str, str, datetime | None]:
        return self.horizon, self.paused, self.reason, self.who, self.since


@dataclass(frozen=True, slots=True)
class IntentHistory:
    horizon: datetime | None
    paused: bool
    reason: str
    who: str
    at: datetime


_COLUMNS = "cluster, name, uid, changed_at, horizon, paused, reason, who, since, spec_hash, last, revision"
_SELECT = f"SELECT {_COLUMNS} FROM schedule_state"  # noqa: S608 - constants


class Schedules:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, state: ScheduleState, expected_revision: int | None) -> ScheduleState:
        """As stored, one revision on. `expected_revision` None: it must not exist yet. Lost if somebody was faster.

        A changed intent goes into the history.
        """
        before = self.get(state.cluster, state.name)
        if (before.revision if before else None) != expected_revision:
            raise ConcurrentChange(f"Schedule {state.name} in {state.cluster} was changed in the meantime.")
        revision = 0 if before is None else before.revision + 1
        self._connection.execute(
            f"INSERT OR REPLACE INTO schedule_state ({_COLUMNS}) VALUES ({','.join('?' * 12)})",  # noqa: S608
            _values(state, revision),
        )
        if before is None or before.intent != state.intent:
            self._remember(state)
        stored = self.get(state.cluster, state.name)
        assert stored is not None
        return stored

    def get(self, cluster: str, name: str) -> ScheduleState | None:
        return next(iter(self._select("WHERE cluster = ? AND name = ?", cluster, name)), None)

    def by_uid(self, cluster: str, uid: str) -> ScheduleState | None:
        return next(iter(self._select("WHERE cluster = ? AND uid = ?", cluster, uid)), None)

    def all(self, cluster: str = "") -> tuple[ScheduleState, ...]:
        return self._select("WHERE ?1 = '' OR cluster = ?1 ORDER BY cluster, name", cluster)

    def forget(self, cluster: str, name: str) -> None:
        """The schedule is gone; its history stays."""
        self._connection.execute("DELETE FROM schedule_state WHERE cluster = ? AND name = ?", (cluster, name))

    def history(self, cluster: str, name: str, limit: int = 20) -> tuple[IntentHistory, ...]:
        """Newest first."""
        rows = self._connection.execute(
            "SELECT horizon, paused, reason, who, at FROM schedule_history WHERE cluster = ? AND name = ?"
            " ORDER BY seq DESC LIMIT ?",
            (cluster, name, limit),
        ).fetchall()
        return tuple(
            IntentHistory(maybe_moment(horizon), bool(paused), reason, who, from_micros(at))
            for horizon, paused, reason, who, at in rows
        )

    def _remember(self, state: ScheduleState) -> None:
        self._connection.execute(
            "INSERT INTO schedule_history (cluster, name, horizon, paused, reason, who, at) VALUES (?,?,?,?,?,?,?)",
            (
                state.cluster,
                state.name,
                maybe_micros(state.horizon),
                state.paused,
                scrub(state.reason),
                state.who,
                to_micros(state.changed_at),
            ),
        )

    def _select(self, where: str, *values: object) -> tuple[ScheduleState, ...]:
        return tuple(map(_state, self._connection.execute(f"{_SELECT} {where}", values).fetchall()))


def _values(state: ScheduleState, revision: int) -> tuple[object, ...]:
    return (
        state.cluster,
        state.name,
        state.uid,
        to_micros(state.changed_at),
        maybe_micros(state.horizon),
        state.paused,
        scrub(state.reason),
        state.who,
        maybe_micros(state.since),
        state.spec_hash,
        to_json(state.last),
        revision,
    )


def _state(row: tuple[Any, ...]) -> ScheduleState:
    cluster, name, uid, changed_at, horizon, paused, reason, who, since, spec_hash, last, revision = row
    return ScheduleState(
        cluster=cluster,
        name=name,
        uid=uid,
        changed_at=from_micros(changed_at),
        horizon=maybe_moment(horizon),
        paused=bool(paused),
        reason=reason,
        who=who,
        since=maybe_moment(since),
        spec_hash=spec_hash,
        last=from_json(last),
        revision=revision,
    )
