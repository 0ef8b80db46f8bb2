"""Why each rule did or did not decide; tables of cases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from domain.decision import Outcome
from domain.errors import UsageError
from domain.plan import Plan, Step, StepVerb
from domain.reach import Reach
from policy.cases import Case, CaseErrors, parse_cases, run_cases
from policy.decide import judge
from policy.explain import ExplainedRule, explain, list_rights
from tests.policy.people import ADA, DIRECTORY, LABELS, WEDNESDAY, ask, rules

TABLE = (
    {"name": "freeze", "who": "anyone", "what": ["*"], "effect": "deny", "during": {"days": ["sun"]}},
    {"name": "other-verb", "who": "anyone", "what": ["restore.*"], "effect": "allow"},
    {"name": "other-cluster", "who": "anyone", "what": ["*"], "effect": "allow", "clusters": ["west"]},
    {"name": "platform", "who": {"groups": ["platform"]}, "what": ["*"], "effect": "allow"},
    {"name": "payments", "who": "anyone", "what": ["*"], "effect": "deny", "namespaces": ["payments"]},
    {"name": "db", "who": "anyone", "what": ["*"], "effect": "allow", "namespaces": ["shop-db"]},
    {
        "name": "four-eyes",
        "who": "anyone",
        "what": ["*"],
        "effect": "approve",
        "namespaces": ["shop"],
        "approvers": ["approvers"],
    },
    {
        "name": "team",
        "who": {"groups": ["shop-team"]},
        "what": ["*"],
        "effect": "allow",
        "namespaces": ["shop", "shop-db"],
    },
)


def rows(*reads: str) -> dict[str, ExplainedRule]:
    return {row.rule: row for row in explain(rules(*TABLE), ask(ADA, "backup.create", *reads), DIRECTORY).rows}


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("freeze", "it applies only sun 00:00-00:00 UTC"),
        ("other-verb", "it applies to restore.*, not backup.create"),
        ("other-cluster", "it applies to cluster west, not east"),
        ("platform", "it applies to platform; ada isn't one of them"),
        ("payments", "the command doesn't touch its namespaces"),
        ("db", "the command also affects other namespaces"),
        ("four-eyes", "it matches, so approval is required, but the command also affects other namespaces"),
        ("team", "everything the command affects is inside this rule"),
    ],
)
def test_every_rule_is_explained(rule: str, why: str) -> None:
    assert rows("shop", "shop-db")[rule].why == why


def test_the_row_that_decided() -> None:
    found = rows("shop", "shop-db")
    assert [row.rule for row in found.values() if row.decided] == ["four-eyes"]
    assert found["db"].cells == ("db", "allow", "-", "the command also affects other namespaces (shop)")
    assert found["four-eyes"].cells[2] == "decides"
    assert found["team"].cells[2] == "applies"


def test_the_explanation_carries_the_decision() -> None:
    asked = ask(ADA, "backup.create", "shop")
    found = explain(rules(*TABLE), asked, DIRECTORY)
    assert found.decision == judge(rules(*TABLE), asked, DIRECTORY)
    assert len(found.rows) == len(TABLE)


def test_rights_are_the_rules_that_include_somebody() -> None:
    found = list_rights(rules(*TABLE), ADA, ["east", "west"])
    assert found[0] == ("*", "east, west", "deny everywhere, sun 00:00-00:00 UTC", "freeze")
    assert ("*", "west", "allow everywhere", "other-cluster") in found
    assert ("*", "east, west", "approve in shop, needs 1 approval from approvers", "four-eyes") in found
    assert "platform" not in [row[3] for row in found]


def test_rights_by_label() -> None:
    by_label = {
        "name": "l",
        "who": "anyone",
        "what": ["backup.*"],
        "effect": "allow",
        "namespaces": ["label:team=shop", "label:x"],
    }
    assert list_rights(rules(by_label), ADA, ["east"])[0][2] == "allow in label:team=shop, label:x"


CASE = {
    "as": "ada",
    "groups": ["shop-team"],
    "cluster": "east",
    "verb": "backup.create",
    "reads": ["shop-db"],
    "expect": "allow",
}


def cases(*changes: dict[str, Any]) -> tuple[Case, ...]:
    found = parse_cases([{**CASE, **each} for each in changes], LABELS)
    assert not isinstance(found, CaseErrors), found.texts
    return found


def test_a_table_of_cases() -> None:
    found = run_cases(
        rules(*TABLE),
        cases(
            {},
            {"reads": ["payments"], "expect": "deny", "rule": "payments"},
            {"at": "2026-11-22T10:00:00Z", "expect": "deny", "rule": "freeze"},
            {"reads": ["shop"], "expect": "approve", "rule": "four-eyes"},
            {"reads": ["shop"], "expect": "approve", "name": "guarded", "guards": ["restores-rbac"]},
            {"rule": "team"},
        ),
        directory=DIRECTORY,
    )
    assert [each.passed for each in found] == [True, True, True, True, False, False]
    assert "expected approve, got deny by rule four-eyes" in found[4].text
    assert found[5].text == "expected rule team, got db"


def test_a_case_of_a_command_is_planned_first() -> None:
    step = Step(StepVerb.CREATE, "Backup", "backups", "b1", {})
    plan = Plan("east", "backup", "create", (step,), Reach(reads=frozenset({"shop-db"})))
    table = cases({"verb": None, "command": "backup create b1"})
    assert run_cases(rules(*TABLE), table, lambda _line, cluster: replace(plan, cluster=cluster))[0].passed
    assert run_cases(rules(*TABLE), table)[0].text == "`backup create b1` can't be planned here"


def test_a_command_that_does_not_parse_fails_its_case_alone() -> None:
    def planner(line: str, cluster: str) -> Plan | None:
        raise UsageError("There is no flag --al.")

    found = run_cases(rules(*TABLE), cases({"verb": None, "command": "backup delete --al"}, {}), planner, DIRECTORY)
    assert [each.passed for each in found] == [False, True]
    assert found[0].text.endswith("There is no flag --al.")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"expects": "allow"}, "cases[0].expects: Unknown setting 'expects'. Did you mean 'expect'?"),
        ({"expect": "yes"}, "Allowed: allow, deny, approve."),
        ({"as": None}, "cases[0].as: Required setting is missing."),
        ({"at": "friday"}, "'friday' isn't a time"),
        ({"at": 7}, "Must be a date with a time."),
        ({"command": "backup create"}, "Set either command or verb, not both"),
        ({"verb": None}, "cases[0].verb: Required setting is missing."),
    ],
)
def test_faults_of_cases(changes: dict[str, Any], says: str) -> None:
    found = parse_cases([{key: value for key, value in {**CASE, **changes}.items() if value is not None}])
    assert isinstance(found, CaseErrors)
    assert says in " ".join(found.texts)


def test_a_case_that_is_no_table() -> None:
    found = parse_cases(["x"])
    assert isinstance(found, CaseErrors)


def test_a_time_without_zone_is_utc() -> None:
    (found,) = cases({"at": WEDNESDAY.replace(tzinfo=None)})
    assert found.ask.now == WEDNESDAY
    assert found.expect is Outcome.ALLOW


def test_rights_claim_nothing_that_is_refused() -> None:
    table = rules(
        {"name": "no-deletes", "who": "anyone", "what": ["*.delete"], "effect": "deny"},
        {"name": "deletes", "who": "anyone", "what": ["backup.delete"], "effect": "allow"},
        {
            "name": "cluster-wide",
            "who": "anyone",
            "what": ["restore.create"],
            "effect": "approve",
            "approvers": ["dba"],
            "cluster_scoped": True,
        },
        {"name": "pods", "who": "anyone", "what": ["backup.create"], "kinds": ["pods"], "effect": "allow"},
    )
    told = {rule: follows for _, _, follows, rule in list_rights(table, ADA, ("prod",))}
    assert told["deletes"] == "nothing: rule no-deletes denies it first"
    assert told["cluster-wide"].endswith("permits nothing on its own")
    assert "everywhere" not in told["cluster-wide"] + told["pods"]
