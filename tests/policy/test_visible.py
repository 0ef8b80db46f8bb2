"""What somebody may see of what others have."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.actor import Actor
from domain.reach import EVERYTHING, Reach
from policy.cluster_facts import ClusterFacts
from policy.reach import backup_reach
from policy.visible import (
    View,
    Visibility,
    may_have_file,
    protected_namespaces,
    view_for,
    view_of_channel,
    visibility_of,
    visibility_of_backup,
    visible_items,
    visible_results,
)
from tests.policy.people import ADA, BOB, GRACE, LABELS, MALLORY, rules

FACTS = ClusterFacts(labels=LABELS)
TEAM = {
    "who": {"groups": ["shop-team"]},
    "what": ["backup.create"],
    "namespaces": ["shop", "shop-*"],
    "effect": "allow",
}
PLATFORM = {"who": {"groups": ["platform"]}, "what": ["*"], "effect": "allow"}
READS = {"who": "anyone", "what": ["*.get", "*.describe", "*.logs"], "effect": "allow"}


def seen_by(actor: Actor, *entries: dict[str, Any], verb: str = "backup.get", cluster: str = "east") -> View:
    return view_for(rules(*entries), actor, cluster, verb, LABELS)


def names(found: View) -> tuple[str, ...]:
    return found.visible_names(sorted(LABELS))


EVERY = tuple(sorted(LABELS))


@pytest.mark.parametrize(
    ("actor", "entries", "expected"),
    [
        pytest.param(MALLORY, [], EVERY, id="no rules: reads are allowed"),
        pytest.param(MALLORY, [TEAM], EVERY, id="rules for others confine nobody else"),
        pytest.param(ADA, [TEAM], ("shop", "shop-db"), id="a tenant sees what they may change"),
        pytest.param(ADA, [TEAM, READS], EVERY, id="unless a rule about reading shows more"),
        pytest.param(ADA, [{**READS, "namespaces": ["payments"]}, TEAM], ("payments",), id="or less"),
        pytest.param(ADA, [{**TEAM, "what": ["backup.*"]}], ("shop", "shop-db"), id="a rule that covers the read"),
        pytest.param(ADA, [{**TEAM, "namespaces": ["label:team=shop"]}], ("shop", "shop-db"), id="labels"),
        pytest.param(ADA, [{**TEAM, "clusters": ["west"]}], EVERY, id="tenant of another cluster only"),
        pytest.param(
            ADA, [TEAM, {**TEAM, "namespaces": ["payments"]}], ("payments", "shop", "shop-db"), id="two rules add up"
        ),
        pytest.param(ADA, [TEAM, {**TEAM, "what": ["schedule.*"], "namespaces": ["*"]}], EVERY, id="one rule is wide"),
        pytest.param(
            ADA, [TEAM, {**PLATFORM, "who": {"users": ["UADA"]}, "what": ["schedule.create"]}], EVERY, id="everywhere"
        ),
        pytest.param(ADA, [{**TEAM, "who": "anyone"}], EVERY, id="a rule for anyone makes no tenants"),
        pytest.param(BOB, [TEAM, PLATFORM], EVERY, id="the platform team"),
        pytest.param(
            MALLORY,
            [{**READS, "effect": "deny", "namespaces": ["velero", "kube-*"]}],
            ("payments", "shop", "shop-db"),
            id="hidden from everybody",
        ),
        pytest.param(
            MALLORY,
            [{**READS, "effect": "deny", "namespaces": ["velero"]}, READS],
            ("kube-system", "payments", "shop", "shop-db"),
            id="hidden before it was shown",
        ),
        pytest.param(MALLORY, [{**READS, "effect": "deny"}], (), id="everything hidden"),
        pytest.param(MALLORY, [{**READS, "effect": "deny"}, READS], (), id="and nothing shown after that"),
        pytest.param(ADA, [{**READS, "effect": "deny"}, TEAM], (), id="not even to a tenant"),
        pytest.param(
            ADA,
            [{**READS, "effect": "deny", "namespaces": ["shop-db"]}, TEAM],
            ("shop",),
            id="hidden from a tenant too",
        ),
        pytest.param(
            ADA, [READS, {**READS, "effect": "deny", "namespaces": ["shop"]}], EVERY, id="first match wins here too"
        ),
    ],
)
def test_the_view(actor: Actor, entries: list[dict[str, Any]], expected: tuple[str, ...]) -> None:
    assert names(seen_by(actor, *entries)) == expected


def test_a_write_looks_at_what_its_noun_s_get_shows() -> None:
    assert names(seen_by(ADA, TEAM, READS, verb="backup.create")) == EVERY
    assert names(seen_by(ADA, TEAM, verb="backup.create")) == ("shop", "shop-db")


def backup(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "b1"}, "spec": spec}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"includedNamespaces": ["shop"]}, Visibility.FULL),
        ({"includedNamespaces": ["shop-*"]}, Visibility.FULL),
        ({"includedNamespaces": ["shop", "payments"]}, Visibility.REDACTED),
        ({}, Visibility.REDACTED),
        ({"includedNamespaces": ["s*"]}, Visibility.REDACTED),
        ({"includedNamespaces": ["shop"], "includeClusterResources": True}, Visibility.REDACTED),
        ({"includedNamespaces": ["payments"]}, Visibility.HIDDEN),
        ({"excludedNamespaces": ["shop", "shop-db"]}, Visibility.HIDDEN),
        ({"excludedNamespaces": ["shop*"]}, Visibility.HIDDEN),
    ],
)
def test_a_tenant_s_backups(spec: dict[str, Any], expected: Visibility) -> None:
    assert visibility_of_backup(seen_by(ADA, TEAM), backup(**spec), FACTS) is expected
    assert visibility_of_backup(seen_by(BOB, PLATFORM), backup(**spec), FACTS) is Visibility.FULL


def test_what_a_wide_backup_protects_of_theirs() -> None:
    assert protected_namespaces(seen_by(ADA, TEAM), backup(excludedNamespaces=["shop-db"]), FACTS) == ("shop",)


def test_without_live_namespaces_a_wide_backup_is_shown_redacted() -> None:
    assert visibility_of_backup(seen_by(ADA, TEAM), backup(), ClusterFacts()) is Visibility.REDACTED


def test_a_reach_alone() -> None:
    mine = seen_by(ADA, TEAM)
    assert visibility_of(mine, Reach(reads=frozenset({"shop"}))) is Visibility.FULL
    assert visibility_of(mine, Reach(reads=EVERYTHING)) is Visibility.REDACTED
    assert visibility_of(mine, Reach()) is Visibility.HIDDEN


def test_files_go_only_to_those_who_see_all_of_it() -> None:
    wide = backup_reach(backup(), FACTS)
    assert not may_have_file(seen_by(ADA, TEAM), wide)
    assert may_have_file(seen_by(ADA, TEAM), backup_reach(backup(includedNamespaces=["shop"]), FACTS))
    assert may_have_file(seen_by(GRACE), wide)


RESULTS = {
    "velero": ["no space in bucket x"],
    "cluster": ["pv of payments"],
    "namespaces": {"shop": ["a"], "payments": ["b"]},
}


def test_errors_of_others_are_left_out() -> None:
    assert visible_results(seen_by(ADA, TEAM), RESULTS) == {"namespaces": {"shop": ["a"]}}
    assert visible_results(seen_by(BOB, PLATFORM), RESULTS) == RESULTS
    assert visible_results(seen_by(ADA, TEAM), {"namespaces": {"payments": ["b"]}}) == {}


def test_so_are_their_objects_and_those_of_the_cluster() -> None:
    contents = {"v1/Pod": ["shop/web", "payments/api"], "v1/Secret": ["payments/key"], "v1/PersistentVolume": ["pv"]}
    assert visible_items(seen_by(ADA, TEAM), contents) == {"v1/Pod": ("shop/web",)}
    assert visible_items(seen_by(BOB, PLATFORM), contents)["v1/PersistentVolume"] == ("pv",)


NAMESPACES = st.lists(st.sampled_from([*LABELS, "shop*", "*", "pay*"]), max_size=3)


@given(NAMESPACES, st.lists(st.sampled_from(list(LABELS)), max_size=2), st.sampled_from([True, False, None]))
def test_a_backup_shown_whole_holds_nothing_of_others(
    included: list[str], excluded: list[str], wide: bool | None
) -> None:
    manifest = backup(includedNamespaces=included, excludedNamespaces=excluded, includeClusterResources=wide)
    if visibility_of_backup(seen_by(ADA, TEAM), manifest, FACTS) is Visibility.FULL:
        assert included
        assert all(name.startswith("shop") and name != "shop*" for name in included)
        assert wide is not True


def test_a_channel_takes_files_of_its_own_scope() -> None:
    shop = view_of_channel(["shop", "shop-*"])
    assert may_have_file(shop, Reach(reads=frozenset({"shop-db"})))
    assert not may_have_file(shop, Reach(reads=frozenset({"shop", "payments"})))
    assert may_have_file(view_of_channel(["*"]), Reach(reads=EVERYTHING, cluster_scoped=True))
    assert not may_have_file(view_of_channel([]), Reach(reads=frozenset({"shop"})))
