"""State of each schedule: the request in chat, and the spec last seen in the cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct, structs
from msgspec import field as field_of

from domain.errors import ConcurrentChange
from domain.json_types import Json
from domain.schedule_intent import IntentKind
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
class WatchdogMemory:
    """`checked`: the watchdog has judged all runs due until then. `missing` and `latest`: the first and the last missed run since the last run."""

    checked: datetime | None = None
    key: str = ""
    missing: datetime | None = None
    latest: datetime | None = None
    cause: str = ""
    period: float = 0.0


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """The request in chat for a schedule, and its spec last seen in the cluster.

    The intent is `horizon`, `paused`, `reason`, `who` and `since`. `spec_hash` covers the spec without paused and
    skipImmediately; `spec` is that spec.
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
    revision: int = 0
    kind: IntentKind | None = None
    """The intent in force, set by the bot or by others."""
    requested: IntentKind | None = None
    """The intent last requested in chat."""
    before: datetime | None = None
    """`lastSkipped` before the bot changed it: cancelling a skip restores it."""
    skips: tuple[datetime, ...] = ()
    """Promised skips whose outcome isn't known yet."""
    paused_outside: bool = False
    horizon_outside: bool = False
    """`paused` and `horizon` were set by someone else in the cluster: the bot doesn't restore them."""
    reported_horizon: datetime | None = None
    """A later horizon that someone else set, already reported."""
    held_until: datetime | None = None
    """Until when the bot itself skips runs for a restore."""
    spec: Json = field(default_factory=dict)
    watch: WatchdogMemory = WatchdogMemory()

    @property
    def intent(self) -> tuple[datetime | None, bool, str, str, datetime | None]:
        return self.horizon, self.paused, self.reason, self.who, self.since


class _Details(Struct, frozen=True, omit_defaults=True):
    """The fields of ScheduleState that are stored as JSON in the column `last`, under the keys that they always had."""

    kind: IntentKind | None = None
    requested: IntentKind | None = field_of(default=None, name="asked")
    before: datetime | None = None
    skips: tuple[datetime, ...] = ()
    paused_outside: bool = field_of(default=False, name="pause_outside")
    horizon_outside: bool = False
    reported_horizon: datetime | None = field_of(default=None, name="ahead")
    held_until: datetime | None = field_of(default=None, name="held")
    spec: Json = {}
    watch: WatchdogMemory = WatchdogMemory()


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
        """Returns the state as stored. `expected_revision` None: it must not exist yet. A changed intent goes into the history.

        Raises ConcurrentChange if the stored revision is another one.
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
        to_json(msgspec.to_builtins(_details(state))),
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
        revision=revision,
        **structs.asdict(msgspec.convert(from_json(last), _Details)),
    )


def _details(state: ScheduleState) -> _Details:
    return _Details(**{name: getattr(state, name) for name in _Details.__struct_fields__})
