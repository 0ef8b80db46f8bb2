"""Finds an open operation that requests the same, so that a click and a typed line are one request."""

from __future__ import annotations

from commands.grammar.command import Command
from commands.grammar.parser import parse
from domain.errors import UserError
from domain.operation import Operation
from store.transaction import Transaction

_IGNORED_FLAGS = frozenset({"reason", "break-glass", "cluster", "wait", "confirm"})
"""Flags that may differ between two requests for the same."""


def find_open_duplicate(tx: Transaction, cluster: str, command: Command) -> Operation | None:
    """Only for what can exist once: a new object with a given name, or the undo of a restore."""
    if command.verb != "create" or not (command.names or command.has_flag("undo")):
        return None
    return next(
        (each for each in tx.operations.open() if each.cluster == cluster and _requests_same(each.line, command)), None
    )


def _requests_same(line: str, command: Command) -> bool:
    try:
        other = parse(line)
    except UserError:
        return False
    return (other.key, other.names, _compared_flags(other)) == (command.key, command.names, _compared_flags(command))


def _compared_flags(command: Command) -> dict[str, object]:
    return {name: value for name, value in command.flags.items() if name not in _IGNORED_FLAGS and value is not None}
