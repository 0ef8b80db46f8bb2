"""Allow, deny, approve: tables of cases, and what no flag may change."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.actor import Actor
from domain.decision import Decision, Outcome, Reason
from domain.plan import Guard, Level, Plan, Step, StepVerb
from domain.reach import EVERYTHING, Reach
from policy.cluster_facts import ClusterFacts
from policy.decide import decide, judge, may_ask
from policy.directory import ASSUMED, UNKNOWN, Directory, Member, eligible_approvers
from policy.reach import backup_reach
from policy.rules import rules_digest
from tests.policy.people import ADA, BOB, DEPLOYS, DIRECTORY, GRACE, LABELS, MALLORY, WEDNESDAY, ask, refusing, rules

SHOP_TEAM = {
    "who": {"groups": ["shop-team"]},
    "what": ["backup.*"],
    "namespaces": ["shop", "shop-*"],
    "effect": "allow",
}
ASKED = {
    "who": {"groups": ["shop-team", "approvers"]},
    "what": ["restore.create"],
    "namespaces": ["shop"],
    "effect": "approve",
    "approvers": ["approvers"],
}
FREEZE = {
    "who": "anyone",
    "what": ["restore.*"],
    "effect": "deny",
    "during": {"days": ["wed"], "from": "09:00", "to": "11:00"},
    "break_glass": ["on-call"],
}
FAILED = Guard("backup-not-completed", Level.APPROVE, "Backup b1 is PartiallyFailed.")
PLATFORM = {"who": {"groups": ["platform"]}, "what": ["*"], "effect": "allow"}


def outcome(decision: Decision) -> tuple[str, str, str]:
    return (decision.outcome.value, decision.reason.value, decision.rule)


@pytest.mark.parametrize(
    ("actor", "verb", "reads", "expected"),
    [
        (ADA, "backup.create", ["shop"], "allow"),
        (ADA, "backup.create", ["shop", "shop-db"], "allow"),
        (ADA, "backup.create", ["shop-*"], "allow"),
        (ADA, "backup.create", ["shop*"], "deny"),
        (ADA, "backup.create", ["shop", "payments"], "deny"),
        (ADA, "backup.create", ["*"], "deny"),
        (ADA, "backup.create", [], "deny"),
        (ADA, "schedule.create", ["shop"], "deny"),
        (ADA, "restore.create", ["shop"], "approve"),
        (ADA, "restore.create", ["shop", "payments"], "deny"),
        (MALLORY, "backup.create", ["shop"], "deny"),
        (DEPLOYS, "backup.create", ["shop"], "deny"),
        (BOB, "backup.create", ["*"], "allow"),
        (BOB, "location.delete", [], "allow"),
    ],
)
def test_who_may_do_what_where(actor: Actor, verb: str, reads: list[str], expected: str) -> None:
    found = judge(rules(SHOP_TEAM, ASKED, PLATFORM), ask(actor, verb, *reads), DIRECTORY)
    assert found.outcome == expected, found.text


@pytest.mark.parametrize(
    "changes",
    [
        {"cluster_scoped": True},
        {"hooks": True},
        {"configmaps": frozenset({"m"})},
        {"writes": frozenset({"payments"})},
        {"reads": EVERYTHING},
    ],
)
def test_a_rule_of_namespaces_holds_nothing_else(changes: dict[str, Any]) -> None:
    inside = Reach(reads=frozenset({"shop"}))
    found = judge(rules(SHOP_TEAM), ask(ADA, "backup.create", reach=replace(inside, **changes)), DIRECTORY)
    assert found.outcome is Outcome.DENY
    assert judge(rules(SHOP_TEAM), ask(ADA, "backup.create", reach=inside), DIRECTORY).outcome is Outcome.ALLOW


@pytest.mark.parametrize(
    ("says", "changes"),
    [
        ({"cluster_scoped": True}, {"cluster_scoped": True}),
        ({"hooks": "any"}, {"hooks": True}),
        ({"configmaps": True}, {"configmaps": frozenset({"m"})}),
        ({"hooks": "annotated"}, {"annotation_hooks": True}),
    ],
)
def test_unless_it_says_so(says: dict[str, Any], changes: dict[str, Any]) -> None:
    reach = replace(Reach(reads=frozenset({"shop"})), **changes)
    assert (
        judge(rules({**SHOP_TEAM, **says}), ask(ADA, "backup.create", reach=reach), DIRECTORY).outcome is Outcome.ALLOW
    )


@pytest.mark.parametrize(
    ("where", "reach", "expected"),
    [
        ({"hooks": "none"}, Reach(reads=frozenset({"shop"}), annotation_hooks=True), "deny"),
        ({"kinds": ["configmaps"]}, Reach(reads=frozenset({"shop"}), kinds=frozenset({"cm"})), "allow"),
        ({"kinds": ["configmaps"]}, Reach(reads=frozenset({"shop"}), kinds=frozenset({"cm", "secret"})), "deny"),
        ({"kinds": ["configmaps"]}, Reach(reads=frozenset({"shop"})), "deny"),
        ({"locations": ["west"]}, Reach(reads=frozenset({"shop"}), locations=frozenset({"west"})), "allow"),
        ({"locations": ["west"]}, Reach(reads=frozenset({"shop"}), locations=frozenset({"*"})), "deny"),
        ({"locations": ["w*"]}, Reach(reads=frozenset({"shop"}), locations=frozenset({"east"})), "deny"),
        ({"clusters": ["west"]}, Reach(reads=frozenset({"shop"})), "deny"),
        ({"clusters": ["e*"]}, Reach(reads=frozenset({"shop"})), "allow"),
    ],
)
def test_conditions_of_a_rule_that_allows(where: dict[str, Any], reach: Reach, expected: str) -> None:
    assert judge(rules({**SHOP_TEAM, **where}), ask(ADA, "backup.create", reach=reach), DIRECTORY).outcome == expected


@pytest.mark.parametrize(
    ("where", "reach", "expected"),
    [
        ({"namespaces": ["payments"]}, Reach(reads=frozenset({"shop"})), "allow"),
        ({"namespaces": ["payments"]}, Reach(reads=frozenset({"shop", "payments"})), "deny"),
        ({"namespaces": ["payments"]}, Reach(reads=EVERYTHING), "deny"),
        ({"namespaces": ["payments"]}, Reach(reads=frozenset({"pay*"})), "deny"),
        ({"namespaces": ["payments"]}, Reach(reads=frozenset({"shop"}), writes=frozenset({"payments"})), "deny"),
        ({"namespaces": ["payments"]}, Reach(), "deny"),
        ({"namespaces": ["label:team=pay"]}, Reach(reads=frozenset({"shop"})), "allow"),
        ({"namespaces": ["label:team=pay"]}, Reach(reads=frozenset({"payments"})), "deny"),
        ({"namespaces": ["label:team=pay"]}, Reach(reads=frozenset({"not-alive"})), "deny"),
        ({"namespaces": ["label:team=pay"]}, Reach(reads=frozenset({"shop-*"})), "deny"),
        ({"kinds": ["secrets"]}, Reach(reads=frozenset({"shop"})), "deny"),
        ({"kinds": ["secrets"]}, Reach(reads=frozenset({"shop"}), without=frozenset({"secrets"})), "allow"),
        ({"kinds": ["secret"]}, Reach(reads=frozenset({"shop"}), kinds=frozenset({"pods"})), "allow"),
        ({"kinds": ["widgets.example.com"]}, Reach(reads=frozenset({"shop"}), kinds=frozenset({"wdg"})), "deny"),
        (
            {"kinds": ["widgets.example.com"]},
            Reach(reads=frozenset({"shop"}), kinds=frozenset({"x.other.org"})),
            "allow",
        ),
        ({"cluster_scoped": True}, Reach(reads=frozenset({"shop"})), "allow"),
        ({"cluster_scoped": True}, Reach(reads=frozenset({"shop"}), cluster_scoped=True), "deny"),
        ({"hooks": "any"}, Reach(reads=frozenset({"shop"}), annotation_hooks=True), "allow"),
        ({"hooks": "any"}, Reach(reads=frozenset({"shop"}), hooks=True), "deny"),
        ({"hooks": "annotated"}, Reach(reads=frozenset({"shop"}), annotation_hooks=True), "deny"),
        ({"locations": ["west"]}, Reach(reads=frozenset({"shop"}), locations=frozenset({"*"})), "deny"),
        ({"locations": ["west"]}, Reach(reads=frozenset({"shop"}), locations=frozenset({"east"})), "allow"),
        ({"namespaces": ["shop"], "cluster_scoped": True}, Reach(reads=frozenset({"shop"})), "allow"),
    ],
)
def test_a_rule_that_denies_is_touched(where: dict[str, Any], reach: Reach, expected: str) -> None:
    denies = {"who": "anyone", "what": ["backup.*"], "effect": "deny", **where}
    assert judge(rules(denies, PLATFORM), ask(BOB, "backup.create", reach=reach), DIRECTORY).outcome == expected


def test_labels_are_those_of_living_namespaces() -> None:
    team = rules({**SHOP_TEAM, "namespaces": ["label:team=shop"]})
    assert judge(team, ask(ADA, "backup.create", "shop", "shop-db"), DIRECTORY).outcome is Outcome.ALLOW
    for reads in ("payments", "not-alive", "shop*", "*"):
        assert judge(team, ask(ADA, "backup.create", reads), DIRECTORY).outcome is Outcome.DENY
    assert judge(team, ask(ADA, "backup.create", "shop", labels={}), DIRECTORY).outcome is Outcome.DENY


def test_first_match_wins() -> None:
    denies = {**SHOP_TEAM, "effect": "deny", "namespaces": ["shop"]}
    asked = ask(ADA, "backup.create", "shop")
    assert outcome(judge(rules(denies, SHOP_TEAM), asked, DIRECTORY)) == ("deny", "rule", "r0")
    assert outcome(judge(rules(SHOP_TEAM, denies), asked, DIRECTORY)) == ("allow", "rule", "r0")


def test_reads_are_allowed_and_audits_are_not() -> None:
    assert outcome(judge((), ask(MALLORY, "backup.get", writes=False), DIRECTORY)) == ("allow", "read-default", "")
    assert judge((), ask(MALLORY, "audit.show", writes=False), DIRECTORY).outcome is Outcome.DENY
    allows = rules({"who": {"users": ["UMALLORY"]}, "what": ["audit.*"], "effect": "allow"})
    assert judge(allows, ask(MALLORY, "audit.show", writes=False), DIRECTORY).outcome is Outcome.ALLOW


def test_a_refusal_says_whom_to_ask() -> None:
    found = judge(rules(SHOP_TEAM, ASKED, PLATFORM), ask(MALLORY, "backup.create", "shop"), DIRECTORY)
    assert outcome(found) == ("deny", "write-default", "")
    assert found.ask == ("shop-team", "platform")
    assert "permission to create backups" in found.text


def test_nobody_is_told_to_ask_themselves() -> None:
    denies = {"who": {"users": ["UADA"]}, "what": ["*"], "effect": "deny"}
    found = judge(rules(denies, SHOP_TEAM, PLATFORM), ask(ADA, "backup.create", "shop"), DIRECTORY)
    assert found.ask == ("platform",)


def test_a_guard_s_refusal_names_those_who_may_lift_it() -> None:
    asked = ask(ADA, "backup.create", "shop", guards=(refusing("restores-rbac"),))
    lifting = {**PLATFORM, "who": {"users": ["UBOB"]}, "lifts": ["restores-rbac"]}
    assert judge(rules(SHOP_TEAM, PLATFORM, lifting), asked, DIRECTORY).ask == ("UBOB",)


def test_a_refusal_names_the_nearest_rule_and_no_namespace_that_might_be_a_secret() -> None:
    found = judge(rules(SHOP_TEAM), ask(ADA, "backup.create", "shop", "payments"), DIRECTORY)
    assert found.rule == ""
    assert "Rule `r0` is the closest match" in found.text
    assert "payments" not in found.text


def test_a_decision_records_the_rules() -> None:
    table = rules(SHOP_TEAM)
    assert judge(table, ask(ADA, "backup.create", "shop"), DIRECTORY).rules_digest == rules_digest(table)


def test_a_plan_is_decided_as_what_it_says() -> None:
    step = Step(StepVerb.CREATE, "Backup", "backups", "b1", {"spec": {"includedNamespaces": ["shop"]}})
    plan = Plan("east", "backup", "create", (step,), Reach(reads=frozenset({"shop"})))
    found = decide(rules(SHOP_TEAM), ADA, plan, WEDNESDAY, DIRECTORY, labels=LABELS)
    assert found.outcome is Outcome.ALLOW
    assert decide((), ADA, replace(plan, steps=()), WEDNESDAY, DIRECTORY).reason is Reason.READ_DEFAULT


class TestApproval:
    def test_the_terms_are_the_rule_s(self) -> None:
        found = judge(rules({**ASKED, "quorum": 2, "expires": "30m"}), ask(ADA, "restore.create", "shop"), DIRECTORY)
        assert found.outcome is Outcome.REQUIRE_APPROVAL
        assert (found.quorum, found.expires, found.approvers) == (2, 1800, {"approvers"})

    def test_the_requester_never_counts(self) -> None:
        found = judge(rules({**ASKED, "quorum": 2}), ask(GRACE, "restore.create", "shop"), DIRECTORY)
        assert outcome(found) == ("deny", "not-enough-approvers", "r0")

    def test_nor_does_their_other_account(self) -> None:
        second = Directory(groups={"approvers": (Member("UGRACE2", "Grace@example.com"), Member("UBOB"))})
        assert [each.id for each in eligible_approvers(second, ["approvers"], GRACE)] == ["UBOB"]

    def test_two_people_without_addresses_are_two(self) -> None:
        bare = Directory(groups={"approvers": (Member("UGRACE"), Member("UBOB"))})
        assert len(eligible_approvers(bare, ["approvers"], replace(ADA, email=""))) == 2

    def test_one_person_counts_once(self) -> None:
        twice = Directory(
            groups={
                "approvers": (Member("UBOB", "bob@example.com"),),
                "seniors": (Member("UBOB2", "BOB@example.com"),),
            },
            people=(Member("UBOB", "bob@example.com"),),
        )
        assert len(eligible_approvers(twice, ["approvers", "seniors", "UBOB", "bob@example.com"], ADA)) == 1

    def test_nor_do_people_who_left(self) -> None:
        gone = Directory(groups={"approvers": (Member("UBOB", active=False), Member("UGRACE"))})
        assert [each.id for each in eligible_approvers(gone, ["approvers"], ADA)] == ["UGRACE"]

    def test_when_nobody_can_be_counted_it_is_refused(self) -> None:
        found = judge(rules(ASKED), ask(ADA, "restore.create", "shop"), UNKNOWN)
        assert found.reason is Reason.NOT_ENOUGH_APPROVERS
        assert "the approvers can't be determined right now" in found.text
        assert judge(rules(ASKED), ask(ADA, "restore.create", "shop"), ASSUMED).outcome is Outcome.REQUIRE_APPROVAL

    def test_a_stale_list_is_not_counted(self) -> None:
        stale = replace(DIRECTORY, known=False)
        assert judge(rules(ASKED), ask(ADA, "restore.create", "shop"), stale).outcome is Outcome.DENY

    def test_a_rule_that_is_touched_makes_it_a_duty(self) -> None:
        later = {"who": {"groups": ["shop-team"]}, "what": ["restore.*"], "effect": "allow"}
        found = judge(rules(ASKED, later), ask(ADA, "restore.create", "shop", "payments"), DIRECTORY)
        assert outcome(found) == ("approve", "rule", "r0")

    def test_but_permits_nothing_outside_itself(self) -> None:
        found = judge(rules(ASKED), ask(ADA, "restore.create", "shop", "payments"), DIRECTORY)
        assert outcome(found) == ("deny", "write-default", "")

    def test_of_two_duties_the_stricter_counts(self) -> None:
        prod = {**ASKED, "namespaces": ["payments"], "quorum": 2}
        later = {"who": {"groups": ["shop-team"]}, "what": ["restore.*"], "effect": "allow"}
        found = judge(rules(ASKED, prod, later), ask(ADA, "restore.create", "shop", "payments"), DIRECTORY)
        assert (found.rule, found.quorum) == ("r1", 2)

    def test_a_duty_on_a_condition_permits_nothing(self) -> None:
        wide = {"who": "anyone", "what": ["*"], "effect": "approve", "cluster_scoped": True, "approvers": ["approvers"]}
        reach = Reach(reads=frozenset({"shop"}), cluster_scoped=True)
        alone = judge(rules(wide), ask(BOB, "backup.create", reach=reach), DIRECTORY)
        assert "Rule `r0` requires approval, but no rule allows the command itself" in alone.text
        assert outcome(judge(rules(wide, PLATFORM), ask(BOB, "backup.create", reach=reach), DIRECTORY))[0] == "approve"
        assert outcome(judge(rules(wide, PLATFORM), ask(BOB, "backup.create", "shop"), DIRECTORY))[0] == "allow"

    def test_a_reason_may_be_required(self) -> None:
        table = rules({**ASKED, "reason_required": True})
        assert "--reason" in judge(table, ask(ADA, "restore.create", "shop"), DIRECTORY).text
        asked = ask(ADA, "restore.create", "shop", reason="it's empty")
        assert judge(table, asked, DIRECTORY).outcome is Outcome.REQUIRE_APPROVAL


class TestGuards:
    def test_a_guard_refuses_what_a_rule_allows(self) -> None:
        asked = ask(BOB, "restore.create", "shop", guards=(refusing("restores-rbac"),))
        assert outcome(judge(rules(PLATFORM), asked, DIRECTORY)) == ("deny", "guard", "r0")

    def test_a_rule_lifts_it_by_name(self) -> None:
        asked = ask(BOB, "restore.create", "shop", guards=(refusing("restores-rbac"),))
        table = rules({**PLATFORM, "lifts": ["restores-rbac"]})
        assert judge(table, asked, DIRECTORY).outcome is Outcome.ALLOW

    def test_and_no_other(self) -> None:
        asked = ask(BOB, "restore.create", "shop", guards=(refusing("restores-rbac"), refusing("restores-crds")))
        assert judge(rules({**PLATFORM, "lifts": ["restores-rbac"]}), asked, DIRECTORY).outcome is Outcome.DENY

    def test_what_is_impossible_is_lifted_by_nothing(self) -> None:
        asked = ask(BOB, "backup.create", "shop", guards=(refusing("name-exists"),))
        (rule,) = rules(PLATFORM)
        lifting = (replace(rule, lifts=frozenset({"name-exists"})),)
        assert judge(lifting, asked, DIRECTORY).reason is Reason.GUARD

    def test_a_warning_stops_nothing(self) -> None:
        asked = ask(BOB, "backup.create", "shop", guards=(Guard("old", Level.WARN, "old"),))
        assert judge(rules(PLATFORM), asked, DIRECTORY).outcome is Outcome.ALLOW

    def test_a_guard_may_ask_for_approval(self) -> None:
        guard = Guard("partial-source", Level.APPROVE, "The backup failed in part.")
        asked = ask(BOB, "restore.create", "shop", guards=(guard,))
        assert judge(rules(PLATFORM), asked, DIRECTORY).reason is Reason.GUARD
        fallback = {**ASKED, "who": "anyone"}
        assert outcome(judge(rules(PLATFORM, fallback), asked, DIRECTORY)) == ("approve", "rule", "r1")
        own = rules({**PLATFORM, "approvers": ["approvers"]})
        assert outcome(judge(own, asked, DIRECTORY)) == ("approve", "rule", "r0")

    def test_what_asks_for_approval_may_be_refused_whoever_approves(self) -> None:
        asked = ask(ADA, "restore.create", "shop", guards=(FAILED,))
        strict = {**ASKED, "refuses": ["backup-not-completed"]}
        assert outcome(judge(rules(ASKED), asked, DIRECTORY)) == ("approve", "rule", "r0")
        assert outcome(judge(rules(strict), asked, DIRECTORY)) == ("deny", "guard", "r0")
        assert outcome(judge(rules(strict), replace(asked, guards=()), DIRECTORY)) == ("approve", "rule", "r0")

    def test_also_by_a_rule_that_is_only_touched_or_whose_glass_is_broken(self) -> None:
        strict = {**ASKED, "namespaces": ["shop"], "refuses": ["backup-not-completed"], "break_glass": ["shop-team"]}
        wide = {**ASKED, "namespaces": ["shop*"]}
        asked = ask(ADA, "restore.create", "shop", "shop-db", guards=(FAILED,))
        assert outcome(judge(rules(strict, wide), asked, DIRECTORY)) == ("deny", "guard", "r0")
        broken = replace(asked, break_glass=True, reason="checkout is down")
        assert outcome(judge(rules(strict, wide), broken, DIRECTORY)) == ("deny", "guard", "r0")

    def test_breaking_the_glass_breaks_no_guard(self) -> None:
        table = rules({**ASKED, "break_glass": ["shop-team"]})
        asked = ask(ADA, "restore.create", "shop", guards=(refusing("restores-rbac"),), break_glass=True, reason="down")
        assert judge(table, asked, DIRECTORY).reason is Reason.GUARD


class TestFreezeAndGlass:
    def test_a_freeze_denies_in_its_hours(self) -> None:
        table = rules(FREEZE, PLATFORM)
        found = judge(table, ask(BOB, "restore.create", "shop"), DIRECTORY)
        assert outcome(found) == ("deny", "freeze", "r0")
        assert "wed 09:00-11:00 UTC" in found.text
        later = ask(BOB, "restore.create", "shop", now=WEDNESDAY + timedelta(hours=1))
        assert judge(table, later, DIRECTORY).outcome is Outcome.ALLOW

    @pytest.mark.parametrize(
        ("actor", "reason", "expected"), [(GRACE, "down", "allow"), (GRACE, " ", "deny"), (BOB, "down", "deny")]
    )
    def test_a_named_group_may_pass_it_with_a_reason(self, actor: Actor, reason: str, expected: str) -> None:
        table = rules(FREEZE, {**PLATFORM, "who": "anyone"})
        asked = ask(actor, "restore.create", "shop", break_glass=True, reason=reason)
        assert judge(table, asked, DIRECTORY).outcome == expected

    def test_passing_it_is_recorded_as_such(self) -> None:
        table = rules(FREEZE, {**PLATFORM, "who": "anyone"})
        asked = ask(GRACE, "restore.create", "shop", break_glass=True, reason="down")
        assert outcome(judge(table, asked, DIRECTORY)) == ("allow", "break-glass", "r1")

    def test_passing_it_permits_nothing_by_itself(self) -> None:
        asked = ask(GRACE, "restore.create", "shop", break_glass=True, reason="down")
        assert judge(rules(FREEZE), asked, DIRECTORY).outcome is Outcome.DENY

    def test_approval_is_passed_with_a_follow_up(self) -> None:
        table = rules({**ASKED, "break_glass": ["approvers"]})
        found = judge(table, ask(GRACE, "restore.create", "shop", break_glass=True, reason="down"), DIRECTORY)
        assert outcome(found) == ("allow", "break-glass", "r0")
        assert (found.quorum, found.approvers) == (1, {"approvers"})

    def test_one_glass_is_not_all_of_them(self) -> None:
        """Two approvals are owed; breaking the stricter one leaves the other."""
        strict = {**ASKED, "quorum": 2, "namespaces": ["payments"], "break_glass": ["approvers"]}
        table = rules(ASKED, strict, {**PLATFORM, "who": "anyone"})
        asked = ask(GRACE, "restore.create", "shop", "payments", break_glass=True, reason="down")
        assert outcome(judge(table, asked, DIRECTORY)) == ("approve", "rule", "r0")

    def test_a_reason_is_asked_for_by_any_duty(self) -> None:
        strict = {**ASKED, "quorum": 2, "namespaces": ["payments"]}
        table = rules({**ASKED, "reason_required": True}, strict, {"who": "anyone", "what": ["*"], "effect": "allow"})
        assert "--reason" in judge(table, ask(ADA, "restore.create", "shop", "payments"), DIRECTORY).text

    def test_nobody_passes_by_accident(self) -> None:
        table = rules({**ASKED, "break_glass": ["approvers"]})
        asked = ask(GRACE, "restore.create", "shop", reason="down")
        assert judge(table, asked, DIRECTORY).outcome is Outcome.REQUIRE_APPROVAL


class TestMayAsk:
    @pytest.mark.parametrize(
        ("actor", "verb", "writes", "expected"),
        [
            (ADA, "backup.create", True, "allow"),
            (ADA, "restore.create", True, "allow"),
            (ADA, "schedule.create", True, "deny"),
            (MALLORY, "backup.create", True, "deny"),
            (MALLORY, "backup.get", False, "allow"),
            (MALLORY, "audit.show", False, "deny"),
            (BOB, "audit.show", False, "allow"),
        ],
    )
    def test_could_any_rule_let_them(self, actor: Actor, verb: str, writes: bool, expected: str) -> None:
        table = rules(SHOP_TEAM, ASKED, PLATFORM)
        assert may_ask(table, actor, verb, "east", writes=writes).outcome == expected

    def test_a_rule_that_denies_without_conditions_settles_it(self) -> None:
        denies = {"who": {"users": ["UADA"]}, "what": ["*"], "effect": "deny"}
        assert may_ask(rules(denies, SHOP_TEAM), ADA, "backup.create", "east", writes=True).rule == "r0"
        assert may_ask(rules(denies), ADA, "backup.get", "east", writes=False).outcome is Outcome.DENY

    def test_without_a_cluster_it_is_about_any(self) -> None:
        west = {**SHOP_TEAM, "clusters": ["west"]}
        assert may_ask(rules(west), ADA, "backup.create", "", writes=True).outcome is Outcome.ALLOW
        denies = {"who": "anyone", "what": ["*"], "effect": "deny", "clusters": ["east"]}
        assert may_ask(rules(denies, west), ADA, "backup.create", "", writes=True).outcome is Outcome.ALLOW
        assert may_ask(rules(denies), ADA, "backup.get", "east", writes=False).outcome is Outcome.DENY

    def test_one_with_conditions_does_not(self) -> None:
        denies = {"who": "anyone", "what": ["*"], "effect": "deny", "namespaces": ["payments"]}
        assert may_ask(rules(denies, SHOP_TEAM), ADA, "backup.create", "east", writes=True).outcome is Outcome.ALLOW
        assert may_ask(rules(denies), ADA, "backup.get", "east", writes=False).outcome is Outcome.ALLOW

    def test_whom_to_ask(self) -> None:
        found = may_ask(rules(SHOP_TEAM, PLATFORM), MALLORY, "backup.create", "east", writes=True)
        assert found.ask == ("shop-team", "platform")


def test_a_list_passes_rules_of_namespaces_and_is_filtered_later() -> None:
    denies = {"who": "anyone", "what": ["*.get"], "effect": "deny", "namespaces": ["payments"]}
    assert judge(rules(denies), ask(ADA, "backup.get", writes=False), DIRECTORY).outcome is Outcome.ALLOW


NAMES = st.sampled_from(["shop", "shop-db", "payments", "velero"])
PLACES = st.one_of(
    st.none(),
    st.lists(st.sampled_from(["shop", "shop-*", "pay*", "velero", "label:team=shop"]), min_size=1, max_size=2),
)


def entry(effect: str, namespaces: list[str] | None, wide: bool, kinds: list[str] | None) -> dict[str, Any]:
    found: dict[str, Any] = {"who": "anyone", "what": ["backup.*"], "effect": effect}
    found |= {} if namespaces is None else {"namespaces": namespaces}
    found |= {"cluster_scoped": True} if wide else {}
    found |= {} if kinds is None else {"kinds": kinds}
    return found | ({"approvers": ["approvers"]} if effect == "approve" else {})


ENTRIES = st.builds(
    entry,
    st.sampled_from(["allow", "deny", "approve"]),
    PLACES,
    st.booleans(),
    st.one_of(st.none(), st.just(["configmaps", "secrets"])),
)
PERMITS = {Outcome.DENY: 0, Outcome.REQUIRE_APPROVAL: 1, Outcome.ALLOW: 2}
REACHES = st.builds(
    Reach,
    reads=st.frozensets(NAMES, min_size=1),
    writes=st.frozensets(NAMES),
    cluster_scoped=st.booleans(),
    kinds=st.sampled_from([EVERYTHING, frozenset({"configmaps"}), frozenset({"secrets", "pods"})]),
    hooks=st.booleans(),
)
WIDER = [
    lambda reach, name: replace(reach, reads=reach.reads | {name}),
    lambda reach, name: replace(reach, writes=reach.writes | {name}),
    lambda reach, _: replace(reach, reads=EVERYTHING),
    lambda reach, _: replace(reach, cluster_scoped=True),
    lambda reach, _: replace(reach, hooks=True),
    lambda reach, _: replace(reach, kinds=EVERYTHING),
    lambda reach, _: replace(reach, configmaps=frozenset({"m"})),
]


@given(st.lists(ENTRIES, max_size=3), REACHES, NAMES)
@settings(max_examples=600)
def test_a_wider_reach_is_never_easier_to_get(entries: list[dict[str, Any]], reach: Reach, name: str) -> None:
    table = rules(*entries)
    narrow = judge(table, ask(ADA, "backup.create", reach=reach), DIRECTORY)
    for wider in WIDER:
        wide = judge(table, ask(ADA, "backup.create", reach=wider(reach, name)), DIRECTORY)
        assert PERMITS[wide.outcome] <= PERMITS[narrow.outcome]


@given(st.lists(ENTRIES, max_size=4), REACHES)
def test_a_rule_that_denies_above_all_denies(entries: list[dict[str, Any]], reach: Reach) -> None:
    table = rules(entry("deny", None, wide=False, kinds=None), *entries)
    assert judge(table, ask(ADA, "backup.create", reach=reach), DIRECTORY).outcome is Outcome.DENY


@given(st.lists(ENTRIES, max_size=4), ENTRIES, REACHES)
def test_a_rule_below_the_one_that_settled_it_changes_nothing(
    entries: list[dict[str, Any]], last: dict[str, Any], reach: Reach
) -> None:
    asked = ask(ADA, "backup.create", reach=reach)
    before, after = (judge(rules(*each), asked, DIRECTORY) for each in (entries, [*entries, last]))
    if before.reason is not Reason.WRITE_DEFAULT:
        assert outcome(before) == outcome(after)


FLAGS = st.fixed_dictionaries(
    {},
    optional={
        "includedNamespaces": st.lists(st.sampled_from(["payments", "*", "shop*", "shop"]), min_size=1, max_size=2),
        "excludedNamespaces": st.just(["payments"]),
        "includeClusterResources": st.sampled_from([True, None]),
        "includedClusterScopedResources": st.just(["*"]),
        "orderedResources": st.just({"pods": "payments/a"}),
        "labelSelector": st.just({"matchLabels": {"team": "shop"}}),
        "includedResources": st.just(["secrets"]),
        "storageLocation": st.just("west"),
        "resourcePolicy": st.just({"kind": "configmap", "name": "p"}),
        "hooks": st.just({"resources": [{"name": "h"}]}),
    },
)


@given(FLAGS)
def test_no_flag_turns_a_refusal_into_more_than_its_own_namespaces(spec: dict[str, Any]) -> None:
    """What the team is allowed lies inside what the team has, whatever the flags."""
    reach = backup_reach({"spec": spec}, ClusterFacts(labels=LABELS))
    found = judge(
        rules({**SHOP_TEAM, "namespaces": ["shop", "shop-*"]}), ask(ADA, "backup.create", reach=reach), DIRECTORY
    )
    inside = set(spec.get("includedNamespaces", ["*"])) <= {"shop"}
    if found.outcome is Outcome.ALLOW:
        assert inside
        assert not {"includedClusterScopedResources", "resourcePolicy", "hooks", "orderedResources"} & set(spec)
