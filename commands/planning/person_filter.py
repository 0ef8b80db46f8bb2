"""People in filters: by whichever of their names somebody writes, it is one person."""

from __future__ import annotations

from commands.grammar.command import Command
from commands.planning.facts import Facts, RecordsNeed, RecordTable


def person_need(cmd: Command, flag: str) -> RecordsNeed | None:
    """Rows are all that this person is called: id, names, e-mail address."""
    who = person_wanted(cmd, flag)
    return RecordsNeed(RecordTable.PEOPLE, (("who", who),)) if who else None


def person_wanted(cmd: Command, flag: str) -> str:
    return cmd.text(flag).strip().removeprefix("<@").removesuffix(">").lstrip("@")


def person_names(cmd: Command, flag: str, known: Facts) -> frozenset[str]:
    """As they are and in small letters. Of somebody that Slack doesn't know, what was written."""
    need = person_need(cmd, flag)
    rows = known.records.get(need, []) if need is not None else []
    said = frozenset(filter(None, (person_wanted(cmd, flag), *map(str, rows))))
    return said | {name.casefold() for name in said}
