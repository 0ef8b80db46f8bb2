"""Two requests for one namespace: the later one is told while the first waits, and refused once that was granted."""

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
TELLS = {"restore-asked", "restore-running"}


def other(state: State = State.AWAITING, *writes: str, minutes: float = -5, ident: str = "op-0") -> PendingRestore:
    """Of somebody else, five minutes ago."""
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
    return [(guard.code, guard.level) for guard in held.plans(line).guards if guard.code in TELLS]


def words(held: Shelf) -> str:
    return " ".join(guard.text for guard in held.plans(LINE).guards if guard.code in TELLS)


def test_alone_nothing_is_said() -> None:
    assert said(shelf()) == []


def test_one_that_waits_is_told_of() -> None:
    held = shelf(other())
    assert said(held) == [("restore-asked", Level.WARN)]
    assert "Restore r0 of the same namespaces waiting for approval already" in words(held)


@pytest.mark.parametrize("state", [State.APPROVED, State.SUBMITTING, State.SUBMITTED])
def test_one_that_was_granted_refuses_another(state: State) -> None:
    assert said(shelf(other(state))) == [("restore-running", Level.REFUSE)]


def test_granted_counts_whenever_it_was_asked_for() -> None:
    assert said(shelf(other(State.APPROVED, minutes=5))) == [("restore-running", Level.REFUSE)]


def test_the_first_of_two_is_not_held_up_by_the_second() -> None:
    assert said(shelf(other(minutes=5))) == []


def test_of_two_at_the_same_moment_one_is_the_later() -> None:
    assert said(shelf(other(minutes=0, ident="op-0"))) == [("restore-asked", Level.WARN)]
    assert said(shelf(other(minutes=0, ident="op-2"))) == []


def test_it_is_not_in_its_own_way() -> None:
    assert said(shelf(other(State.APPROVED, ident="op-1"))) == []


def test_another_namespace_is_no_matter() -> None:
    assert said(shelf(other(State.AWAITING, "billing"))) == []


@pytest.mark.parametrize("writes", [("*",), ("billing", "shop")])
def test_a_wider_one_counts(writes: tuple[str, ...]) -> None:
    assert said(shelf(other(State.AWAITING, *writes))) == [("restore-asked", Level.WARN)]


def test_the_target_of_a_mapping_is_what_counts() -> None:
    line = f"{LINE} --namespace-mappings shop:billing"
    assert said(shelf(other(State.AWAITING, "billing")), line) == [("restore-asked", Level.WARN)]
    assert said(shelf(other()), line) == []


def test_one_whose_object_is_there_is_judged_by_that() -> None:
    held = shelf(other(State.SUBMITTED))
    held.put("restores", resource("Restore", "r0", {"backupName": "b1"}, {"phase": "Completed"}))
    assert said(held) == []


def test_its_name_is_for_those_who_may_see_it() -> None:
    held = shelf(other(State.AWAITING, "shop", "billing")).sees_only("shop")
    assert "Another restore of the same namespaces" in words(held)
    assert "r0" not in words(held)


async def test_what_is_open_in_one_cluster(tmp_path) -> None:
    store = await Store.open(tmp_path, NOW, ballast=1024)
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
