"""Counts refused attempts: one audit entry per person, verb and minute, however often they try."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from commands.grammar.parser import parse_quickly
from domain.errors import UserError
from store.tables.audit import AuditEntry

MAX_KEYS = 1000
"""Pairs of person and verb counted separately within a minute; the rest is counted together."""
OVERFLOW_KEY = ("others", "-", "-")


class RefusedAttempts:
    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def add(self, person: str, line: str, lead: str = "", way: str = "") -> None:
        key = (person, _verb(line, lead), way)
        self._counts[key if key in self._counts or len(self._counts) < MAX_KEYS else OVERFLOW_KEY] += 1

    def drain(self, now: datetime) -> Iterator[AuditEntry]:
        counts, self._counts = self._counts, Counter()
        for (person, verb, way), count in sorted(counts.items()):
            yield AuditEntry(now, person, verb, "refused", detail={"attempts": count, "way": way})


def _verb(line: str, lead: str) -> str:
    """Return the verb if it is known: everything else in the line is untrusted text."""
    try:
        return parse_quickly(line, lead=lead).key or "-"
    except UserError:
        return "-"
