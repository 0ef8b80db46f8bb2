"""DESIGN §7, *Schedules*: every sentence about the horizon `status.lastSkipped`, on a real server.

Velero looks at its schedules once a minute, so each of these takes minutes. All stories therefore begin together, in
the same minutes, and each test waits for the end of its own. A run is told by the Backup that appears.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.api import Json, Recorder, Seen
from tests.e2e.cluster import RealCluster, namespace
from tests.e2e.objects import schedule

MINUTE = timedelta(minutes=1)
EVERY_MINUTE = "* * * * *"
NEVER = "0 0 29 2 *"
LATE = 62.0  # the server's look comes within a minute after the run is due
AT_ONCE = 10.0
BEHIND = 4.0  # seconds between the look and its run, on a busy machine


def now() -> datetime:
    return datetime.now(UTC)


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def next_minute(after: datetime) -> datetime:
    return after.replace(second=0, microsecond=0) + MINUTE


async def sleep_until(at: datetime) -> None:
    await asyncio.sleep(max(0.0, (at - now()).total_seconds()))


async def enough_of_this_minute() -> None:
    """Stories count occurrences from when they begin: none may pass while they lay out their schedules."""
    if now().second >= 45:
        await sleep_until(next_minute(now()) + timedelta(seconds=1))


@dataclass(frozen=True, slots=True)
class Line:
    """One schedule under trial, with a namespace of its own so that no queue holds it back."""

    name: str
    cluster: RealCluster
    backups: Recorder
    created: datetime

    async def patch(self, body: Json) -> Json:
        return await self.cluster.api.patch("schedules", self.name, body)

    async def skip_until(self, horizon: datetime | None) -> Json:
        return await self.patch({"status": {"lastSkipped": None if horizon is None else stamp(horizon)}})

    async def seen(self) -> Json:
        found = await self.cluster.api.get("schedules", self.name)
        assert found is not None
        return found

    @property
    def runs(self) -> list[datetime]:
        mine = [event for event in self.backups.events if event.kind == "ADDED" and self._is_mine(event)]
        return [moment(event.object["metadata"]["creationTimestamp"]) for event in mine]

    def _is_mine(self, event: Seen) -> bool:
        labels: Json = event.object["metadata"].get("labels", {})
        return labels.get("velero.io/schedule-name") == self.name

    async def runs_next_at(self, due: datetime) -> None:
        """The one and only next run is that of `due`: not before, and at the server's first look after."""
        before = self.runs
        within = (due - now()).total_seconds() + LATE
        await self.backups.until(lambda _: len(self.runs) > len(before), within)
        run = self.runs[len(before)]
        assert due <= run <= due + timedelta(seconds=LATE), f"due {due}, ran {run}"

    async def runs_at_once(self) -> None:
        before = self.runs
        await self.backups.until(lambda _: len(self.runs) > len(before), AT_ONCE)

    async def misses(self, occurrence: datetime) -> None:
        """Waits until the server has looked after `occurrence`, and nothing came of it."""
        before = self.runs
        await sleep_until(occurrence + timedelta(seconds=LATE))
        assert self.runs == before


@dataclass(frozen=True, slots=True)
class Ground:
    """Where stories make their schedules."""

    cluster: RealCluster
    backups: Recorder
    restarted: asyncio.Future[datetime]
    """When the server was started again, which one of the stories does before anything runs."""

    async def schedule(self, name: str, cron: str = EVERY_MINUTE) -> Line:
        name = f"horizon-{name}"
        await self.cluster.api.apply(namespace(name))
        made = await self.cluster.api.create("schedules", schedule(name, cron, name))
        await self.cluster.api.wait_phase("schedules", name, "Enabled")
        return Line(name, self.cluster, self.backups, moment(made["metadata"]["creationTimestamp"]))

    async def paused_schedule(self, name: str) -> Line:
        line = await self.schedule(name)
        await line.patch({"spec": {"paused": True}})
        return line


Story = Callable[[Ground], Awaitable[None]]


async def unskipped_it_runs_at_every_occurrence(ground: Ground) -> None:
    line = await ground.schedule("control")
    first = next_minute(line.created)
    await line.runs_next_at(first)
    await line.runs_next_at(first + MINUTE)


async def skipping_one_omits_the_first_and_keeps_the_second(ground: Ground) -> None:
    line = await ground.schedule("skip-one")
    first = next_minute(line.created)
    await line.skip_until(first)
    await line.runs_next_at(first + MINUTE)


async def skipping_two_omits_two_and_keeps_the_third(ground: Ground) -> None:
    line = await ground.schedule("skip-two")
    first = next_minute(line.created)
    await line.skip_until(first + MINUTE)
    await line.runs_next_at(first + 2 * MINUTE)


async def a_skip_is_absolute_and_idempotent(ground: Ground) -> None:
    line = await ground.schedule("twice")
    first = next_minute(line.created)
    await line.skip_until(first)
    await line.skip_until(first)
    await line.runs_next_at(first + MINUTE)


