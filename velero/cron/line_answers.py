"""The batch mode of `velero-chatops cron`: one JSON request about an expression gives one JSON answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from velero.cron.expression import CronError, CronSchedule, Dialect, parse

MAX_RUNS: Final = 100_000
_INSTANT: Final = re.compile(r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d+))?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


class _BadLineError(ValueError):
    """The request itself is invalid; the message says why."""


def answer_line(request: object, now: datetime | None = None) -> dict[str, object]:
    """Answer with `next`, `no_next` or `error`; never raises. `now` replaces a missing `from`."""
    try:
        if not isinstance(request, Mapping):
            raise _BadLineError(f"each line must be a JSON object, not {_kind(request)}")
        schedule = _schedule(request)
        runs = schedule.runs(_from(request, now), _count(request))
    except CronError as error:
        return {"error": _error_text(error, request)}
    except _BadLineError as error:
        return {"error": str(error)}
    return {"next": [_format_time(run) for run in runs]} if runs else {"next": [], "no_next": True}


def _error_text(error: CronError, request: object) -> str:
    if isinstance(request, Mapping) and request.get("expr") == "":
        return "EMPTY"  # Velero never passes an empty expression to the library
    return f"PANIC: {error}" if error.panic else str(error)


def _schedule(request: Mapping[object, object]) -> CronSchedule:
    expr = _text(request, "expr", None)
    zone = _text(request, "server_tz", "UTC")
    name = _text(request, "dialect", Dialect.ROBFIG.value)
    try:
        dialect = Dialect(name)
    except ValueError:
        known = " or ".join(dialect.value for dialect in Dialect)
        raise _BadLineError(f"unknown dialect {name!r}; use {known}") from None
    return parse(expr, zone, dialect)


def _text(request: Mapping[object, object], key: str, default: str | None) -> str:
    value = request.get(key, default)
    if value is None and key not in request:
        raise _BadLineError(f"{key} is missing")
    if not isinstance(value, str):
        raise _BadLineError(f"{key} must be a string, not {_kind(value)}")
    return value


def _count(request: Mapping[object, object]) -> int:
    count = request.get("count", 1)
    if isinstance(count, bool) or not isinstance(count, int):
        raise _BadLineError(f"count must be a whole number, not {_kind(count)}")
    if not 1 <= count <= MAX_RUNS:
        raise _BadLineError(f"count must be from 1 to {MAX_RUNS}, not {count if abs(count) < 10**12 else 'that'}")
    return count


def _from(request: Mapping[object, object], now: datetime | None) -> datetime:
    if "from" not in request and now is not None:
        return now
    text = _text(request, "from", None)
    if not (found := _INSTANT.fullmatch(text)):
        raise _BadLineError(f"from must be a time such as 2026-11-21T14:30:00Z, not {text[:80]!r}")
    offset = "+00:00" if found[4] in "Zz" else found[4]
    try:
        return datetime.fromisoformat(f"{found[1]}T{found[2]}{offset}").astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _BadLineError(f"from isn't a valid time: {text[:80]!r}: {error}") from error


def _kind(value: object) -> str:
    names = {type(None): "null", bool: "true or false", int: "a number", float: "a number", str: "a string"}
    return names.get(type(value), "a list" if isinstance(value, list) else "an object")


def _format_time(run: datetime) -> str:
    return run.isoformat(timespec="seconds").replace("+00:00", "Z")
