"""Retries failed items on request, through the control socket of the running bot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from bot.control import ControlAction
from domain.errors import NotFound
from domain.json_types import Json
from store.tables.audit import AuditEntry
from store.tables.failed_items import FailedItem, ItemKind
from store.transaction import Transaction
from store.writer import Store

LOOP_OF_KIND = {
    ItemKind.COMMAND: "work",
    ItemKind.EVENT: "tell",
    ItemKind.OPERATION: "steps",
    ItemKind.TIMER: "steps",
    ItemKind.SCHEDULE: "keep schedules",
    ItemKind.REQUEST: "hooks",
}
MAX_SUGGESTIONS = 5


def retry_actions(
    store: Store, now: Callable[[], datetime], wake: Callable[[str], None], retry_object: Callable[[str], None]
) -> Mapping[str, ControlAction]:
    """`wake` wakes a loop by name; `retry_object` takes the key of an object in a cluster."""

    async def retry(request: Mapping[str, Any]) -> Json:
        item_id = str(request.get("id", ""))
        item = await store.write(lambda tx: retry_item(tx, item_id, now()))
        if item.kind is ItemKind.OBJECT:
            retry_object(item.key)
        else:
            wake(LOOP_OF_KIND[item.kind])
        return {"text": f"Item {item_id} ({item.subject}) is being retried."}

    return {"items.retry": retry}


def retry_item(tx: Transaction, item_id: str, now: datetime) -> FailedItem:
    item = tx.failed_items.retry(int(item_id), now) if item_id.isdecimal() else None
    if item is None:
        known = tuple(str(each.id) for each in tx.failed_items.all(MAX_SUGGESTIONS))
        raise NotFound(f"Item `{item_id}` isn't among the failed items.", nearest=known)
    if item.kind is ItemKind.COMMAND:
        if not tx.inbox.reopen(int(item.key)):
            raise NotFound(f"The command of item `{item_id}` is no longer stored.", fix="Send the command again.")
        tx.failed_items.clear(item.kind, item.key)
    tx.audit.append(AuditEntry(now, "terminal", "item.retry", "done", subject=item.subject, detail={"key": item.key}))
    return item
