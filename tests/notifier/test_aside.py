"""A notice that cannot be drawn is a fault of ours: it goes aside, loudly, and everything else is told."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from notifier.deliver.allowance import Allowance
from notifier.deliver.slack import Letter, SlackDelivery, Timing
from notifier.render.answers import Rendered
from sandbox.slack.emulator import SlackEmulator
from store.notices import NoticeState
from store.writer import Store
from tests.notifier.conftest import START, event


class Pen:
    """Draws all but what it is told to fail at."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.fails_at: set[str] = set()

    async def letter(self, notice, _event) -> Letter:
        if notice.id in self.fails_at:
            raise KeyError("phase")
        return Letter(self._address, Rendered(notice.id, ()), role="news")


@dataclass
class Clock:
    now: datetime = START


@dataclass
class House:
    delivery: SlackDelivery
    pen: Pen
    clock: Clock


@pytest.fixture
async def slack():
    slack = SlackEmulator(signing_secret="s", bot_token="xoxb-1", app_token="xapp-1")
    slack.workspace.add_user("ada")
    slack.workspace.add_channel("ops", ["ada"])
    await slack.start()
    yield slack
    await slack.stop()


@pytest.fixture
async def store(tmp_path):
    store = await Store.open(tmp_path, START, ballast=0)
    yield store
    await store.close()


@pytest.fixture
async def house(slack, store):
    pen, clock = Pen(slack.workspace.channel("ops").id), Clock()
    async with aiohttp.ClientSession() as session:
        client = AsyncWebClient(token="xoxb-1", base_url=slack.api_url, session=session, retry_handlers=[])
        yield House(SlackDelivery(store, client, pen, Allowance(), lambda: clock.now, Timing()), pen, clock)


async def waiting(store: Store, *names: str) -> None:
    told = event()

    def add(tx):
        tx.outbox.add(told)
        for name in names:
            tx.notices.add(name, told.id, "slack", "C1", "one-lane", {"role": "news"}, START)

    await store.write(add)


async def states(store: Store, *names: str) -> list[NoticeState]:
    return [await store.read(lambda tx, name=name: tx.notices.get(name).state) for name in names]


async def until_quiet(delivery: SlackDelivery) -> list[Exception]:
    faults: list[Exception] = []
    for _ in range(10):
        try:
            if await delivery.round():
                return faults
        except* KeyError as group:
            faults += group.exceptions
    return faults


async def test_what_stands_behind_it_in_its_lane_is_told_and_the_fault_is_heard(house, store):
    await waiting(store, "broken", "whole")
    house.pen.fails_at = {"broken"}
    assert [str(fault) for fault in await until_quiet(house.delivery)] == ["'phase'"]
    assert await states(store, "broken", "whole") == [NoticeState.DEAD, NoticeState.SENT]
    (letter,) = await store.read(lambda tx: tx.notices.dead_letters())
    assert letter.error == "it cannot be drawn: KeyError"


async def test_once_the_fault_is_mended_it_can_be_sent_by_hand(house, store):
    await waiting(store, "broken")
    house.pen.fails_at = {"broken"}
    await until_quiet(house.delivery)
    house.pen.fails_at = set()
    await store.write(lambda tx: tx.notices.retry("broken", START))
    assert await until_quiet(house.delivery) == []
    assert await states(store, "broken") == [NoticeState.SENT]


async def test_what_may_have_arrived_does_not_hold_up_the_search_for_others(house, store):
    await waiting(store, "broken")
    told = (await store.read(lambda tx: tx.notices.get("broken"))).event
    await store.write(lambda tx: tx.notices.add("other", told, "slack", "C1", "another-lane", {}, START))
    for notice in await store.write(lambda tx: tx.notices.claim(START)):
        await store.write(lambda tx, one=notice: tx.notices.unknown(one, "timeout"))
    house.pen.fails_at = {"broken"}
    house.clock.now += timedelta(minutes=5)
    with pytest.raises(ExceptionGroup):
        await house.delivery.reconcile()
    house.clock.now += timedelta(minutes=5)
    await house.delivery.reconcile()
    await until_quiet(house.delivery)
    assert await states(store, "broken", "other") == [NoticeState.DEAD, NoticeState.SENT]


async def test_a_webhook_that_we_fail_to_send_goes_aside_too(world):
    """A limit that is no number stands for any fault of ours in the middle of a call."""
    await world.server("broken", timeout="soon")
    whole = await world.server("whole")
    await world.happens(event())
    faults = []
    for _ in range(20):
        try:
            if await world.delivery.round():
                break
        except* TypeError as group:
            faults += group.exceptions
    assert len(faults) == 1
    assert len(whole.calls) == 1
    assert [(n.address, n.state, n.error) for n in await world.notices()] == [
        ("broken", NoticeState.DEAD, "it cannot be sent: TypeError"),
        ("whole", NoticeState.SENT, ""),
    ]
