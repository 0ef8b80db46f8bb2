"""Conditions that begin and end: told once each way, from what the store keeps and not from what a process remembers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from commands import conditions
from commands.conditions import ConditionKind, ConditionSign
from domain.event import Event, Severity
from store.retention import RetentionPolicy
from store.transaction import Transaction
from tests.pruning import prune
from velero.health import Condition as State
from velero.health import Health

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def look(tx: Transaction, *found: ConditionSign, minutes: int = 0) -> list[str]:
    """One look of a process that remembers nothing itself."""
    standing = tx.conditions.all_current("prod")
    changed, events = conditions.update_conditions(standing, found, "prod", "c1", NOW + minutes * MINUTE)
    for each in changed:
        tx.conditions.put(each)
    return [event.kind for event in events if tx.outbox.add(event)]


def silent(*, holds: bool = True) -> ConditionSign:
    return ConditionSign(ConditionKind.SILENT, holds=holds)


def test_told_at_the_second_look_and_never_again(tx: Transaction) -> None:
    assert [look(tx, silent(), minutes=minute) for minute in range(5)] == [[], ["velero.silent"], [], [], []]


def test_its_end_is_told_once(tx: Transaction) -> None:
    for minute in range(3):
        look(tx, silent(), minutes=minute)
    assert look(tx, silent(holds=False), minutes=4) == ["velero.back"]
    assert look(tx, silent(holds=False), minutes=5) == []


def test_one_look_alone_is_no_news_but_part_of_the_history(tx: Transaction) -> None:
    assert look(tx, silent()) == []
    assert look(tx, silent(holds=False), minutes=1) == []
    history = tx.conditions.since("prod", NOW - MINUTE)
    assert conditions.find_cause(history, ConditionKind.SILENT, NOW - MINUTE, NOW) is not None
    assert conditions.find_cause(history, ConditionKind.SILENT, NOW - 2 * MINUTE, NOW - MINUTE) is None


def test_each_outage_is_told(tx: Transaction) -> None:
    told = [look(tx, silent(holds=minute % 4 in {1, 2}), minutes=minute) for minute in range(8)]
    assert [kind for kinds in told for kind in kinds] == ["velero.silent", "velero.back"] * 2


@pytest.mark.parametrize(
    ("state", "holding"),
    [
        (State.OK, set()),
        (State.MISSING, set()),
        (State.UNREACHABLE, {ConditionKind.UNREACHABLE}),
        (State.UNAUTHENTICATED, {ConditionKind.ACCESS}),
        (State.FORBIDDEN, {ConditionKind.ACCESS}),
        (State.THROTTLED, set()),
    ],
)
def test_what_health_says_of_a_cluster(state: State, holding: set[ConditionKind]) -> None:
    found = conditions.signs_of_health(Health("prod", "api", state, NOW))
    assert {sign.kind for sign in found if sign.holds} == holding


def test_a_cluster_that_does_not_answer_says_nothing_of_access(tx: Transaction) -> None:
    refused = conditions.signs_of_health(Health("prod", "api", State.UNAUTHENTICATED, NOW))
    away = conditions.signs_of_health(Health("prod", "api", State.UNREACHABLE, NOW))
    well = conditions.signs_of_health(Health("prod", "api", State.OK, NOW))
    told = [look(tx, *each, minutes=minute) for minute, each in enumerate([refused, refused, away, away, well])]
    assert told == [
        [],
        ["cluster.access-lost"],
        [],
        ["cluster.unreachable"],
        ["cluster.reachable", "cluster.access-back"],
    ]


def event(kind: str, name: str = "default", at: datetime = NOW, **facts: Any) -> Event:
    return Event(kind, "prod", "c1", "BackupStorageLocation", "u1", name, kind, at, Severity.FAILURE, facts=facts)


def test_what_other_watches_tell_is_in_the_same_history(tx: Transaction) -> None:
    conditions.record_event(tx, event("location.unavailable"))
    conditions.record_event(tx, event("location.unavailable", at=NOW + MINUTE))
    assert [each.since for each in tx.conditions.all_current("prod")] == [NOW]
    conditions.record_event(tx, event("location.available", "other", NOW + 2 * MINUTE))
    assert len(tx.conditions.all_current("prod")) == 1
    conditions.record_event(tx, event("location.available", at=NOW + 3 * MINUTE))
    assert tx.conditions.all_current("prod") == ()


def test_what_stands_is_never_pruned(tx: Transaction) -> None:
    conditions.record_event(tx, event("location.unavailable"))
    conditions.record_event(tx, event("location.unavailable", "other"))
    conditions.record_event(tx, event("location.available", at=NOW + MINUTE))
    prune(tx, NOW + timedelta(days=100), RetentionPolicy())
    assert [each.subject for each in tx.conditions.since("prod", NOW)] == ["other"]


@pytest.mark.parametrize(
    ("end", "severity", "told_as"),
    [
        ("completed", Severity.INFO, Severity.RECOVERY),
        ("failed", Severity.FAILURE, Severity.FAILURE),
        ("gone", Severity.WARNING, Severity.WARNING),
    ],
)
def test_a_run_that_was_stuck_is_told_when_it_ends(tx: Transaction, end: str, severity: Severity, told_as: Any) -> None:
    stuck = replace(event("backup.stuck-in-queue", "b1"), object_uid="u1")
    ended = replace(event(f"backup.{end}", "b1"), object_uid="u1", severity=severity)
    conditions.record_event(tx, stuck)
    assert conditions.record_event(tx, replace(ended, object_uid="u2")).severity is severity
    assert conditions.record_event(tx, ended).severity is told_as
    assert tx.conditions.all_current("prod") == ()
    assert conditions.record_event(tx, ended).severity is severity
