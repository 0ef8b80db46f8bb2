"""Pressed and typed, or pressed twice: one request while the first is still open."""

from __future__ import annotations

from commands.grammar.command import Command
from commands.grammar.parser import parse
from domain.errors import UserError
from domain.operation import Operation
from store.transaction import Transaction

_BESIDE = frozenset({"reason", "break-glass", "cluster", "wait", "confirm"})
"""What may differ between two askings for the same thing."""


def find_open_duplicate(tx: Transaction, cluster: str, command: Command) -> Operation | None:
    """Only of what is one of a kind: a new object under a name, or a restore that is taken back."""
    if command.verb != "create" or not (command.names or command.has_flag("undo")):
        return None
    return next((each for each in tx.operations.open() if each.cluster == cluster and _same(each.line, command)), None)


def _same(line: str, command: Command) -> bool:
    try:
        other = parse(line)
    except UserError:
        return False
    return (other.key, other.names, _meant(other)) == (command.key, command.names, _meant(command))


def _meant(command: Command) -> dict[str, object]:
    return {name: value for name, value in command.flags.items() if name not in _BESIDE and value is not None}
