"""Parses a schedule's cron expression and computes its runs exactly as the Velero server does.

Velero up to 1.18 uses robfig/cron v3.0.1, later versions use netresearch/go-cron v0.15. The two dialects differ in what
they accept, in how day of month and day of week combine, and at clock changes. croniter agrees with neither on errors,
`@every`, zones, `L` and clock changes, so it is used only to compare speed (docs/adr/0003). Error texts must stay those
of the Go libraries: users find them in Velero's status and documentation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from domain.duration import SECOND
from domain.errors import UsageError
from velero.cron import go_text, go_zone
from velero.cron.fields import Dialect, parse_fields
from velero.cron.go_text import GoError, quote
from velero.cron.search import Timetable, build_timetable, next_run

__all__ = ["CronError", "CronSchedule", "Dialect", "dialect_for", "parse"]

MAX_EXPRESSION_BYTES: Final = 1024
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_SECOND: Final = timedelta(seconds=1)
_VERSION: Final = re.compile(r"v?(\d{1,6})\.(\d{1,6})(?:\.|-|\+|\Z)", re.ASCII)
_PREFIXES: Final = ("TZ=", "CRON_TZ=")
_NETRESEARCH_SINCE: Final = (1, 19)
_DESCRIPTORS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_NEVER_DESCRIPTORS: Final = frozenset({"@triggered", "@manual", "@none"})
_ZONE_CHARS: Final = re.compile(r"[A-Za-z0-9/_+:-]")


class CronError(UsageError, ValueError):
    """An expression that Velero rejects. The text is the Go library's own; `panic` means that the library's parser crashes."""

    def __init__(self, text: str, *, panic: bool = False) -> None:
        super().__init__(text)
        self.panic = panic

    @property
    def as_velero_says(self) -> str:
        """The text that Velero writes to status.validationErrors of the Schedule."""
        if self.text == _EMPTY:
            return "Schedule must be a non-empty valid Cron expression"
        return f"invalid schedule: {self.text}"


_EMPTY: Final = "empty spec string"


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """A parsed expression in its time zone. It has a `table`, or `every` in seconds; with neither, it never runs."""

    expr: str
    dialect: Dialect
    zone: ZoneInfo
    table: Timetable | None = None
    every: int | None = None

    def next(self, after: datetime) -> datetime | None:
        """Return the first run later than `after`, in UTC. None means never, which Velero treats as always due."""
        return _to_datetime(self.next_second((after - _EPOCH) // _ONE_SECOND))

    def next_second(self, after: int) -> int | None:
        """Do the same in whole seconds since 1970."""
        if self.every is not None:
            return after + self.every
        return None if self.table is None else next_run(self.table, go_zone.zone_of(self.zone), after)

    def runs(self, after: datetime, count: int) -> list[datetime]:
        """Return the next `count` runs, or fewer if there are no more."""
        runs: list[datetime] = []
        at: int | None = (after - _EPOCH) // _ONE_SECOND
        while at is not None and len(runs) < count:
            at = self.next_second(at)
            if (run := _to_datetime(at)) is None:
                break
            runs.append(run)
        return runs


def _to_datetime(at: int | None) -> datetime | None:
    if at is None:
        return None
    try:
        return _EPOCH + timedelta(seconds=at)
    except OverflowError:
        return None


def dialect_for(version: str | None) -> Dialect:
    """Return the dialect of a Velero version. A build of `main` counts as newest, an unknown version as a 1.18 release."""
    if version is None:
        return Dialect.ROBFIG
    if found := _VERSION.match(version.strip()):
        return Dialect.NETRESEARCH if (int(found[1]), int(found[2])) >= _NETRESEARCH_SINCE else Dialect.ROBFIG
    return Dialect.NETRESEARCH if version.strip().startswith("main") else Dialect.ROBFIG


def parse(expr: str, server_zone: str | ZoneInfo, dialect: Dialect) -> CronSchedule:
    """Parse `spec.schedule` as a server in this zone does. Raises CronError."""
    text = expr.encode(errors="replace").decode()
    try:
        server = server_zone if isinstance(server_zone, ZoneInfo) else go_zone.load_zone(server_zone)
        zone, rest = _zone(text, dialect)
        return _schedule(expr, rest, zone or server or ZoneInfo("UTC"), dialect)
    except GoError as error:
        raise CronError(str(error)) from error


def _zone(text: str, dialect: Dialect) -> tuple[ZoneInfo | None, str]:
    """Return the zone of `CRON_TZ=` (None: the server's zone), and the rest of the text."""
    if not text:
        raise CronError(_EMPTY)
    if dialect is Dialect.NETRESEARCH and (size := len(text.encode())) > MAX_EXPRESSION_BYTES:
        raise CronError(f"spec too long: {size} > {MAX_EXPRESSION_BYTES}")
    if not text.startswith(_PREFIXES):
        return None, text
    head, blank, rest = text.partition(" ")
    name = head.partition("=")[2]
    if dialect is Dialect.NETRESEARCH:
        return _netresearch_zone(name, text, rest, blank=blank)
    if not blank:
        raise CronError("runtime error: slice bounds out of range [:-1]", panic=True)
    try:
        return go_zone.load_zone(name), go_text.trim(rest)
    except GoError as error:
        raise CronError(f"provided bad location {name}: {error}") from error


def _netresearch_zone(name: str, text: str, rest: str, *, blank: str) -> tuple[ZoneInfo | None, str]:
    if not blank:
        raise CronError(f"missing fields after timezone in spec {quote(text)}")
    if len(name) >= 2 and name[0] == name[-1] and name[0] in "\"'":
        name = name[1:-1]
    if reason := _zone_error(name):
        raise CronError(f"invalid timezone {quote(name)}: {reason}")
    try:
        zone = go_zone.load_zone(name)
    except GoError as error:
        raise CronError(f"unknown time zone {quote(name)}: {error}") from error
    if not (remaining := go_text.trim(rest)):
        raise CronError(f"missing fields after timezone {quote(name)}")
    return zone, remaining


def _zone_error(name: str) -> str | None:
    if not name:
        return "empty timezone string"
    if len(name.encode()) > 64:
        return "timezone string too long (max 64 chars)"
    position = 0
    for char in name:
        if not _ZONE_CHARS.match(char):
            return f"invalid character {go_text.quote_rune(char)} at position {position} in timezone"
        position += len(char.encode())
    return None


def _schedule(expr: str, rest: str, zone: ZoneInfo, dialect: Dialect) -> CronSchedule:
    if not rest.startswith("@"):
        return CronSchedule(expr, dialect, zone, table=build_timetable(parse_fields(go_text.fields(rest), dialect)))
    if plain := _DESCRIPTORS.get(rest):
        return CronSchedule(expr, dialect, zone, table=build_timetable(parse_fields(plain.split(), dialect)))
    if rest.startswith("@every "):
        return CronSchedule(expr, dialect, zone, every=_every(rest, dialect))
    if dialect is Dialect.NETRESEARCH and rest in _NEVER_DESCRIPTORS:
        return CronSchedule(expr, dialect, zone)
    shown = quote(rest) if dialect is Dialect.NETRESEARCH else rest
    raise CronError(f"unrecognized descriptor: {shown}")


def _every(rest: str, dialect: Dialect) -> int:
    shown = quote(rest) if dialect is Dialect.NETRESEARCH else rest
    try:
        span = go_text.duration(rest.removeprefix("@every "))
    except GoError as error:
        raise CronError(f"failed to parse duration {shown}: {error}") from error
    if dialect is Dialect.NETRESEARCH and span < SECOND:
        raise CronError(f"@every duration must be at least 1s: {shown}")
    return max(span, SECOND) // SECOND
