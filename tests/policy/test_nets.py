"""Whether a restore has a safety backup, as rules say: for what touches them, or for what lies inside them whole."""

from typing import Any

import pytest

from domain.reach import Reach
from policy.parse import RuleErrors, parse_rules
from policy.safety_backup import SafetyBackupRule, safety_backup_rule
from tests.policy.people import ADA, BOB, GRACE, WEDNESDAY, ask, rules

WANTED = {
    "who": "anyone", "what": ["restore.*"], "clusters": ["east"], "namespaces": ["shop", "shop-*"],
    "effect": "approve", "approvers": ["approvers"], "safety_backup": True,
}  # fmt: skip
SPARED = {
    "who": "anyone", "what": ["restore.create"], "namespaces": ["scratch"], "effect": "allow", "safety_backup": False,
}  # fmt: skip
MUTE = {"who": "anyone", "what": ["*"], "effect": "allow"}


def said(
    *table: dict[str, Any], names: tuple[str, ...] = ("shop",), default: bool = False, **changes: Any
) -> SafetyBackupRule:
    asked = ask(changes.pop("actor", ADA), "restore.create", *names, **changes)
    return safety_backup_rule(rules(*table), asked, default)


def test_the_rule_that_says_it_is_named() -> None:
    assert said(MUTE, WANTED) == SafetyBackupRule(wanted=True, by="rule r1", rule="r1")


@pytest.mark.parametrize("default", [True, False])
def test_where_no_rule_says_anything_the_settings_do(default: bool) -> None:
    assert said(MUTE, default=default) == SafetyBackupRule(default, "the settings")


def test_what_only_touches_it_has_one_too() -> None:
    assert said(WANTED, names=("shop", "billing")).wanted


def test_a_rule_takes_away_what_the_settings_have() -> None:
    assert said(SPARED, names=("scratch",), default=True) == SafetyBackupRule(wanted=False, by="rule r0", rule="r0")


def test_spared_is_only_what_lies_inside_whole() -> None:
    assert said(SPARED, names=("scratch", "shop"), default=True).wanted


@pytest.mark.parametrize("table", [(SPARED, WANTED), (WANTED, SPARED)])
def test_a_wider_restore_has_no_less_of_a_net_than_a_narrow_one(table: tuple[dict[str, Any], ...]) -> None:
    assert said(*table, names=("shop",)).wanted
    assert said(*table, names=("scratch", "shop")).wanted
    assert said(*table, reach=Reach(reads=frozenset({"*"}), writes=frozenset({"*"}))).wanted


def test_the_first_that_says_something_counts() -> None:
    assert not said({**SPARED, "namespaces": ["shop"]}, WANTED).wanted
    assert said(WANTED, {**SPARED, "namespaces": ["shop"]}).wanted


@pytest.mark.parametrize(
    "rule",
    [
        {"clusters": ["west"]},
        {"namespaces": ["billing"]},
        {"who": {"groups": ["on-call"]}},
        {"during": [{"days": ["fri"], "from": "14:00", "to": "18:00"}]},
    ],
)
def test_of_another_place_other_people_or_another_time_it_says_nothing(rule: dict[str, Any]) -> None:
    assert said({**WANTED, **rule}, now=WEDNESDAY) == SafetyBackupRule(wanted=False, by="the settings")


def test_of_its_own_people_it_does() -> None:
    mine = {**WANTED, "who": {"groups": ["on-call"]}}
    assert said(mine, actor=GRACE).wanted
    assert not said(mine, actor=BOB).wanted


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"what": ["backup.create"], "effect": "allow"}, "is allowed only in rules that permit restore.create"),
        ({"effect": "deny"}, "is allowed only in rules that permit restore.create"),
        ({"safety_backup": "yes"}, "Must be true or false."),
    ],
)
def test_where_it_says_nothing_the_settings_are_at_fault(change: dict[str, Any], words: str) -> None:
    found = parse_rules([{"name": "r", **WANTED, **change}])
    assert isinstance(found, RuleErrors)
    assert any("safety_backup" in text and words in text for text in found.texts)
