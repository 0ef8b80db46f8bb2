"""Selects the objects of a verb: by names, by a selector or all of them, exactly one of the three as in the velero CLI."""

from __future__ import annotations

from commands.grammar.command import Command
from commands.grammar.flags import BOOL, TEXT, Flag
from commands.planning.facts import Facts, Need, ObjectNeed
from domain.errors import UsageError
from domain.json_types import Json
from domain.plan import Guard, Level

FLAGS: tuple[Flag, ...] = (
    Flag("selector", TEXT, "Select by label selector", short="l", group="Selection"),
    Flag("all", BOOL, "Select all", group="Selection"),
)


def check_selection(cmd: Command, noun: str) -> None:
    ways = [bool(cmd.names), bool(cmd.text("selector")), cmd.is_true("all")]
    if sum(ways) != 1:
        raise UsageError(
            f"Use only one of: {noun} names, --selector, --all."
            if sum(ways)
            else f"Name the {noun}s, or use --selector or --all.",
            fix="" if sum(ways) else f"{cmd.noun} {cmd.verb} NAME",
        )


def selection_needs(cmd: Command, resource: str) -> list[Need]:
    if cmd.text("selector"):
        return [ObjectNeed(resource, label=cmd.text("selector"), fresh=True)]
    return [ObjectNeed(resource, fresh=True)]


def named_needs(cmd: Command, known: Facts, resource: str) -> list[Need]:
    """Needs of a read: the named objects; all of them without names, or to suggest a name for one that doesn't exist."""
    if cmd.text("selector") or not cmd.names:
        return [ObjectNeed(resource, label=cmd.text("selector"), fresh=True)]
    wanted: list[Need] = [ObjectNeed(resource, name, fresh=True) for name in cmd.names]
    return [*wanted, ObjectNeed(resource)] if any((resource, name) in known.missing for name in cmd.names) else wanted


def select_objects(cmd: Command, facts: Facts, resource: str) -> list[Json]:
    """Return the selected objects in the order of the command, else by name. `missing_guards` reports missing ones."""
    if cmd.names:
        found = (facts.get(resource, name) for name in dict.fromkeys(cmd.names))
        return [item for item in found if item is not None]
    chosen = facts.all(resource)
    if cmd.text("selector"):
        chosen = [item for item in chosen if _matches(item, cmd.text("selector"))]
    return sorted(chosen, key=lambda item: str(item["metadata"]["name"]))


def absence(noun: str, name: str, facts: Facts) -> str:
    """Return the sentence for a name that doesn't exist."""
    cluster = f" in {facts.cluster}" if facts.cluster else ""
    return f"{noun[:1].upper()}{noun[1:]} `{name}` doesn't exist{cluster}."


def missing_guards(cmd: Command, facts: Facts, resource: str, noun: str) -> tuple[Guard, ...]:
    guards = [
        Guard(f"unknown-{noun}", Level.REFUSE, absence(noun, name, facts), facts.nearest(resource, name))
        for name in cmd.names
        if facts.is_absent(resource, name)
    ]
    return tuple(guards)


def _matches(item: Json, selector: str) -> bool:
    """Facts from fixtures weren't filtered by an API server."""
    from domain.selectors import parse_selector, selector_matches

    return selector_matches(parse_selector(selector), (item["metadata"].get("labels") or {}))
