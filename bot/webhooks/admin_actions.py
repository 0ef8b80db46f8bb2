"""What an operator may do to webhooks and notices of a running bot, by the control socket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from bot.control import ControlAction
from commands.grammar.nearest import nearest
from domain.errors import NotFound
from domain.json_types import Json
from notifier.deliver.webhooks import WebhookDelivery
from store.tables.audit import AuditEntry
from store.transaction import Transaction
from store.writer import Store


def admin_actions(
    store: Store,
    delivery: WebhookDelivery,
    now: Callable[[], datetime],
    new_id: Callable[[], str],
    wake: Callable[[], None],
) -> Mapping[str, ControlAction]:
    async def test(asked: Mapping[str, Any]) -> Json:
        name = str(asked.get("name", ""))
        try:
            return {"tried": asdict(await delivery.test(name, f"test-{new_id()}"))}
        except NotFound as error:
            raise NotFound(error.text, nearest=nearest(name, error.nearest) or error.nearest[:5]) from None

    async def enable(asked: Mapping[str, Any]) -> Json:
        name = str(asked.get("name", ""))
        await store.write(lambda tx: _enabled(tx, name, now()))
        return {"text": f"Receiver {name} is enabled."}

    async def retry(asked: Mapping[str, Any]) -> Json:
        ident = str(asked.get("id", ""))
        await store.write(lambda tx: _retried(tx, ident, now()))
        wake()
        return {"text": f"Notification {ident} is queued again."}

    return {"webhook.test": test, "webhook.enable": enable, "notices.retry": retry}


def _enabled(tx: Transaction, name: str, now: datetime) -> None:
    found = [each for each in tx.receivers.all() if each.address == name]
    if not found:
        raise NotFound(f"Receiver `{name}` isn't disabled.", nearest=tuple(each.address for each in tx.receivers.all()))
    for each in found:
        tx.receivers.enable(each.kind, each.address)
    tx.audit.append(_by_hand("webhook.enable", name, now))


def _retried(tx: Transaction, ident: str, now: datetime) -> None:
    if ident not in (dead := [each.id for each in tx.notices.dead_letters(1000)]):
        raise NotFound(
            f"Notification `{ident}` isn't among the failed ones.",
            nearest=nearest(ident, dead) or tuple(dead[:3]),
        )
    tx.notices.retry(ident, now)
    tx.audit.append(_by_hand("notice.retry", ident, now))


def _by_hand(action: str, subject: str, now: datetime) -> AuditEntry:
    return AuditEntry(at=now, actor="terminal", action=action, outcome="done", subject=subject)
