"""What was set aside is tried again, by the control socket of a running bot."""

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
MAX_SHOWN = 5


def retry_actions(
    store: Store, now: Callable[[], datetime], ring: Callable[[str], None], look_again: Callable[[str], None]
) -> Mapping[str, ControlAction]:
    """`ring` wakes a loop by name; `look_again` takes the key of an object of a cluster."""

    async def retry(asked: Mapping[str, Any]) -> Json:
        ident = str(asked.get("id", ""))
        item = await store.write(lambda tx: retry_item(tx, ident, now()))
        if item.kind is ItemKind.OBJECT:
            look_again(item.key)
        else:
            ring(LOOP_OF_KIND[item.kind])
        return {"text": f"Item {ident} ({item.subject}) is tried again."}

    return {"items.retry": retry}


def retry_item(tx: Transaction, ident: str, now: datetime) -> FailedItem:
    item = tx.failed_items.retry(int(ident), now) if ident.isdecimal() else None
    if item is None:
        known = tuple(str(each.id) for each in tx.failed_items.all(MAX_SHOWN))
        raise NotFound(f"Item {ident!r} is not among those that were set aside.", nearest=known)
    if item.kind is ItemKind.COMMAND:
        if not tx.inbox.reopen(int(item.key)):
            raise NotFound(f"The command of item {ident} is not kept any more.", fix="It has to be given again.")
        tx.failed_items.clear(item.kind, item.key)
    tx.audit.append(AuditEntry(now, "terminal", "item.retry", "done", subject=item.subject, detail={"key": item.key}))
    return item
