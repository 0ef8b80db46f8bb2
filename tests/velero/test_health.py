"""Back-off and the health board."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from domain.errors import Forbidden, Throttled, Unauthenticated, Unreachable, VeleroMissing
from velero.backoff import Backoff
from velero.health import Condition, HealthBoard


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def test_a_new_board_is_starting():
    health = HealthBoard("prod", Clock()).get("Backup")
    assert health.condition is Condition.STARTING
    assert not health.ok
    assert health.last_ok is None


@pytest.mark.parametrize(
    ("error", "condition"),
    [
        (Unreachable("prod", "down"), Condition.UNREACHABLE),
        (Unauthenticated("prod", "who"), Condition.UNAUTHENTICATED),
        (Forbidden("prod", "no"), Condition.FORBIDDEN),
        (VeleroMissing("prod", "what"), Condition.MISSING),
        (Throttled("prod", "slow"), Condition.THROTTLED),
    ],
)
def test_each_failure_has_its_condition(error, condition):
    board = HealthBoard("prod", Clock())
    board.record_failure("Backup", error)
    assert board.get("Backup").condition is condition


def test_since_and_last_ok():
    board = HealthBoard("prod", Clock())
    board.record_ok("Backup")
    board.record_ok("Backup")
    heard = board.get("Backup")
    board.record_failure("Backup", Unreachable("prod", "Down.", why="refused"))
    began = board.get("Backup").since
    board.record_failure("Backup", Unreachable("prod", "Down.", why="timed out"))

    health = board.get("Backup")
    assert heard.since < heard.last_ok == health.last_ok < began == health.since
    assert health.reason == "Down. timed out"


def test_a_healthy_kind_has_no_reason():
    board = HealthBoard("prod", Clock())
    board.record_failure("Backup", Unreachable("prod", "Down."))
    board.record_ok("Backup")
    assert board.get("Backup").reason == ""
    assert board.degraded() == ()


def test_only_unhealthy_kinds_are_degraded():
    board = HealthBoard("prod", Clock())
    board.record_ok("Backup")
    board.record_failure("Restore", Forbidden("prod", "no"))
    assert [health.kind for health in board.degraded()] == ["Restore"]
    assert [health.kind for health in board.all()] == ["Backup", "Restore"]


def test_delays_double_up_to_the_cap():
    backoff = Backoff(Random(1), base=1.0, cap=8.0)
    waits = [backoff.next() for _ in range(6)]
    for wait, step in zip(waits, [1, 2, 4, 8, 8, 8], strict=True):
        assert step / 2 <= wait <= step


def test_delays_restart_after_a_success():
    backoff = Backoff(Random(1), base=1.0)
    for _ in range(5):
        backoff.next()
    backoff.reset()
    assert backoff.next() <= 1.0


def test_retry_after_is_a_minimum():
    assert Backoff(Random(1)).next(at_least=20.0) >= 20.0


def test_a_thousand_failures_do_not_overflow():
    backoff = Backoff(Random(1))
    assert max(backoff.next() for _ in range(2000)) <= 30.0


def test_ten_minutes_of_failures_are_few_requests():
    """At most thirty a minute."""
    backoff = Backoff(Random(1))
    spent, requests = 0.0, 0
    while spent < 60:
        spent += backoff.next()
        requests += 1
    assert requests <= 30
