"""Who is told of an event, by routes and subscriptions: pure."""

from datetime import UTC, datetime

import pytest

from domain.event import Severity
from notifier.route import Role, Route, RoutingTable, destinations, route_matches
from notifier.router import lane_of, notice_body
from store.tables.subscriptions import Subscription
from tests.notifier.conftest import event

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def route(**more):
    return Route("r", "slack", ("C1",), **more)


@pytest.mark.parametrize(
    ("namespaces", "facts", "told"),
    [
        (("*",), {"namespaces": ["payments"]}, True),
        (("shop",), {"namespaces": ["payments"]}, False),
        (("shop",), {"namespaces": ["payments", "shop"]}, True),
        (("shop*",), {"namespaces": ["shop-db"]}, True),
        (("shop",), {"namespaces": ["*"]}, True),
        (("shop",), {"namespaces": []}, True),  # no list is every namespace to Velero
    ],
)
def test_a_route_of_namespaces_is_told_what_reaches_them(namespaces, facts, told):
    assert route_matches(route(namespaces=namespaces), event(facts=facts)) is told


@pytest.mark.parametrize("kind", ["schedule.changed", "location.unavailable", "velero.silent", "receiver.disabled"])
def test_what_is_not_known_to_reach_anything_goes_only_where_everything_goes(kind):
    told = event(kind, facts={"namespaces": None})
    assert route_matches(route(), told)
    assert not route_matches(route(namespaces=("shop",)), told)


def test_whoever_subscribed_bounds_what_a_channel_is_told():
    wanted = Subscription("C9", "prod", "", "", "UADA", NOW)
    (to,) = destinations(event(), RoutingTable(), [wanted])
    assert (to.address, to.viewer) == ("C9", "UADA")
    assert notice_body(event(), to)["viewer"] == "UADA"


def test_a_request_for_approval_has_a_lane_of_its_own_and_goes_first():
    asked = event("approval.requested", severity=Severity.INFO, operation="op1", facts={"channel": "C1"})
    begun = event("operation.started", severity=Severity.INFO, operation="op1", facts={"channel": "C1"})
    (request,) = destinations(asked, RoutingTable(approvals_channel="C2"))
    (card,) = destinations(begun, RoutingTable())
    assert (request.role, request.priority, request.address) == (Role.APPROVAL, 0, "C2")
    assert lane_of(asked, request) != lane_of(begun, card)
    assert lane_of(begun, card) == lane_of(
        event("backup.completed", operation="op1"),
        destinations(event("backup.completed", operation="op1"), RoutingTable())[0],
    )


def test_of_failures_and_routine_the_failures_go_first():
    bad = destinations(event(), RoutingTable((route(),)))
    good = destinations(event("backup.completed", severity=Severity.INFO), RoutingTable((route(routine=True),)))
    assert bad[0].priority < good[0].priority


def test_one_place_is_told_once():
    both = RoutingTable((route(), Route("other", "slack", ("C1", "C2"))))
    assert [each.address for each in destinations(event(), both)] == ["C1", "C2"]
