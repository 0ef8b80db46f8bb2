"""Whoever follows something hears of what touches it, in the transaction that routes the event."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.event import Event, Severity
from notifier.route import Route, RoutingTable
from notifier.router import EventRouter
from store.retention import RetentionPolicy
from store.tables.failed_items import ItemKind
from store.tables.subscriptions import Subscription
from store.writer import Store
from tests.pruning import prune

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def failed(*namespaces: str) -> Event:
    return Event(
        kind="backup.failed",
        cluster="prod",
        cluster_uid="u",
        object_kind="Backup",
        object_uid="b1",
        object_name="b1",
        transition="Failed",
        at=NOW,
        severity=Severity.FAILURE,
        facts={"namespaces": list(namespaces)},
    )


async def receivers(directory: Path, event: Event) -> list[str]:
    store = await Store.open(directory, NOW)
    try:
        wanted = Subscription("U1", "prod", "namespace", "shop", "U1", NOW, "failures")
        await store.write(lambda tx: (tx.subscriptions.add(wanted), tx.outbox.add(event)))
        await EventRouter(store, RoutingTable, lambda: NOW, lambda: None).round()
        return [notice.address for notice in await store.read(lambda tx: tx.notices.of_event(event.id))]
    finally:
        await store.close()


@pytest.mark.parametrize("namespaces", [("shop",), ("billing", "shop"), ("*",), ()])
async def test_a_follower_of_a_namespace_hears_of_every_run_that_reaches_it(tmp_path, namespaces):
    assert await receivers(tmp_path, failed(*namespaces)) == ["U1"]


class Telling:
    """A teller with a clock; `wiring` sends everything to one webhook."""

    def __init__(self, store: Store) -> None:
        self.store, self.now = store, NOW
        wiring = RoutingTable((Route("all", "webhook", ("all",), routine=True),))
        self.teller = EventRouter(store, lambda: wiring, lambda: self.now, lambda: None)

    async def spoil(self, *idents: str) -> None:
        """As a newer version may have left them: a severity that this one does not know."""
        await self.set_severity("later-invented", idents)

    async def set_severity(self, severity: str, idents) -> None:
        marks = ",".join("?" * len(idents))
        query = f"UPDATE outbox SET severity = ? WHERE id IN ({marks})"
        await self.store.write(lambda tx: tx.connection.execute(query, (severity, *idents)))

    async def told(self) -> set[str]:
        rows = await self.store.read(lambda tx: tx.connection.execute("SELECT event FROM notice").fetchall())
        return {row[0] for row in rows}

    async def failed(self):
        return await self.store.read(lambda tx: tx.failed_items.by_key(ItemKind.EVENT))


@pytest.fixture
async def telling(tmp_path):
    store = await Store.open(tmp_path, NOW, reserve_bytes=0)
    yield Telling(store)
    await store.close()


def events(count):
    return [replace(failed("shop"), object_uid=f"b{number}", object_name=f"b{number}") for number in range(count)]


async def test_an_event_that_cannot_be_routed_keeps_none_of_the_others(telling):
    made = events(250)
    bad = {made[0].id, made[120].id}
    await telling.store.write(lambda tx: [tx.outbox.add(event) for event in made])
    await telling.spoil(*bad)
    for _ in range(4):
        await telling.teller.round()
    assert await telling.told() == {event.id for event in made} - bad
    assert {(each.error_type, each.failures) for each in (await telling.failed()).values()} == {("ValueError", 1)}
    assert await telling.store.read(lambda tx: tx.outbox.count()) == 0


async def test_more_bad_ones_than_a_round_takes_hold_up_nobody(telling):
    made = events(150)
    await telling.store.write(lambda tx: [tx.outbox.add(event) for event in made])
    await telling.spoil(*(event.id for event in made[:149]))
    for _ in range(3):
        await telling.teller.round()
    assert await telling.told() == {made[149].id}


async def test_what_was_set_aside_is_tried_again_by_itself_and_then_when_it_is_asked_for(telling):
    (event,) = events(1)
    await telling.store.write(lambda tx: tx.outbox.add(event))
    await telling.spoil(event.id)
    for wait in (0, 10, 60, 3600, 86400):
        telling.now += timedelta(seconds=wait)
        await telling.teller.round()
    (kept,) = (await telling.failed()).values()
    assert (kept.failures, kept.retry_at, await telling.told()) == (3, None, set())
    await telling.set_severity("failure", [event.id])
    await telling.store.write(lambda tx: tx.failed_items.retry(kept.id, telling.now))
    await telling.teller.round()
    assert (await telling.told(), await telling.failed()) == ({event.id}, {})


async def test_an_event_that_is_set_aside_is_not_pruned(telling):
    (event,) = events(1)
    await telling.store.write(lambda tx: tx.outbox.add(event))
    await telling.spoil(event.id)
    await telling.teller.round()
    await telling.store.write(lambda tx: prune(tx, NOW + timedelta(days=999), RetentionPolicy()))
    rows = await telling.store.read(lambda tx: tx.connection.execute("SELECT id FROM outbox").fetchall())
    assert rows == [(event.id,)]


async def test_and_not_of_others(tmp_path):
    assert await receivers(tmp_path, failed("billing")) == []


@pytest.mark.parametrize(("asked_in", "told"), [("C1", []), ("C2", ["C1"])])
async def test_what_is_done_at_once_is_one_message_in_the_channel_that_shows_its_card(tmp_path, asked_in, told):
    started = replace(
        failed(), kind="operation.started", operation="op-1", transition="started", facts={"channel": asked_in}
    )
    changed = replace(failed(), kind="schedule.changed", operation="op-1", severity=Severity.INFO, facts={})
    store = await Store.open(tmp_path, NOW)
    try:
        await store.write(lambda tx: (tx.outbox.add(started), tx.outbox.add(changed)))
        wiring = RoutingTable((Route("all", "slack", ("C1",)),))
        await EventRouter(store, lambda: wiring, lambda: NOW, lambda: None).round()
        found = await store.read(lambda tx: (tx.notices.of_event(started.id), tx.notices.of_event(changed.id)))
    finally:
        await store.close()
    assert [[notice.address for notice in notices] for notices in found] == [[asked_in], told]
