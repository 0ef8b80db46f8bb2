"""One failing item must not block others; an error of the store belongs to no item."""

from datetime import timedelta

import pytest

from domain.errors import ConcurrentChange, StoreBusy, StoreFull
from store.isolation import Isolation, attempt
from store.tables.failed_items import ItemKind, Subject
from tests.store.conftest import NOW

SUBJECT = Subject(ItemKind.EVENT, "e1", "event backup.failed")


class Round:
    """Items by key; those in `bad` raise what stands there."""

    def __init__(self, store) -> None:
        self.store, self.now, self.bad, self.done = store, NOW, {}, []
        self.isolation = Isolation(store, ItemKind.TIMER, lambda: self.now)

    async def go(self, *keys, **more) -> list[str]:
        self.done = []
        await self.isolation.run_each(((key, f"timer {key}", lambda key=key: self.work(key)) for key in keys), **more)
        return self.done

    async def work(self, key) -> None:
        self.done.append(key)
        if key in self.bad:
            raise self.bad[key]

    async def failed(self):
        return await self.store.read(lambda tx: tx.failed_items.by_key(ItemKind.TIMER))


@pytest.fixture
def round_(store):
    return Round(store)


async def test_the_others_go_on_and_the_bad_one_is_passed_over_until_it_is_due(round_):
    round_.bad["b"] = KeyError("x")
    assert await round_.go("a", "b", "c") == ["a", "b", "c"]
    assert await round_.go("a", "b", "c") == ["a", "c"]
    round_.now += timedelta(seconds=10)
    assert await round_.go("a", "b", "c") == ["a", "b", "c"]
    round_.now += timedelta(seconds=59)
    assert await round_.go("b") == []
    round_.now += timedelta(seconds=1)
    assert await round_.go("b") == ["b"]
    round_.now += timedelta(days=9)
    assert await round_.go("b") == []
    assert (await round_.failed())["b"].failures == 3


async def test_what_works_again_is_forgotten(round_):
    round_.bad["b"] = KeyError("x")
    await round_.go("b")
    round_.bad.clear()
    round_.now += timedelta(seconds=10)
    await round_.go("b")
    assert await round_.failed() == {}


async def test_what_is_over_is_forgotten_where_all_there_are_were_given(round_):
    round_.bad |= {"p/b": KeyError("x"), "q/b": KeyError("x")}
    await round_.go("p/b", "q/b")
    await round_.go("p/a", all_of="p/")
    assert set(await round_.failed()) == {"q/b"}


@pytest.mark.parametrize("fault", [StoreFull("full"), StoreBusy("busy")])
async def test_an_error_of_the_store_is_raised_and_sets_nothing_aside(round_, fault):
    round_.bad["a"] = fault
    with pytest.raises(type(fault)):
        await round_.go("a", "b")
    assert await round_.failed() == {}


async def test_a_race_that_was_lost_is_the_item_s(round_):
    round_.bad["a"] = ConcurrentChange("lost")
    assert await round_.go("a", "b") == ["a", "b"]


def test_in_a_transaction_the_bad_one_is_undone_alone(tx, now):
    def half() -> None:
        tx.inbox.accept("half", "slack", {}, "", now)
        raise KeyError("x")

    tx.connection.execute("BEGIN")
    assert attempt(tx, SUBJECT, half, now) is None
    assert attempt(tx, SUBJECT, lambda: tx.inbox.accept("whole", "slack", {}, "", now), now) is not None
    tx.connection.execute("COMMIT")
    assert (tx.inbox.seq_of("half"), tx.inbox.seq_of("whole")) == (None, 1)
    (failed,) = tx.failed_items.all()
    assert (failed.key, failed.error_type, failed.failed_since) == ("e1", "KeyError", now)


def test_secrets_in_an_error_are_not_stored(tx, now):
    tx.failed_items.add(SUBJECT, ValueError("xoxb-123456789012-abcdefabcdef"), now)
    assert "xoxb" not in tx.failed_items.all()[0].error


def test_an_item_that_fails_again_keeps_its_number_and_since_when(tx, now):
    first = tx.failed_items.add(SUBJECT, KeyError("x"), now)
    again = tx.failed_items.add(SUBJECT, ValueError("y"), now + timedelta(hours=1))
    assert (again.id, again.failed_since, again.failures, again.error_type) == (first.id, now, 2, "ValueError")