async def a_horizon_need_not_be_an_occurrence(ground: Ground) -> None:
    line = await ground.schedule("until-a-time")
    until = next_minute(line.created) + timedelta(seconds=37)
    await line.skip_until(until)
    await line.runs_next_at(next_minute(until))


async def the_server_keeps_the_horizon(ground: Ground) -> None:
    line = await ground.schedule("kept")
    horizon = next_minute(line.created) + MINUTE
    await line.skip_until(horizon)
    await line.misses(next_minute(line.created))
    assert (await line.seen())["status"]["lastSkipped"] == stamp(horizon)


async def the_horizon_outlasts_the_server(ground: Ground) -> None:
    line = await ground.schedule("outlasts")
    horizon = next_minute(line.created) + 60 * MINUTE
    await line.skip_until(horizon)
    await ground.cluster.velero.restart()
    ground.restarted.set_result(now())
    await line.misses(next_minute(line.created))
    assert (await line.seen())["status"]["lastSkipped"] == stamp(horizon)


async def a_schedule_that_was_made_paused_has_no_phase(ground: Ground) -> None:
    line = await ground.schedule("before")
    made = schedule("horizon-made-paused", EVERY_MINUTE, "nowhere", paused=True)
    await ground.cluster.api.create("schedules", made)
    await line.runs_next_at(next_minute(line.created))
    after = await ground.cluster.api.get("schedules", "horizon-made-paused")
    assert after is not None
    assert "phase" not in after.get("status", {})


async def resumed_without_a_horizon_what_is_overdue_runs_at_once(ground: Ground) -> None:
    line = await ground.paused_schedule("bare-resume")
    await sleep_until(next_minute(line.created) + timedelta(seconds=1))
    assert line.runs == []
    await line.patch({"spec": {"paused": False}})
    await line.runs_at_once()


async def resumed_with_the_horizon_at_now_nothing_overdue_runs(ground: Ground) -> None:
    line = await ground.paused_schedule("resume")
    await sleep_until(next_minute(line.created) + timedelta(seconds=1))
    resumed = now()
    await line.patch({"spec": {"paused": False}, "status": {"lastSkipped": stamp(resumed)}})
    await line.runs_next_at(next_minute(resumed))


async def resumed_with_a_horizon_that_is_later_than_now_it_stays_skipped_until_then(ground: Ground) -> None:
    line = await ground.paused_schedule("resume-late")
    await sleep_until(next_minute(line.created) + timedelta(seconds=1))
    horizon = next_minute(now())
    await line.patch({"spec": {"paused": False}, "status": {"lastSkipped": stamp(horizon)}})
    await line.runs_next_at(horizon + MINUTE)


async def edited_without_a_horizon_what_the_new_times_make_overdue_runs_at_once(ground: Ground) -> None:
    line = await ground.schedule("bare-edit", NEVER)
    await sleep_until(next_minute(line.created) + timedelta(seconds=1))
    await line.patch({"spec": {"schedule": EVERY_MINUTE}})
    await line.runs_at_once()


async def edited_with_the_horizon_at_now_nothing_overdue_runs(ground: Ground) -> None:
    line = await ground.schedule("edit", NEVER)
    await sleep_until(next_minute(line.created) + timedelta(seconds=1))
    edited = now()
    await line.patch({"spec": {"schedule": EVERY_MINUTE}, "status": {"lastSkipped": stamp(edited)}})
    await line.runs_next_at(next_minute(edited))


async def skip_immediately_sets_the_horizon_back_and_so_destroys_a_skip(ground: Ground) -> None:
    line = await ground.schedule("immediately")
    first = next_minute(line.created)
    await line.skip_until(first + 60 * MINUTE)
    asked = now().replace(microsecond=0)
    await line.patch({"spec": {"skipImmediately": True}})
    after = await ground.cluster.api.wait(
        "schedules", line.name, lambda o: moment(o["status"]["lastSkipped"]) < first + 60 * MINUTE
    )
    assert timedelta() <= moment(after["status"]["lastSkipped"]) - asked <= timedelta(seconds=AT_ONCE)
    await ground.cluster.api.wait("schedules", line.name, lambda o: o["spec"]["skipImmediately"] is False)
    await line.runs_next_at(next_minute(asked))


async def a_skip_taken_back_to_the_last_occurrence_runs_at_the_next_look(ground: Ground) -> None:
    line = await ground.schedule("taken-back")
    first = next_minute(line.created)
    await line.skip_until(first + 60 * MINUTE)
    await line.misses(first)
    passed = now().replace(second=0, microsecond=0)
    await line.skip_until(passed)
    await line.runs_next_at(passed + MINUTE)


async def a_skip_taken_away_makes_the_passed_run_overdue(ground: Ground) -> None:
    line = await ground.schedule("taken-away")
    first = next_minute(line.created)
    await line.skip_until(first + 60 * MINUTE)
    await line.misses(first)
    await line.skip_until(None)
    await line.backups.until(lambda _: len(line.runs) == 1, LATE)


