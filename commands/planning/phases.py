"""Phases in `--status`: Velero's names in any case, or patterns. An unknown phase is an error."""

from __future__ import annotations

from collections.abc import Iterable

from commands.grammar.command import Command
from commands.grammar.nearest import nearest
from domain.errors import UsageError
from domain.wildcards import matches_wildcard
from velero.phases import Phases


def all_phases(phases: Phases, *more: str) -> frozenset[str]:
    return (phases.terminal | phases.running | phases.queued | set(more)) - {""}


def check_phase(cmd: Command, known: frozenset[str], seen: Iterable[str]) -> None:
    """Raises UsageError for an unknown phase. Phases of existing objects are known too: a newer Velero may add some."""
    names = sorted(known | set(filter(None, seen)))
    for given in cmd.strings("status"):
        if not any(matches_phase(given, name) for name in names):
            lowered = {name.lower(): name for name in names}
            raise UsageError(
                f"Unknown phase `{given}`.",
                why=f"Phases of a {cmd.noun}: {', '.join(names)}.",
                nearest=tuple(lowered[each] for each in nearest(given.lower(), lowered, 3)),
            )


def matches_phase(given: str, name: str) -> bool:
    return matches_wildcard(given.lower(), name.lower())
