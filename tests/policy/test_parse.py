"""Rules from plain mappings: read whole, or every fault with its place."""

from __future__ import annotations

from datetime import time
from typing import Any

import pytest

from policy.parse import RuleErrors, Vocabulary, parse_rules
from policy.rules import ApprovalTerms, Effect, Rule, Who, needs_labels, rules_digest
from policy.scope import Hooks, NamespaceScope
from policy.time_windows import TimeWindow
from tests.policy.people import ADA, BOB, DEPLOYS, MALLORY, rules

GOOD = {"name": "shop", "who": "anyone", "what": ["backup.create"], "effect": "allow"}
KNOWN = Vocabulary(verbs=("backup.create", "backup.get", "restore.create"), clusters=("east", "west"))


def faults(**changes: Any) -> tuple[str, ...]:
    """Of one rule that is good but for these keys; `None` takes a key away."""
    entry = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    found = parse_rules([entry], KNOWN)
    assert isinstance(found, RuleErrors)
    return found.texts


def test_a_rule_with_everything() -> None:
    (found,) = rules(
        {
            "name": "prod-restores",
            "who": {"groups": ["@on-call"], "users": ["UBOB", "Ada@Example.com"]},
            "what": ["restore.*"],
            "clusters": ["east"],
            "namespaces": ["shop", "shop-*", "label:team=shop", "label:critical"],
            "kinds": ["Deployments"],
            "cluster_scoped": True,
            "hooks": "any",
            "locations": ["west"],
            "effect": "approve",
            "quorum": 2,
            "approvers": ["@approvers", "UGRACE"],
            "expires": "1h30m",
            "notify": ["#approvals"],
            "during": [{"days": ["fri", "mon"], "from": "16:00", "to": "23:30", "zone": "Europe/Berlin"}],
            "lifts": ["restores-rbac"],
            "reason_required": True,
            "break_glass": ["seniors"],
        }
    )
    assert found.who == Who(groups=frozenset({"on-call"}), users=frozenset({"UBOB", "ada@example.com"}))
    assert found.where.namespaces == NamespaceScope(("shop", "shop-*"), (("team", "shop"), ("critical", "")))
    assert found.where.hooks is Hooks.ANY
    assert found.approvals == ApprovalTerms(2, ("approvers", "UGRACE"), 5400, ("#approvals",))
    assert found.during == (TimeWindow(("mon", "fri"), time(16), time(23, 30), "Europe/Berlin"),)
    assert found.effect is Effect.APPROVE


def test_what_a_rule_leaves_out() -> None:
    (found,) = rules(GOOD)
    assert found.clusters == ("*",)
    assert found.where.is_unlimited
    assert found.approvals.expires == 3600


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": None}, ("rules[0].name: Required setting is missing.",)),
        ({"efect": "deny"}, ("rules[0] (shop).efect: Unknown setting 'efect'. Did you mean 'effect'?",)),
        ({"effect": "permit"}, ("Allowed: allow, deny, approve.",)),
        ({"effect": None}, ("rules[0] (shop).effect: Required setting is missing.",)),
        ({"who": None}, ("who: Required setting is missing.",)),
        ({"who": {}}, ("who: `who` includes no one.",)),
        ({"who": "everyone"}, ("Did you mean 'anyone'?",)),
        ({"who": {"group": ["x"]}}, ("who.group: Unknown setting 'group'. Did you mean 'groups'?",)),
        ({"who": 7}, ("who: Must be a table.",)),
        ({"what": ["backup.creat"]}, ("'backup.creat' matches no command. Did you mean 'backup.create'?",)),
        ({"what": ["Backup create"]}, ("isn't a verb such as backup.create",)),
        ({"what": []}, ("what: Must be a list of non-empty strings.",)),
        ({"clusters": ["eastt"]}, ("'eastt' matches no cluster. Did you mean 'east'?",)),
        ({"clusters": ["e["]}, ("clusters: 'e[' uses brackets that Velero doesn't support.",)),
        ({"namespaces": ["Shop"]}, ("namespaces: 'Shop' isn't a valid namespace or pattern",)),
        ({"namespaces": ["shop]"]}, ("'shop]' has a ']' without a '['",)),
        ({"namespaces": ["label:=x"]}, ("has no label key",)),
        ({"namespaces": [1]}, ("namespaces: Must be a list of non-empty strings",)),
        ({"hooks": "al"}, ("Allowed: none, annotated, any.",)),
        ({"cluster_scoped": "yes"}, ("Must be true or false.",)),
        ({"effect": "approve"}, ("approvers: Required setting is missing.",)),
        ({"effect": "approve", "approvers": ["a"], "quorum": 0}, ("quorum: Must be a whole number, at least 1.",)),
        ({"quorum": 2}, ("quorum needs approvers.",)),
        ({"expires": "soon"}, ("'soon' isn't a duration such as 30m",)),
        ({"lifts": ["restore-rbac"]}, ("Did you mean 'restores-rbac'?", "system-namespace")),
        ({"effect": "deny", "lifts": ["restores-rbac"]}, ("lifts has no effect in a deny rule. Remove it.",)),
        ({"refuses": ["backup-not-complete"]}, ("Did you mean 'backup-not-completed'?",)),
        ({"effect": "deny", "refuses": ["backup-not-completed"]}, ("refuses has no effect in a deny rule",)),
        ({"effect": "deny", "cluster_scoped": False}, ("cluster_scoped: This value has no effect in a deny rule",)),
        ({"break_glass": ["x"]}, ("break_glass works only in approval rules and freezes",)),
        ({"during": []}, ("`during` is empty",)),
        (
            {"during": [{"days": ["friday"]}]},
            ("during[0].days: 'friday' isn't a day of the week. Did you mean 'fri'?",),
        ),
        ({"during": {"zone": "Mars/Base"}}, ("'Mars/Base' isn't a time zone",)),
        ({"during": {"from": "25:00"}}, ("'25:00' isn't a time of day",)),
    ],
)
def test_a_fault_says_where_what_and_what_would_do(changes: dict[str, Any], says: tuple[str, ...]) -> None:
    found = " ".join(faults(**changes))
    assert all(text in found for text in says), found


