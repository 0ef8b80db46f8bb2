"""Finds the earlier operations that keep a new one from starting."""

from __future__ import annotations

from commands.registry import verb_of
from domain.operation import Operation
from domain.reach import Reach
from store.transaction import Transaction


def find_conflict(tx: Transaction, operation: Operation, reach: Reach) -> str:
    """Why the operation can't start now; empty where it can. Call it in the transaction that grants."""
    verb = verb_of(f"{operation.noun}.{operation.verb}")
    return verb.conflicts(tx, operation, reach) if verb is not None and verb.conflicts is not None else ""
