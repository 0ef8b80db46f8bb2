"""Limits on requests per person and in total; a request over a limit is answered and not stored."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from bot.configuration.settings import Limits
from bot.intake import Intake, Queueing, queueing_of
from store.writer import Store

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path):
    opened = await Store.open(tmp_path, NOW, reserve_bytes=0)
    yield opened
    await opened.close()


class Door:
    def __init__(self, store: Store, **limits: int) -> None:
        self.store, self.now, self.refused, self.sent = store, NOW, Counter(), 0
        count = lambda why: self.refused.update([why])  # noqa: E731
        self.intake = Intake(store, lambda: self.now, lambda: None, lambda: Limits(**limits), count)

    async def sends(self, count=1, person="T1/U1", key="", **queueing):
        self.sent += count
        keys = [key or f"k{self.sent}-{number}" for number in range(count)]
        place = Queueing(person=person, **queueing)
        return await asyncio.gather(
            *(self.intake.accept(one, "command", {"line": "help"}, queueing=place) for one in keys)
        )

    async def rows(self):
        return await self.store.read(lambda tx: tx.connection.execute("SELECT count(*) FROM inbox").fetchone()[0])


async def test_so_many_a_minute_are_taken_and_the_rest_is_answered_without_a_row(store):
    door = Door(store, commands_per_minute=5)
    texts = [taken.text for taken in await door.sends(30)]
    assert texts.count("") == await door.rows() == 5
    (said,) = set(texts) - {""}
    assert said == "You sent 5 commands within a minute. This one was not accepted; try again in 60 seconds."
    assert door.refused == {"person-rate": 25}


async def test_the_minute_slides(store):
    door = Door(store, commands_per_minute=2)
    await door.sends()
    door.now += timedelta(seconds=40)
    await door.sends()
    (refused,) = await door.sends()
    assert "in 20 seconds" in refused.text
    door.now += timedelta(seconds=20)
    assert [taken.text == "" for taken in await door.sends(2)] == [True, False]


async def test_another_person_is_served_meanwhile(store):
    door = Door(store, commands_per_minute=2)
    await door.sends(10)
    assert [taken.text for taken in await door.sends(person="T1/U2")] == [""]


async def test_what_was_taken_before_is_no_refusal_and_counts_once(store):
    door = Door(store, commands_per_minute=2)
    first = (await door.sends(key="same"))[0]
    for _ in range(5):
        (again,) = await door.sends(key="same")
        assert (again.duplicate, again.seq, again.text) == (True, first.seq, "")
    await door.sends()
    (again,) = await door.sends(key="same")
    assert again.duplicate
    assert door.refused == {}


async def test_a_sender_of_webhooks_has_its_own_rate(store):
    door = Door(store, commands_per_minute=1)
    assert {taken.text for taken in await door.sends(5, rated=False)} == {""}


async def test_so_many_of_one_person_may_wait(store):
    door = Door(store, waiting_per_person=3)
    (said,) = {taken.text for taken in await door.sends(5)} - {""}
    assert said == "You have 3 commands waiting. This one was not accepted; try again when they are done."
    assert await door.rows() == 3
    assert (await door.sends(person="T1/U2"))[0].text == ""


async def test_the_inbox_is_bounded_and_has_room_again_when_something_is_done(store):
    door = Door(store, waiting_total=3)
    for person in ("a", "b", "c"):
        await door.sends(person=person)
    (refused,) = await door.sends(person="d")
    assert "Too many commands are waiting" in refused.text
    assert (await door.rows(), door.refused) == (3, {"inbox-full": 1})
    (item,) = await store.write(lambda tx: tx.inbox.next())
    await store.write(lambda tx: tx.inbox.finish(item.seq, "ok", NOW))
    assert (await door.sends(person="d"))[0].text == ""


@pytest.mark.parametrize(
    ("line", "lane", "writes"),
    [
        ("backup create shop", "prod/backup/shop", True),
        ("backup describe shop", "prod/backup/shop", False),
        ("--cluster x backup", "", False),
        ("help", "", False),
        ("no such thing", "", False),
        ("backup create --help", "", False),
    ],
)
def test_where_a_command_waits(line, lane, writes):
    assert queueing_of(line, "", "prod", "U1") == Queueing(lane, "U1", writes)
