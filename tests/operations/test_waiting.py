"""Open requests as `status` lists them: requester, age and number of approvals."""

from dataclasses import replace
from datetime import timedelta

import pytest

from commands.planning import pending_approvals
from commands.planning.facts import RecordTable
from domain.reach import Reach
from tests.commands.shelf import Shelf, shown
from tests.operations.approving import Desk, cluster_in, plan_of
from tests.operations.test_reminding import breaks

SHOP = Reach(reads=frozenset({"shop"}), writes=frozenset({"shop"}))
BOTH = Reach(reads=frozenset({"shop", "bank"}), writes=frozenset({"shop", "bank"}))


@pytest.fixture
async def desk(tmp_path):
    async with cluster_in(tmp_path) as (store, cluster, objects):
        desk = Desk(store, cluster, objects)
        desk.plan = plan_of("r1", reach=SHOP)
        await desk.ask()
        yield desk


async def status(desk, *sees):
    """What somebody is told who may see these namespaces; all of them where none is named."""
    shelf = Shelf(status={"serverVersion": "v1.18.2"})
    shelf.situation = replace(shelf.situation, now=desk.now)
    shelf.records[RecordTable.OPEN_APPROVALS] = await desk.store.read(
        lambda tx: pending_approvals.read_pending_approvals(tx, "prod")
    )
    return shown((shelf.sees_only(*sees) if sees else shelf).says("status"))


async def test_a_request_shows_requester_age_and_votes(desk):
    await desk.votes("bob")
    desk.now += timedelta(minutes=5)
    told = await status(desk)
    assert "restore create r1  prod  Ada  5m ago  1 of 2" in told
    assert "1 request waiting for approval." in told


async def test_no_line_without_waiting_requests(desk):
    await desk.withdraws()
    assert "approval" not in (await status(desk)).lower()


async def test_a_rejection_settles_it(desk):
    await desk.rejects("bob")
    assert "approval" not in (await status(desk)).lower()


async def test_a_break_glass_run_is_listed_until_it_is_reviewed(desk):
    await desk.withdraws()
    await breaks(desk, 0)
    assert "restore create g0 (ran through break-glass, needs a review)  prod  Ada" in await status(desk)
    assert "0 of " in await status(desk)
    desk.name = "glass0"
    await desk.rejects("bob")
    assert "behind a broken glass" not in await status(desk)


async def test_the_five_oldest_and_how_many_there_are(desk):
    for number in range(2, 8):
        desk.name = f"r{number}"
        desk.now += timedelta(minutes=1)
        desk.plan = plan_of(desk.name, reach=SHOP)
        await desk.ask()
    told = await status(desk)
    assert "7 requests waiting for approval. Showing the 5 oldest." in told
    assert [name for name in ("r1", "r5", "r6", "r7") if f"create {name} " in told] == ["r1", "r5"]


async def test_a_tenant_sees_that_of_their_own_namespaces(desk):
    assert "restore create r1  prod  Ada" in await status(desk, "shop")


async def test_of_others_a_tenant_sees_nothing_not_even_how_many(desk):
    assert "approval" not in (await status(desk, "bank")).lower()


async def test_of_what_also_reaches_others_only_that_it_waits(desk):
    desk.name, desk.plan = "wide", plan_of("wide", reach=BOTH)
    await desk.ask()
    told = await status(desk, "bank")
    assert "restore create (others)  prod  (others)" in told
    assert "wide" not in told
    assert "Ada" not in told


async def test_links_lead_to_the_requests(desk):
    rows = await desk.store.read(lambda tx: pending_approvals.read_pending_approvals(tx, "prod"))
    shelf = Shelf(
        records={RecordTable.OPEN_APPROVALS: [replace(row, link="https://example.com/archives/C1/p1") for row in rows]}
    )
    assert "restore create r1: https://example.com/archives/C1/p1" in shown(shelf.says("status"))


async def test_those_of_another_cluster_are_not_this_one_s(desk):
    assert await desk.store.read(lambda tx: pending_approvals.read_pending_approvals(tx, "staging")) == []
