"""The example that people copy means what it says."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from policy.cases import Case, CaseErrors, parse_cases, run_cases
from policy.parse import KEYS, RuleErrors, parse_rules
from policy.rules import Rule
from policy.visible import view_for
from tests.policy.people import ADA, BOB, LABELS, MALLORY

ROOT = Path(__file__).parents[2]


def table(path: str, key: str) -> list[dict[str, Any]]:
    return list(tomllib.loads((ROOT / path).read_text())[key])


def example() -> tuple[Rule, ...]:
    found = parse_rules(table("deploy/policies.example.toml", "rules"))
    assert not isinstance(found, RuleErrors), found.texts
    return found


def cases() -> tuple[Case, ...]:
    found = parse_cases(table("deploy/policies.cases.example.toml", "cases"))
    assert not isinstance(found, CaseErrors), found.texts
    return found


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_the_example_s_cases(case: Case) -> None:
    (found,) = run_cases(example(), [case])
    assert found.passed, found.text


def test_who_sees_what_under_the_example() -> None:
    def seen(actor: Any) -> tuple[str, ...]:
        return view_for(example(), actor, "prod-east", "backup.get", LABELS).visible_names(sorted(LABELS))

    assert seen(BOB) == tuple(sorted(LABELS))
    assert seen(ADA) == ("shop", "shop-db")
    assert seen(MALLORY) == ("kube-system", "payments", "shop", "shop-db")


def test_every_key_of_a_rule_is_documented() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    assert [key for key in KEYS if f"`{key}`" not in text] == []
