"""What became of a backup whose record vanished: said only as far as it is known, and corrected when it comes back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.actor import Origin, Way
from domain.event import Event, Severity
from domain.operation import Operation, State
from domain.plan import Plan
from domain.reach import Reach
from store.tables.observed import Observed
from store.transaction import Transaction
from tracking import vanished_backups, vanished_settlement
from tracking.observation import TrackingContext
from tracking.vanished_backups import VanishedFate, fate_of, missed_by_sync
from tracking.vanished_settlement import settle

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HERE = TrackingContext("prod", "c1", NOW, first=False)
LAG = timedelta(seconds=5)
LATER = replace(HERE, now=NOW + LAG)


def backup(uid: str = "u1", phase: str = "Completed", **facts: Any) -> Observed:
    known = {"created": "2026-11-20T01:00:00Z", "started": "2026-11-20T01:00:02Z", "location": "default"}
    return Observed(uid, "b1", phase, NOW, known | facts)


def request(phase: str = "Processed", *, uid: str = "u1", **facts: Any) -> Observed:
    known = {"backup": "b1", "backup_uid": uid, "errors": [], "created": "2026-11-21T11:59:59Z"}
    return Observed(f"r-{phase}-{uid}", "d1", phase, NOW, known | facts)


def gone(tx: Transaction, *requests: Observed, one: Observed | None = None) -> None:
    tx.observed.put("prod", vanished_backups.VANISHED_KIND, [vanished_backups.row_of(one or backup(), NOW)])
    tx.observed.put("prod", vanished_settlement.REQUEST_KIND, requests)


def told(tx: Transaction, setting: TrackingContext = HERE) -> list[Event]:
    return settle(tx, setting, LAG)[0]


def operation(tx: Transaction, state: State, ident: str = "op-1") -> None:
    made = Operation(ident, "prod", "backup", "delete", "b1", "U1", state, "backup delete b1", "f", NOW, NOW)
    plan = Plan(cluster="prod", noun="backup", verb="delete", steps=(), reach=Reach(), evidence={"uids": {"b1": "u1"}})
    tx.operations.insert(made, plan, Origin(Way.SLASH))


def test_a_request_that_velero_processed_is_a_deletion(tx: Transaction) -> None:
    gone(tx, request())
    (event,) = told(tx)
    assert (event.kind, event.severity) == ("backup.deleted", Severity.SECURITY)
    assert event.facts["fate"] == VanishedFate.DELETED
    assert "without approval" in event.facts["headline"]


@pytest.mark.parametrize(
    "other",
    [
        request(errors=["cannot delete backup because backup storage location default is currently in read-only mode"]),
        request(uid="u0", created="2026-11-19T00:00:00Z"),
        request("", removed="seen"),
        request("InProgress", removed="seen"),
        request(backup="b2"),
    ],
    ids=["refused", "of an earlier backup", "overtaken", "removed by hand", "of another"],
)
def test_any_other_request_is_none(tx: Transaction, other: Observed) -> None:
    gone(tx, other, one=backup(phase="Deleting"))
    assert told(tx) == []
    (event,) = told(tx, LATER)
    assert (event.kind, event.severity) == ("backup.gone", Severity.WARNING)


def test_a_request_that_is_under_way_is_waited_for(tx: Transaction) -> None:
    gone(tx, request("InProgress"), one=backup(phase="Deleting"))
    assert told(tx, LATER) == []
    tx.observed.remove("prod", vanished_settlement.REQUEST_KIND, [request("InProgress").uid])
    tx.observed.put("prod", vanished_settlement.REQUEST_KIND, [request()])
    assert [event.kind for event in told(tx, LATER)] == ["backup.deleted"]


def test_one_that_is_never_finished_is_not_waited_for_for_ever(tx: Transaction) -> None:
    gone(tx, request("InProgress"))
    after = replace(HERE, now=NOW + vanished_backups.REQUEST_TIMEOUT)
    assert [event.kind for event in told(tx, after)] == ["backup.gone"]


def test_a_request_with_a_wrong_uid_deletes_all_the_same(tx: Transaction) -> None:
    gone(tx, request(uid="somebody's"))
    assert [event.kind for event in told(tx)] == ["backup.deleted"]


@pytest.mark.parametrize("state", [State.PLANNED, State.AWAITING, State.APPROVED])
def test_what_was_not_granted_explains_nothing(tx: Transaction, state: State) -> None:
    operation(tx, state)
    gone(tx, request(operation="op-1"))
    (event,) = told(tx)
    assert (event.operation, event.severity) == ("", Severity.SECURITY)
    assert tx.operations.get("op-1").state is state


@pytest.mark.parametrize("named", ["op-1", ""])
def test_what_was_granted_explains_the_deletion_and_ends_with_it(tx: Transaction, named: str) -> None:
    operation(tx, State.SUBMITTED)
    gone(tx, request(operation=named))
    (event,) = told(tx)
    assert (event.kind, event.operation, event.severity) == ("backup.deleted", "op-1", Severity.INFO)
    assert tx.operations.get("op-1").state is State.SUCCEEDED


def test_a_record_that_went_while_ours_is_refused_ends_no_operation_well(tx: Transaction) -> None:
    operation(tx, State.SUBMITTED)
    gone(tx, request(operation="op-1", errors=["read-only"]))
    told(tx, LATER)
    assert tx.operations.get("op-1").state is State.SUBMITTED


def test_what_had_expired_is_no_warning(tx: Transaction) -> None:
    gone(tx, one=backup(expires="2026-11-21T11:00:00Z"))
    (event,) = told(tx, LATER)
    assert (event.kind, event.severity) == ("backup.gone", Severity.INFO)


def test_what_never_ran_had_no_data(tx: Transaction) -> None:
    gone(tx, request(), one=backup(started=""))
    (event,) = told(tx)
    assert event.facts["headline"] == "Backup b1 was deleted without approval"
    gone(tx, one=backup("u2", started="", created="2026-11-21T12:00:00Z"))
    (event,) = told(tx, LATER)
    assert event.facts["message"] == "It never ran, so no data was lost."


@pytest.mark.parametrize(("requests", "earlier"), [((request(),), "deleted"), ((), "gone")])
def test_what_comes_back_corrects_the_earlier_word(tx: Transaction, requests: Any, earlier: str) -> None:
    gone(tx, *requests)
    told(tx, LATER)
    synced = backup("u9", created="2026-11-21T12:01:00Z")
    (event,) = vanished_settlement.handle_returned(tx, LATER, [synced])
    assert (event.kind, event.severity) == ("backup.returned", Severity.RECOVERY)
    assert f"reported as {earlier} at 2026-11-21 12:00 UTC" in event.facts["message"]
    assert vanished_settlement.handle_returned(tx, LATER, [synced]) == []


def test_a_new_run_of_that_name_is_not_the_old_one(tx: Transaction) -> None:
    gone(tx, request())
    told(tx)
    assert vanished_settlement.handle_returned(tx, LATER, [backup("u9", started="2026-11-21T12:03:00Z")]) == []


def test_a_record_that_is_back_before_anything_was_told_is_no_news(tx: Transaction) -> None:
    gone(tx)
    assert vanished_settlement.handle_returned(tx, HERE, [backup("u9")]) == []
    assert told(tx, LATER) == []


def test_two_syncs_without_it_show_that_its_data_are_gone() -> None:
    row = vanished_backups.settle_backup(LATER, vanished_backups.row_of(backup(), NOW), (), LAG).row
    before = NOW - timedelta(seconds=1)
    once, twice = NOW + timedelta(minutes=1), NOW + timedelta(minutes=2)
    assert missed_by_sync(LATER, row, before) is None
    seen = missed_by_sync(LATER, row, once)
    assert seen.event is None
    assert missed_by_sync(LATER, seen.row, once) is None
    found = missed_by_sync(LATER, seen.row, twice)
    assert (found.event.kind, fate_of(found.row)) == ("backup.data-gone", VanishedFate.LOST)
