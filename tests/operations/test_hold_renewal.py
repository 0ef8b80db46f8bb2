"""Pausing schedules during a restore: renewed while it runs, ends automatically, and isn't reported as a skip by others."""

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from commands.restore import schedule_hold
from domain.actor import Origin, Way
from domain.decision import recovered
from domain.operation import Operation, State
from domain.plan import Plan, Step, StepMode, StepVerb
from domain.reach import Reach
from operations.executor import Executor
from operations.hold_renewal import HoldRenewal
from operations.step_runner import StepRunner
from tests.operations.approving import NOW, Desk, cluster_in
from tests.operations.test_step_runner import made
from tracking.schedule_reconciler import ScheduleReconciler
from velero.cluster import Cluster, ClusterSettings
from velero.connection import Direct

HOLD = Step(
    StepVerb.PATCH, "Schedule", "schedules", "nightly", {"status": {"lastSkipped": "2026-11-21T12:20:00Z"}}, "velero",
    mode=StepMode.SCHEDULE_HOLD,
)  # fmt: skip
PLAN = Plan("prod", "restore", "create", (HOLD, made("Restore", "r1")), Reach(), subject="r1")
CLICK = Plan("prod", "schedule", "pause", (replace(HOLD, held_for="op-r1"),), Reach(), subject="nightly")


def runner_over(desk, executor):
    renewal = HoldRenewal(desk.store, executor.clusters, lambda: desk.now)
    return StepRunner(desk.store, executor, lambda: desk.now, {schedule_hold.RENEW_KIND: renewal.renew})