def test_all_faults_at_once() -> None:
    found = parse_rules([{"nam": "x"}, 7, {**GOOD, "effect": "x"}, GOOD, GOOD])
    assert isinstance(found, RuleErrors)
    places = {(fault.index, fault.key) for fault in found.faults}
    assert places >= {
        (0, "nam"),
        (0, "name"),
        (0, "who"),
        (0, "what"),
        (0, "effect"),
        (1, ""),
        (2, "effect"),
        (4, "name"),
    }


def test_the_digest_follows_meaning_and_order() -> None:
    one, two = rules(GOOD, {**GOOD, "name": "other"})
    assert rules_digest((one, two)) == rules_digest(rules(GOOD, {**GOOD, "name": "other"}))
    assert rules_digest((one, two)) != rules_digest((two, one))


@pytest.mark.parametrize(
    ("who", "included", "left_out"),
    [
        ("anyone", [ADA, MALLORY], [DEPLOYS]),
        ({"groups": ["shop-team"]}, [ADA], [MALLORY, DEPLOYS]),
        ({"users": ["UBOB"]}, [BOB], [ADA]),
        ({"users": ["ADA@example.com"]}, [ADA], [BOB]),
        ({"pipelines": ["deploys"]}, [DEPLOYS], [ADA]),
        ({"pipelines": ["*"]}, [DEPLOYS], [ADA]),
        ({"users": ["deploys"]}, [], [DEPLOYS]),
        ({"terminal": True}, [], [ADA, DEPLOYS]),
    ],
)
def test_who(who: Any, included: list[Any], left_out: list[Any]) -> None:
    (rule,) = rules({**GOOD, "who": who})
    assert all(rule.who.includes(actor) for actor in included)
    assert not any(rule.who.includes(actor) for actor in left_out)


def test_rules_about_labels_need_them_read() -> None:
    assert needs_labels(rules({**GOOD, "namespaces": ["shop", "label:team=shop"]}))
    assert not needs_labels(rules(GOOD, {**GOOD, "name": "other", "namespaces": ["shop"]}))


def test_a_verb_without_a_noun() -> None:
    (found,) = rules({**GOOD, "what": ["audit.*"]})
    assert found.is_about_verb("audit")
    assert found.is_about_verb("audit.show")
    assert not found.is_about_verb("status")
    assert isinstance(parse_rules([{**GOOD, "what": ["audit.*"]}], Vocabulary(verbs=("audit",))), tuple)


def test_a_rule_is_a_value() -> None:
    found = rules(GOOD)
    assert isinstance(found[0], Rule)
    assert hash(found) == hash(rules(GOOD))
