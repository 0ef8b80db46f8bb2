"""Renders approval requests with their votes as they are stored now."""

from __future__ import annotations

from domain.approval import Approval
from domain.event import Event
from domain.operation import Operation
from domain.plan import Plan
from notifier.deliver.projection import RenderedMessage
from notifier.deliver.rate_limit import Priority
from notifier.render.answers import Rendered
from notifier.render.approvals import render_request, revision
from store.tables.messages import Message
from store.transaction import Transaction
from store.writer import Store


class ApprovalMessages:
    """`rendered` draws one for its first post, `draw` for an edit."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def render(self, event: Event) -> Rendered | None:
        drawn = await self._drawn(event.operation)
        return drawn.rendered if drawn else None

    async def draw(self, message: Message) -> RenderedMessage | None:
        return await self._drawn(message.subject)

    async def _drawn(self, operation: str) -> RenderedMessage | None:
        found = await self._store.read(lambda tx: _stored(tx, operation))
        if found is None:
            return None
        approval, about, plan, said = found
        return RenderedMessage(
            revision(approval, about), render_request(approval, about, plan, said), Priority.APPROVAL
        )


def _stored(tx: Transaction, ident: str) -> tuple[Approval, Operation, Plan, dict[str, str]] | None:
    operation = tx.operations.get(ident)
    approvals = tx.approvals.of_operation(ident)
    if operation is None or not approvals:
        return None
    last = approvals[0]
    told = [event for event in tx.outbox.of_operation(ident) if event.kind == f"approval.{last.state.value}"]
    said = {key: str(value) for key, value in (told[-1].facts if told else {}).items() if key == "message"}
    return last, operation, tx.operations.load_plan(ident), said
