"""Of two restores of one namespace, the later one gets a warning, and a refusal once the first is approved."""

from datetime import timedelta

import pytest

from commands.planning.facts import RecordTable
from commands.restore.conflicts import PendingRestore, read_pending_restores
from domain.actor import Origin, Way
from domain.operation import Operation, State
from domain.plan import Level
from domain.reach import Reach
from store.writer import Store
from tests.commands.shelf import NOW, Shelf, backup, location, namespace, resource, situation
from tests.operations.approving import plan_of

LINE = "restore create r1 --from-backup b1 --include-namespaces shop"
CONFLICT_CODES = {"restore-asked", "restore-running"}


def other(state: State = State.AWAITING, *writes: str, minutes: float = -5, ident: str = "op-0") -> PendingRestore:
    """A restore that someone else requested, by default five minutes ago."""
    inside = frozenset(writes or ("shop",))
    return PendingRestore(ident, "r0", state, NOW + timedelta(minutes=minutes), Reach(reads=inside, writes=inside))


def shelf(*others: PendingRestore) -> Shelf:
    held = Shelf(situation=situation(operation="op-1"), records={RecordTable.OPEN_RESTORES: list(others)})
    return (
        held.put("backups", backup("b1", includedNamespaces=["shop"]))
        .put("backupstoragelocations", location("default", default=True))
        .put("namespaces", namespace("shop"), namespace("billing"))
    )


def said(held: Shelf, line: str = LINE) -> list[tuple[str, Level]]:
    return [(guard.code, guard.level) for guard in held.plans(line).guards if guard.code in CONFLICT_CODES]


def words(held: Shelf) -> str:
    return " ".join(guard.text for guard in held.plans(LINE).guards if guard.code in CONFLICT_CODES)


def test_a_single_restore_has_no_conflict() -> None:
    assert said(shelf()) == []


def test_a_restore_waiting_for_approval_is_a_warning() -> None:
    held = shelf(other())
    assert said(held) == [("restore-asked", Level.WARN)]
    assert "Restore `r0` in the same namespaces is waiting for approval" in words(held)


@pytest.mark.parametrize("state", [State.APPROVED, State.SUBMITTING, State.SUBMITTED])
def test_an_approved_restore_refuses_another(state: State) -> None:
    assert said(shelf(other(state))) == [("restore-running", Level.REFUSE)]


def test_an_approved_restore_refuses_another_whenever_it_was_requested() -> None:
    assert said(shelf(other(State.APPROVED, minutes=5))) == [("restore-running", Level.REFUSE)]


def test_the_first_of_two_requests_has_no_warning() -> None:
    assert said(shelf(other(minutes=5))) == []


def test_two_requests_of_the_same_time_are_ordered_by_operation_id() -> None:
    assert said(shelf(other(minutes=0, ident="op-0"))) == [("restore-asked", Level.WARN)]
    assert said(shelf(other(minutes=0, ident="op-2"))) == []


def test_a_restore_does_not_conflict_with_itself() -> None:
    assert said(shelf(other(State.APPROVED, ident="op-1"))) == []


def test_a_restore_of_another_namespace_is_no_conflict() -> None:
    assert said(shelf(other(State.AWAITING, "billing"))) == []


@pytest.mark.parametrize("writes", [("*",), ("billing", "shop")])
def test_a_restore_of_more_namespaces_is_a_conflict(writes: tuple[str, ...]) -> None:
    assert said(shelf(other(State.AWAITING, *writes))) == [("restore-asked", Level.WARN)]


def test_a_mapping_conflicts_by_its_target() -> None:
    line = f"{LINE} --namespace-mappings shop:billing"
    assert said(shelf(other(State.AWAITING, "billing")), line) == [("restore-asked", Level.WARN)]
    assert said(shelf(other()), line) == []


def test_a_finished_restore_object_is_no_conflict() -> None:
    held = shelf(other(State.SUBMITTED))
    held.put("restores", resource("Restore", "r0", {"backupName": "b1"}, {"phase": "Completed"}))
    assert said(held) == []


def test_a_hidden_restore_is_not_named() -> None:
    held = shelf(other(State.AWAITING, "shop", "billing")).sees_only("shop")
    assert "Another restore in the same namespaces" in words(held)
    assert "r0" not in words(held)


async def test_only_open_restores_of_the_cluster_are_read(tmp_path) -> None:
    store = await Store.open(tmp_path, NOW, reserve_bytes=1024)
    try:
        for ident, cluster, noun, state in (
            ("op-a", "prod", "restore", State.AWAITING),
            ("op-b", "prod", "restore", State.REJECTED),
            ("op-c", "staging", "restore", State.AWAITING),
            ("op-d", "prod", "backup", State.APPROVED),
        ):
            operation = Operation(
                ident, cluster, noun, "create", "r0", "U1", state, "restore create r0", "f" * 64, NOW, NOW
            )
            plan = plan_of("r0", reach=Reach(writes=frozenset({"shop"})))
            await store.write(lambda tx, one=operation, its=plan: tx.operations.insert(one, its, Origin(Way.SLASH)))
        found = await store.read(lambda tx: read_pending_restores(tx, "prod"))
    finally:
        await store.close()
    assert [(one.operation, one.name, one.reach.writes) for one in found] == [("op-a", "r0", frozenset({"shop"}))]
