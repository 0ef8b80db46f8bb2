"""Filters by person: id, name and email address all select the same person."""

from __future__ import annotations

from commands.grammar.command import Command
from commands.planning.facts import Facts, RecordsNeed, RecordTable


def person_need(cmd: Command, flag: str) -> RecordsNeed | None:
    """Need the person's identifiers: id, names, email address."""
    who = person_wanted(cmd, flag)
    return RecordsNeed(RecordTable.PEOPLE, (("who", who),)) if who else None


def person_wanted(cmd: Command, flag: str) -> str:
    return cmd.text(flag).strip().removeprefix("<@").removesuffix(">").lstrip("@")


def person_names(cmd: Command, flag: str, known: Facts) -> frozenset[str]:
    """Return the person's identifiers, also in lower case. Someone unknown to Slack has only the name as typed."""
    need = person_need(cmd, flag)
    rows = known.records.get(need, []) if need is not None else []
    names = frozenset(filter(None, (person_wanted(cmd, flag), *map(str, rows))))
    return names | {name.casefold() for name in names}
