"""The name of the person who requested an operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.operation import Operation

if TYPE_CHECKING:
    from store.transaction import Transaction


def requester_of(tx: Transaction, operation: Operation) -> str:
    """The name as it was at the request; the id where the event that kept it was deleted."""
    names = (event.facts.get("user_name") for event in tx.outbox.of_operation(operation.id))
    return next((str(name) for name in names if name), operation.actor)
