"""Generated lines: none raises anything but what a person is told, none that was refused is a plan."""

from __future__ import annotations

import copy
import json
import os
from collections import Counter

import pytest

from commands.batch import facts_from_objects
from commands.grammar.parser import parse
from commands.planning.context import PlanContext
from commands.planning.facts import Facts
from commands.registry import verb_of
from domain.errors import UserError
from domain.plan import Plan
from tests.commands.lines import GOLDEN, lines
from tests.commands.shelf import namespace, situation

COUNT = 200_000 if os.environ.get("EXPLORE") else 40_000
SHARDS = 4
SEED = 20261121


def facts() -> Facts:
    found = facts_from_objects(json.loads((GOLDEN / "fixtures.json").read_text()))
    found.add("namespaces", [namespace("shop"), namespace("billing")], whole=True)
    return found


def taken(line: str, held: Facts, about: PlanContext) -> tuple[str, Plan | None]:
    """How the line ends, and what would be written."""
    try:
        command = parse(line)
        verb = verb_of(command.key)
        if command.help or verb is None:
            return "help", None
        if verb.plan is not None and verb.answer is None:
            return "plan", verb.plan(command, held, about)
        if verb.answer is not None:
            verb.answer(command, {"prod": held}, about)
            return "answer", None
        if verb.change_memory is not None:
            verb.change_memory(command, held, about)
            return "note", None
    except UserError as error:
        return ("refused" if told(error, line) else "untold"), None
    return "not here", None


def told(error: UserError, line: str) -> bool:
    """It has words, and where it points is in the line."""
    return bool(error.text) and (error.part is None or 0 <= error.part[0] < error.part[1] <= len(line))


@pytest.mark.parametrize("shard", range(SHARDS))
def test_no_line_raises_anything_but_what_a_person_is_told(shard: int) -> None:
    held, about = facts(), situation()
    before = copy.deepcopy(held.objects)
    ends: Counter[str] = Counter()
    for line in lines(COUNT // SHARDS, SEED + shard):
        end, plan = taken(line, held, about)
        ends[end] += 1
        if plan is not None:
            assert all(step.kind and step.resource for step in plan.steps), line
    assert held.objects == before
    assert ends["untold"] == 0
    assert min(ends["plan"], ends["answer"], ends["refused"]) > COUNT // SHARDS // 100, ends


def test_what_was_understood_reads_back_the_same() -> None:
    for line in lines(COUNT // 10, SEED - 1):
        try:
            command = parse(line)
        except UserError:
            continue
        if command.line:
            again = parse(command.line)
            meant = {name: value for name, value in command.flags.items() if value is not None and name != "cluster"}
            assert (again.key, again.names) == (command.key, command.names), line
            assert {name: value for name, value in again.flags.items() if value is not None} == meant, line