class House:
    """One restore that holds one schedule, with the keeper beside it."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        clusters = {"prod": desk.cluster}
        self.keeper = ScheduleReconciler(desk.store, clusters, lambda: desk.now)
        self.continuing = runner_over(desk, desk.executor)

    async def _kept(self, ident: str, plan: Plan, state: State) -> None:
        now, line = self.desk.now, f"{plan.noun} {plan.verb} {plan.subject}"
        operation = Operation(
            ident, "prod", plan.noun, plan.verb, plan.subject, "UADA", state, line, plan.fingerprint, NOW, now
        )
        await self.desk.store.write(lambda tx: tx.operations.insert(operation, plan, Origin(Way.SLASH)))

    async def runs(self, ident: str) -> None:
        operation, plan = await self.desk.store.read(
            lambda tx: (tx.operations.get(ident), tx.operations.load_plan(ident))
        )
        await self.desk.executor.execute(recovered(operation, plan))

    async def restores(self) -> None:
        await self._kept("op-r1", PLAN, State.APPROVED)
        await self.runs("op-r1")

    async def waits(self) -> None:
        """It was asked for, and nobody has agreed yet."""
        await self._kept("op-r1", PLAN, State.AWAITING)

    async def clicks(self) -> None:
        """`Hold schedules` on the restore's request: an operation of its own, bound to the restore's."""
        await self._kept("op-click", CLICK, State.APPROVED)
        await self.runs("op-click")

    async def later(self, minutes: float) -> None:
        self.desk.now += timedelta(minutes=minutes)
        await self.keeper.round()
        await self.continuing.round()
        await self.keeper.round()

    async def ends(self, state: State = State.SUCCEEDED) -> None:
        def write(tx) -> None:
            current = tx.operations.get("op-r1")
            tx.operations.advance(current.advance(state, self.desk.now), current.revision)

        await self.desk.store.write(write)

    def skip(self, until: str | None) -> None:
        self.desk.objects.patch("schedules", "velero", "nightly", {"status": {"lastSkipped": until}})

    @property
    def skipped(self) -> str:
        """Hours and minutes until which nothing runs."""
        return self.desk.objects.find("schedules", "velero", "nightly")["status"]["lastSkipped"][11:16]

    async def told(self) -> list[str]:
        return [event.kind for event in await self.desk.store.read(lambda tx: tx.outbox.unrouted(100))]

    async def holds(self) -> int:
        return await self.desk.store.read(lambda tx: len(tx.deadlines.open(schedule_hold.RENEW_KIND)))


@pytest.fixture
async def house(tmp_path):
    async with cluster_in(tmp_path) as (store, cluster, objects):
        spec = {"schedule": "0 * * * *", "template": {"includedNamespaces": ["shop"]}}
        objects.create("schedules", "velero", {"metadata": {"name": "nightly"}, "spec": spec, "status": {}})
        house = House(Desk(store, cluster, objects))
        await house.keeper.round()
        yield house


async def test_it_is_held_before_the_restore_is_made(house):
    await house.restores()
    assert house.skipped == "12:20"
    assert len(house.desk.restores) == 1


async def test_after_a_long_wait_for_approval_it_is_held_from_then_on(house):
    house.desk.now += timedelta(hours=2)
    await house.restores()
    assert house.skipped == "14:20"


async def test_it_is_renewed_while_the_restore_runs(house):
    await house.restores()
    for _ in range(12):
        await house.later(5)
    assert house.skipped == "13:20"


async def test_it_ends_by_itself_after_the_restore(house):
    await house.restores()
    await house.later(5)
    await house.ends()
    await house.later(5)
    await house.later(30)
    assert house.skipped == "12:25"
    assert await house.holds() == 0


async def test_skips_of_the_hold_are_not_reported_as_made_by_others(house):
    await house.restores()
    for _ in range(4):
        await house.later(5)
    await house.ends()
    await house.later(60)
    assert [kind for kind in await house.told() if kind.startswith("schedule.")] == []


async def test_a_longer_skip_by_someone_else_is_reported_and_kept(house):
    await house.restores()
    house.skip("2026-11-21T18:00:00Z")
    await house.later(5)
    await house.later(5)
    assert house.skipped == "18:00"
    assert "schedule.skipped-outside" in await house.told()


async def test_a_longer_skip_is_not_shortened(house):
    house.skip("2026-11-21T18:00:00Z")
    await house.restores()
    assert house.skipped == "18:00"


async def test_who_resumes_it_has_the_last_word(house):
    await house.restores()
    house.skip("2026-11-21T12:01:00Z")
    for _ in range(3):
        await house.later(5)
    assert house.skipped == "12:01"
    assert await house.holds() == 0


async def test_a_missing_schedule_blocks_nothing(house):
    house.desk.objects.delete("schedules", "velero", "nightly")
    await house.restores()
    assert len(house.desk.restores) == 1
    assert await house.holds() == 0


async def test_one_that_goes_meanwhile_is_forgotten(house):
    await house.restores()
    house.desk.objects.delete("schedules", "velero", "nightly")
    await house.later(5)
    assert await house.holds() == 0


async def test_a_restart_renews_what_is_due(house):
    await house.restores()
    house.desk.restart()
    again = House(house.desk)
    await again.later(15)
    assert again.skipped == "12:35"


async def test_an_unresponsive_cluster_is_retried(house):
    await house.restores()
    desk = house.desk
    away = Cluster(ClusterSettings("prod", Direct("http://127.0.0.1:1", "t")), now=lambda: NOW, random=Random(1))
    desk.now += timedelta(minutes=5)
    await runner_over(desk, Executor(desk.store, {"prod": away}, lambda: desk.now)).round()
    await away.close()
    assert house.skipped == "12:20"
    await house.later(1)
    assert house.skipped == "12:26"


# held by a click


async def test_a_click_holds_while_the_restore_waits_for_approval(house):
    await house.waits()
    await house.clicks()
    assert house.skipped == "12:20"
    for _ in range(12):
        await house.later(5)
    assert house.skipped == "13:20"


async def test_a_click_ends_by_itself_after_the_request_is_settled(house):
    await house.waits()
    await house.clicks()
    await house.later(5)
    await house.ends(State.REJECTED)
    for _ in range(6):
        await house.later(5)
    assert house.skipped == "12:25"
    assert await house.holds() == 0


async def test_a_hold_by_click_lasts_through_the_run(house):
    await house.restores()
    await house.clicks()
    await house.later(5)
    assert house.skipped == "12:25"
    assert await house.holds() == 1
    assert [kind for kind in await house.told() if kind == "schedule.skipped-outside"] == []