async def a_pause_outlasts_any_horizon(ground: Ground) -> None:
    line = await ground.paused_schedule("paused")
    first = next_minute(line.created)
    await line.skip_until(line.created)
    await line.misses(first)


async def pausing_and_resuming_by_hand_keeps_the_horizon(ground: Ground) -> None:
    line = await ground.schedule("pause-keeps")
    horizon = next_minute(line.created) + 60 * MINUTE
    await line.skip_until(horizon)
    await line.patch({"spec": {"paused": True}})
    await line.patch({"spec": {"paused": False}})
    assert (await line.seen())["status"]["lastSkipped"] == stamp(horizon)
    await line.misses(next_minute(line.created))


async def a_change_of_status_alone_counts_as_a_new_generation(ground: Ground) -> None:
    line = await ground.schedule("generation", NEVER)
    settled = await ground.cluster.api.wait("schedules", line.name, lambda o: o["spec"].get("skipImmediately") is False)
    skipped = await line.skip_until(now())
    assert skipped["metadata"]["generation"] == settled["metadata"]["generation"] + 1
    assert skipped["spec"] == settled["spec"]


async def every_run_comes_in_the_same_second_of_its_minute(ground: Ground) -> None:
    one, *others = [await ground.schedule(f"tick-{number}") for number in range(3)]
    first = next_minute(one.created)
    await one.runs_next_at(first)
    await one.backups.until(lambda _: all(other.runs for other in others), AT_ONCE)
    assert all(abs(one.runs[0] - other.runs[0]) <= timedelta(seconds=4) for other in others)


async def looks_are_counted_from_the_start_of_the_server(ground: Ground) -> None:
    line = await ground.schedule("counted")
    await line.runs_next_at(next_minute(line.created))
    since = line.runs[0] - await ground.restarted
    assert (since + timedelta(seconds=AT_ONCE)) % MINUTE <= timedelta(seconds=AT_ONCE + BEHIND), since


STORIES: tuple[Story, ...] = (
    unskipped_it_runs_at_every_occurrence,
    skipping_one_omits_the_first_and_keeps_the_second,
    skipping_two_omits_two_and_keeps_the_third,
    a_skip_is_absolute_and_idempotent,
    a_horizon_need_not_be_an_occurrence,
    the_server_keeps_the_horizon,
    the_horizon_outlasts_the_server,
    a_schedule_that_was_made_paused_has_no_phase,
    resumed_without_a_horizon_what_is_overdue_runs_at_once,
    resumed_with_the_horizon_at_now_nothing_overdue_runs,
    resumed_with_a_horizon_that_is_later_than_now_it_stays_skipped_until_then,
    edited_without_a_horizon_what_the_new_times_make_overdue_runs_at_once,
    edited_with_the_horizon_at_now_nothing_overdue_runs,
    skip_immediately_sets_the_horizon_back_and_so_destroys_a_skip,
    a_skip_taken_back_to_the_last_occurrence_runs_at_the_next_look,
    a_skip_taken_away_makes_the_passed_run_overdue,
    a_pause_outlasts_any_horizon,
    pausing_and_resuming_by_hand_keeps_the_horizon,
    a_change_of_status_alone_counts_as_a_new_generation,
    every_run_comes_in_the_same_second_of_its_minute,
    looks_are_counted_from_the_start_of_the_server,
)


@pytest.fixture(scope="session")
async def ground(cluster: RealCluster) -> AsyncIterator[Ground]:
    async with cluster.api.watching("backups") as backups:
        yield Ground(cluster, backups, asyncio.get_running_loop().create_future())


@pytest.fixture(scope="session")
async def told(ground: Ground) -> AsyncIterator[dict[Story, asyncio.Task[None]]]:
    """All stories, going on at once."""
    await enough_of_this_minute()
    tasks = {story: asyncio.ensure_future(story(ground)) for story in STORIES}
    tidying = asyncio.ensure_future(tidy(ground.cluster, tasks.values()))
    yield tasks
    for task in tasks.values():
        task.cancel()
    await tidying


async def tidy(cluster: RealCluster, tasks: Iterable[asyncio.Task[None]]) -> None:
    """Once all are told, their schedules run no more."""
    await asyncio.gather(*tasks, return_exceptions=True)
    for item in (await cluster.api.list("schedules"))["items"]:
        if (name := item["metadata"]["name"]).startswith("horizon-"):
            await cluster.api.delete("schedules", name)


async def test_the_stories_begin(told: dict[Story, asyncio.Task[None]], ground: Ground) -> None:
    """Before the other tests, which go on meanwhile; none of them is struck by the restart."""
    assert len(told) == len(STORIES)
    await asyncio.wait_for(asyncio.shield(ground.restarted), 60)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_horizon(story: Story, told: dict[Story, asyncio.Task[None]]) -> None:
    await told[story]
