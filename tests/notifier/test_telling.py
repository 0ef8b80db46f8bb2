"""Whoever follows something hears of what touches it, in the transaction that routes the event."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.event import Event, Severity
from notifier.route import Wiring
from notifier.telling import Teller
from store.subscriptions import Subscription
from store.writer import Store

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
        await Teller(store, Wiring, lambda: NOW, lambda: None).round()
        return [notice.address for notice in await store.read(lambda tx: tx.notices.of_event(event.id))]
    finally:
        await store.close()


@pytest.mark.parametrize("namespaces", [("shop",), ("billing", "shop"), ("*",), ()])
async def test_a_follower_of_a_namespace_hears_of_every_run_that_reaches_it(tmp_path, namespaces):
    assert await receivers(tmp_path, failed(*namespaces)) == ["U1"]


async def test_and_not_of_others(tmp_path):
    assert await receivers(tmp_path, failed("billing")) == []
