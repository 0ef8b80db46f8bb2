"""Hours in which a rule holds."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest

from policy.time_windows import TimeWindow


@pytest.mark.parametrize(
    ("window", "at", "is_open"),
    [
        (TimeWindow(), "2026-11-18T10:00", True),
        (TimeWindow(("wed",)), "2026-11-18T00:00", True),
        (TimeWindow(("wed",)), "2026-11-19T00:00", False),
        (TimeWindow(since=time(9), until=time(17)), "2026-11-18T09:00", True),
        (TimeWindow(since=time(9), until=time(17)), "2026-11-18T17:00", False),
        (TimeWindow(("fri",), time(22), time(6)), "2026-11-20T23:00", True),
        (TimeWindow(("fri",), time(22), time(6)), "2026-11-21T05:59", True),
        (TimeWindow(("fri",), time(22), time(6)), "2026-11-20T05:00", False),
        (TimeWindow(("fri",), time(22), time(6)), "2026-11-21T06:00", False),
        (TimeWindow(since=time(16), until=time(17), zone="Europe/Berlin"), "2026-11-18T15:30", True),
        (TimeWindow(since=time(16), until=time(17), zone="Europe/Berlin"), "2026-07-15T15:30", False),
        (TimeWindow(("thu",), zone="Asia/Tokyo"), "2026-11-18T15:30", True),
    ],
)
def test_open(window: TimeWindow, at: str, is_open: bool) -> None:
    assert window.is_open(datetime.fromisoformat(at).replace(tzinfo=UTC)) is is_open


def test_it_says_its_hours() -> None:
    assert TimeWindow(("sat", "sun"), zone="Asia/Tokyo").describe() == "sat, sun 00:00-00:00 Asia/Tokyo"
