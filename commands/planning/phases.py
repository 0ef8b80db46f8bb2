"""Phases as people name them in `--status`: Velero's own words, in any case, or patterns; a word that is none is told."""

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
    """What is there counts too: a newer Velero has phases that nobody here has heard of."""
    names = sorted(known | set(filter(None, seen)))
    for given in cmd.strings("status"):
        if not any(matches_phase(given, name) for name in names):
            lowered = {name.lower(): name for name in names}
            raise UsageError(
                f"Unknown phase `{given}`.",
                why=f"Velero's words: {', '.join(names)}.",
                nearest=tuple(lowered[each] for each in nearest(given.lower(), lowered, 3)),
            )


def matches_phase(given: str, name: str) -> bool:
    return matches_wildcard(given.lower(), name.lower())
