"""Help marks the commands that a person may not run, and works it out once per person and rules."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from commands.grammar.parser import parse
from commands.help import answer
from commands.registry import VERBS
from domain.actor import Actor, ActorKind
from domain.answer import Code
from policy.parse import parse_rules
from policy.rules import Rule


def actor(name: str) -> Actor:
    return Actor(ActorKind.PERSON, f"U{name.upper()}", name, groups=frozenset({"dev"}))


def rules(effect: str = "allow") -> tuple[Rule, ...]:
    found = parse_rules(
        [{"name": f"{effect}-backups", "who": {"groups": ["dev"]}, "what": ["backup.*"], "effect": effect}]
    )
    assert isinstance(found, tuple), found
    return found


def marked(line: str, some: tuple[Rule, ...], who: Actor) -> dict[str, bool]:
    """By the command: whether it's marked as not permitted."""
    parts = [part.body for part in answer(parse(line), some, who).parts if isinstance(part, Code)]
    lines = [each for part in parts for each in part.splitlines()]
    return {" ".join(each.split()[:2]): "(no permission)" in each for each in lines}


def calls(work: Callable[[], Any]) -> int:
    counted = 0

    def count(_frame: Any, event: str, _arg: Any) -> None:
        nonlocal counted
        counted += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return counted


def test_commands_that_no_rule_permits_are_marked() -> None:
    shown = marked("help", rules(), actor("marks"))
    assert not shown["backup create"]
    assert shown["restore create"]
    assert not shown["restore get"]
    assert marked("help backup", rules("deny"), actor("marks"))["backup create"]
    assert not any(marked("help", (), actor("marks")).values())


def test_new_rules_and_other_groups_count_at_once() -> None:
    dev, guest = actor("same"), Actor(ActorKind.PERSON, "USAME", "same")
    assert not marked("help", rules(), dev)["backup create"]
    assert marked("help", rules(), guest)["backup create"]
    assert marked("help", rules("deny"), dev)["backup create"]


def test_asking_again_evaluates_no_rule_again() -> None:
    who = actor("again")  # nobody else in these tests has this name
    first, second = (calls(lambda: answer(parse("help"), rules(), who)) for _ in range(2))
    assert second < first / 3
    assert second < 20 * len(VERBS)
