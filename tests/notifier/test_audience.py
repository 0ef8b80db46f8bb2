"""What may be told to whom: all, one's own part, or nothing; and nothing of others in any of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.reach import EVERYTHING, Reach
from notifier.audience import HIDDEN_NAMES, reach_of, redact_event, redact_extra, redact_history, visibility_for
from notifier.render.cards import History, render_card
from policy.visible import View, Visibility, view_of_channel
from tests.notifier.conftest import START, event
from tests.notifier.test_cards import RAN

SHOP, ALL = view_of_channel(["shop", "shop-*"]), view_of_channel(["*"])
SECRET = "payments"
RESULTS = {
    "cluster": [f"volume of {SECRET}"],
    "namespaces": {"shop": ["Pod shop/web: no space"], SECRET: [f"Pod {SECRET}/api: token t0ps3cret"]},
}
EXTRA = {
    "errors": [f"Pod {SECRET}/api: token t0ps3cret", "Pod shop/web: no space"],
    "results": RESULTS,
    "warnings": [f"{SECRET}/x"],
    "routine": f"3 × {SECRET}",
    "check": f"kubectl -n {SECRET} get pods",
    "hint": f"look at {SECRET}",
    "unprotected": [f"{SECRET}/data has no data in this backup", "shop/data has no data in this backup"],
    "more_errors": 7,
}


@pytest.mark.parametrize(
    ("told", "reach"),
    [
        (event(facts={"namespaces": ["shop"]}), Reach(reads=frozenset({"shop"}))),
        (event(facts={"namespaces": []}), Reach(reads=EVERYTHING, cluster_scoped=True)),
        (event(facts={"namespaces": ["shop", "*"]}), Reach(reads=EVERYTHING, cluster_scoped=True)),
        (event("schedule.missed", facts={"namespaces": []}), Reach(reads=EVERYTHING, cluster_scoped=True)),
        (event("schedule.missed", facts={"namespaces": None}), None),
        (event("location.unavailable", facts={"namespaces": None}), None),
        (event("velero.silent", facts={"namespaces": []}), None),
    ],
)
def test_what_an_event_reaches(told, reach):
    assert reach_of(told) == reach


def test_the_plan_of_its_operation_knows_better():
    planned = Reach(reads=frozenset({"shop"}), writes=frozenset({SECRET}))
    assert reach_of(event(facts={"namespaces": ["shop"]}), planned) == planned


@pytest.mark.parametrize(
    ("views", "reach", "seen"),
    [
        ([SHOP], Reach(reads=frozenset({"shop-db"})), Visibility.FULL),
        ([SHOP], Reach(reads=frozenset({"shop", SECRET})), Visibility.REDACTED),
        ([SHOP], Reach(reads=EVERYTHING, cluster_scoped=True), Visibility.REDACTED),
        ([SHOP], Reach(reads=frozenset({SECRET})), Visibility.HIDDEN),
        ([SHOP], None, Visibility.HIDDEN),
        ([ALL], None, Visibility.FULL),
        ([ALL, SHOP], None, Visibility.HIDDEN),
        ([ALL, SHOP], Reach(reads=frozenset({SECRET})), Visibility.HIDDEN),
        ([ALL, ALL], Reach(reads=EVERYTHING), Visibility.FULL),
        ([View()], Reach(reads=frozenset({"shop"})), Visibility.HIDDEN),
    ],
)
def test_the_least_that_one_of_them_may_see(views, reach, seen):
    assert visibility_for(views, reach) is seen


def test_of_a_wide_backup_only_ones_own_part_is_told():
    whole = event(
        facts={
            "namespaces": ["shop", SECRET],
            "failure_reason": f"{SECRET} is full",
            "message": SECRET,
            "validation_errors": [SECRET],
            "errors": 3,
            "headline": SECRET,
            "labels": {"team": SECRET},
            "schedule": "nightly",
        }
    )
    told, extra = redact_event(whole, [SHOP]), redact_extra(EXTRA, [SHOP])
    assert told.facts["namespaces"] == ["shop", HIDDEN_NAMES]
    assert extra["errors"] == ["Pod shop/web: no space"]
    assert extra["unprotected"] == ["shop/data has no data in this backup"]
    assert SECRET not in json.dumps([dict(told.facts), extra])


def test_nor_does_a_card_tell_more():
    history = History(
        started={"cli": f"velero backup create --include-namespaces shop,{SECRET}", "notes": [SECRET], "undo": SECRET},
        seen={"namespaces": ["shop", SECRET], "done": 5, "total": 9},
        ending=event(facts={"failure_reason": SECRET, "namespaces": ["shop", SECRET]}),
        extra=EXTRA,
        requester="UADA",
    )
    drawn = render_card(*redact_history(RAN, history, [SHOP]), START)
    assert SECRET not in json.dumps([drawn.text, *drawn.blocks])
    assert "Pod shop/web: no space" in json.dumps(drawn.blocks)
    assert SECRET in json.dumps(render_card(RAN, history, START).blocks)


TEXT = st.text("abc", min_size=1, max_size=5)
NAMES = st.sampled_from(["shop", "shop-db", SECRET, "pay", "*"])


@given(
    st.dictionaries(NAMES, st.lists(TEXT, max_size=3)),
    st.lists(TEXT, max_size=2),
    st.lists(st.tuples(NAMES, TEXT).map("/".join), max_size=3),
)
def test_errors_and_volumes_of_others_are_never_among_ones_own(namespaces, of_all, unprotected):
    own = redact_extra(
        {"results": {"cluster": of_all, "namespaces": namespaces}, "unprotected": unprotected}, [ALL, SHOP]
    )
    allowed = [text for name in ("shop", "shop-db") for text in namespaces.get(name, [])]
    assert sorted(own.get("errors", [])) == sorted(allowed)
    assert own.get("unprotected", []) == [each for each in unprotected if each.startswith("shop")]
