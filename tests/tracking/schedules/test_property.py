"""Our verbs, foreign edits, crashes and jumps of time in any order: what is promised holds, or somebody is told."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from domain.errors import NotFound
from domain.json_types import Json
from tests.tracking.schedules.schedule_world import START, Yard

NAME = "nightly"
LATE = timedelta(seconds=65)
SETTLED = timedelta(seconds=100)
OURS = (
    f"schedule skip {NAME}",
    f"schedule skip {NAME} --runs 3",
    f"schedule skip {NAME} --more",
    f"schedule unskip {NAME}",
    f"schedule pause {NAME}",
    f"schedule pause {NAME} --for 90m",
    f"schedule resume {NAME}",
    f"schedule resume {NAME} --run-missed",
    f"schedule edit {NAME} --schedule '*/20 * * * *'",
    f"schedule edit {NAME} --schedule '0 * * * *' --ttl 3d",
    f"schedule run {NAME}",
)
THEIRS: tuple[Json, ...] = (
    {"spec": {"paused": True}},
    {"spec": {"paused": False}},
    {"spec": {"paused": False, "skipImmediately": True}},
    {"spec": {"schedule": "30 * * * *"}},
    {"spec": {"template": {"ttl": "5h0m0s"}}},
    {"status": {"lastSkipped": (START + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%SZ")}},
)
EXPLAINS = frozenset(
    f"schedule.{kind}"
    for kind in (
        "not-skipped",
        "skip-lost",
        "replaced-outside",
        "deleted-outside",
        "resumed-outside",
        "changed-outside",
    )
)


class AnyOrder(RuleBasedStateMachine):
    """`dead`: our process was killed and has not been started again."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.directory = tempfile.TemporaryDirectory()
        self.dead = False
        self.promises: list[tuple[datetime, datetime]] = []
        self.let_run: list[datetime] = []
        self.checked = 0
        self.yard = self.run(self._begin)

    def run(self, act: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return self.loop.run(act())

    async def _begin(self) -> Yard:
        yard = await Yard(Path(self.directory.name)).start()
        yard.schedule(NAME)
        await yard.pass_(seconds=1)
        await yard.rounds()
        return yard

    def teardown(self) -> None:
        try:
            self.run(self._runs_again)
        finally:
            self.run(self.yard.close)
            self.loop.close()
            self.directory.cleanup()

    @precondition(lambda self: not self.dead)
    @rule(line=st.sampled_from(OURS), crash=st.sampled_from(["none", "none", "none", "before", "after", "answer lost"]))
    def we(self, line: str, crash: str) -> None:
        self.run(lambda: self._we(line, crash))

    @precondition(lambda self: not self.dead)
    @rule(runs=st.sampled_from([1, 9]))
    def we_skip(self, runs: int) -> None:
        self.run(lambda: self._we(f"schedule skip {NAME} --runs {runs}", "none"))

    @rule(value=st.sampled_from([None, "2026-11-21T11:00:00Z"]))
    def they_take_a_skip_away(self, value: str | None) -> None:
        self.run(lambda: self._edited({"status": {"lastSkipped": value}}))

    @rule(edit=st.sampled_from(THEIRS))
    def they_edit(self, edit: Json) -> None:
        self.run(lambda: self._edited(edit))

    @rule(again=st.booleans())
    def they_delete(self, *, again: bool) -> None:
        self.run(lambda: self._deleted(again=again))

    @rule(seconds=st.sampled_from([7, 61, 600, 3600]))
    def time_passes(self, seconds: int) -> None:
        self.run(lambda: self._pass(timedelta(seconds=seconds), timedelta(minutes=5)))

    @rule(hours=st.sampled_from([2, 30]))
    def the_clock_jumps(self, hours: int) -> None:
        """Nobody looks meanwhile: a laptop asleep, a bot that hangs."""
        self.run(lambda: self._pass(timedelta(hours=hours), timedelta(hours=hours)))

    @rule()
    def velero_restarts(self) -> None:
        self.run(self._velero_restarts)

    @precondition(lambda self: self.dead)
    @rule()
    def we_restart(self) -> None:
        self.dead = False
        self.run(self.yard.restarts)

    @invariant()
    def what_is_known_is_what_is(self) -> None:
        if not self.dead:
            self.run(self._consistent)

    # acts

    async def _we(self, line: str, crash: str) -> None:
        yard = self.yard
        try:
            ident = await yard.granted(line)
        except NotFound:
            return  # somebody deleted it
        if not ident:
            return
        if "--run-missed" in line:
            self.let_run.append(yard.clock.now())
        if crash == "before":
            self.dead = True
        elif crash == "after":
            await self._killed_after_the_write(ident)
        else:
            if crash == "answer lost":
                from sandbox.kubernetes.faults import Trouble

                yard.api.faults.on(Trouble.LOST_ANSWER, times=1, which=lambda request: request.method == "PATCH")
            await self._carried_out_while_the_keeper_looks(ident)
            yard.api.faults.clear()
        await self._settle()  # names of backups are of one second

    async def _carried_out_while_the_keeper_looks(self, ident: str) -> None:
        """What we do ourselves is never called foreign."""
        before = await self.yard.kinds()
        await asyncio.gather(self.yard.carry_out(ident), *(self.yard.keeper.round() for _ in range(3)))
        await self.yard.rounds()
        fresh = (await self.yard.kinds())[len(before) :]
        assert not [kind for kind in fresh if kind.endswith("-outside") or kind == "schedule.skip-lost"]

    async def _killed_after_the_write(self, ident: str) -> None:
        self.dead = True
        task = asyncio.create_task(self.yard.carry_out(ident))

        def kill(kind: str, resource: str, _old: Json | None, _new: Json | None) -> None:
            if self.dead and resource in {"schedules", "backups"}:
                task.cancel()

        self.yard.objects.on_change(kill)
        with suppress(asyncio.CancelledError):
            await task

    async def _edited(self, edit: Json) -> None:
        if self.yard.objects.find("schedules", "velero", NAME) is not None:
            self.yard.patched(NAME, edit)
        await self._settle()

    async def _deleted(self, *, again: bool) -> None:
        if self.yard.objects.find("schedules", "velero", NAME) is not None:
            self.yard.objects.delete("schedules", "velero", NAME)
        if again:
            self.yard.schedule(NAME)
        await self._settle()

    async def _settle(self) -> None:
        await self.yard.pass_(seconds=1)

    async def _pass(self, span: timedelta, every: timedelta) -> None:
        until = self.yard.clock.now() + span
        while self.yard.clock.now() < until:
            await self.yard.pass_until(min(until, self.yard.clock.now() + every))
            if not self.dead:
                await self.yard.rounds()

    async def _velero_restarts(self) -> None:
        await self.yard.velero.stop()
        await self.yard.pass_(seconds=30)
        await self.yard.velero.start()
        await self._settle()

    # what must be so

    async def _consistent(self) -> None:
        yard = self.yard
        for _ in range(2):
            await yard.rounds()
            await yard.clock.settle()
        seen, intent, now = yard.objects.find("schedules", "velero", NAME), await yard.intent(NAME), yard.clock.now()
        assert (seen is None) == (intent is None)
        if seen is None or intent is None:
            self.promises.append((now, now))
            assert "schedule.deleted-outside" in await yard.kinds()
            return
        assert bool(seen["spec"].get("paused")) == intent.paused
        if intent.paused_outside:
            assert "schedule.paused-outside" in await yard.kinds()
        skipped = (seen.get("status") or {}).get("lastSkipped")
        until = datetime.fromisoformat(skipped) if skipped else None
        if intent.horizon is not None and intent.horizon > now and not intent.horizon_outside:
            assert until is not None
            assert until >= intent.horizon
        if until is not None and until > now and (intent.horizon is None or intent.horizon < until):
            assert {"schedule.skipped-outside"} & set(await yard.kinds())
        ours = intent.horizon if intent.horizon is not None and not intent.horizon_outside else now
        self.promises.append((now, max(ours, now)))
        await self._explained()

    async def _explained(self) -> None:
        """A run that was promised to be skipped happens only where somebody was told."""
        told = await self.yard.told()
        manual = set(self._manual())
        for at, schedule in self.yard.created[self.checked :]:
            if self.yard.clock.now() < at + SETTLED:
                return
            self.checked += 1
            before = [promise for promise in self.promises if promise[0] < at - LATE]
            asked_for = any(timedelta(0) <= at - moment <= LATE for moment in self.let_run)
            if asked_for:
                continue
            if schedule != NAME or not before or at in manual or at - LATE > before[-1][1] or at > before[-1][1]:
                continue
            assert any(event.kind in EXPLAINS for event in told), f"ran at {at}, skipped until {before[-1][1]}"

    def _manual(self) -> list[datetime]:
        backups = self.yard.objects.list("backups", "velero")
        mine = [item for item in backups if "velero-chatops.io/operation" in (item["metadata"].get("labels") or {})]
        return [datetime.fromisoformat(item["metadata"]["creationTimestamp"]) for item in mine]

    async def _runs_again(self) -> None:
        """Nothing is held back for ever: let go by our own verbs, it runs."""
        yard = self.yard
        self.dead = False
        await yard.restarts()
        await yard.rounds()
        if yard.objects.find("schedules", "velero", NAME) is None:
            return
        for line in (f"schedule resume {NAME}", f"schedule unskip {NAME}"):
            await yard.does(line)
            await yard.rounds()
        begun = yard.clock.now()
        await yard.pass_(hours=1, minutes=2)
        assert any(at > begun and schedule == NAME for at, schedule in yard.created)


AnyOrder.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
test_any_order = AnyOrder.TestCase
