"""Actions of the control socket on webhooks and notifications: test, enable, resend."""

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
    async def test(request: Mapping[str, Any]) -> Json:
        name = str(request.get("name", ""))
        try:
            return {"tried": asdict(await delivery.test(name, f"test-{new_id()}"))}
        except NotFound as error:
            raise NotFound(error.text, nearest=nearest(name, error.nearest) or error.nearest[:5]) from None

    async def enable(request: Mapping[str, Any]) -> Json:
        name = str(request.get("name", ""))
        await store.write(lambda tx: _enable(tx, name, now()))
        return {"text": f"Receiver {name} is enabled."}

    async def retry(request: Mapping[str, Any]) -> Json:
        notice_id = str(request.get("id", ""))
        await store.write(lambda tx: _retry(tx, notice_id, now()))
        wake()
        return {"text": f"Notification {notice_id} is queued again."}

    return {"webhook.test": test, "webhook.enable": enable, "notices.retry": retry}


def _enable(tx: Transaction, name: str, now: datetime) -> None:
    found = [each for each in tx.receivers.all() if each.address == name]
    if not found:
        raise NotFound(f"Receiver `{name}` isn't disabled.", nearest=tuple(each.address for each in tx.receivers.all()))
    for each in found:
        tx.receivers.enable(each.kind, each.address)
    tx.audit.append(_audit_entry("webhook.enable", name, now))


def _retry(tx: Transaction, notice_id: str, now: datetime) -> None:
    if notice_id not in (failed := [each.id for each in tx.notices.dead_letters(1000)]):
        raise NotFound(
            f"Notification `{notice_id}` isn't among the failed ones.",
            nearest=nearest(notice_id, failed) or tuple(failed[:3]),
        )
    tx.notices.retry(notice_id, now)
    tx.audit.append(_audit_entry("notice.retry", notice_id, now))


def _audit_entry(action: str, subject: str, now: datetime) -> AuditEntry:
    return AuditEntry(at=now, actor="terminal", action=action, outcome="done", subject=subject)
