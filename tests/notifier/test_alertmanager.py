"""Alerts, as Alertmanager would hold them: a failure fires, its recovery resolves the very same labels."""

import json
from datetime import datetime, timedelta
from typing import Any

import jsonschema
import pytest

from domain.event import Severity
from notifier.render.alerts import alerts_of
from notifier.route import Route, route_matches
from tests.notifier.conftest import START, event

STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}
POSTABLE_ALERTS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["labels"],
        "properties": {
            "labels": STRINGS,
            "annotations": STRINGS,
            "startsAt": {"type": "string", "format": "date-time"},
            "endsAt": {"type": "string", "format": "date-time"},
            "generatorURL": {"type": "string", "format": "uri"},
        },
        "additionalProperties": False,
    },
}
"""As Alertmanager's API v2 publishes it."""


class Alertmanager:
    """What its API does with what is posted: an alert is its labels, it fires until its end."""

    def __init__(self) -> None:
        self.held: dict[tuple, tuple[datetime, datetime]] = {}

    def take(self, body: Any) -> None:
        jsonschema.validate(body, POSTABLE_ALERTS, format_checker=jsonschema.FormatChecker())
        for one in body:
            ends = datetime.fromisoformat(one["endsAt"])
            starts = datetime.fromisoformat(one.get("startsAt", one["endsAt"]))
            assert starts <= ends
            self.held[tuple(sorted(one["labels"].items()))] = (starts, ends)

    def firing(self, at: datetime) -> list[str]:
        return sorted(dict(labels)["alertname"] for labels, (_, ends) in self.held.items() if ends > at)


def after(*happened, at=START + timedelta(minutes=10)) -> list[str]:
    manager = Alertmanager()
    for one in happened:
        manager.take(alerts_of(one))
    return manager.firing(at)


def of_schedule(kind="backup.failed", name="nightly-1", minutes=0, severity=Severity.FAILURE, **more):
    return event(kind, name, START + timedelta(minutes=minutes), severity, facts={"schedule": "nightly"}, **more)


@pytest.mark.parametrize("kind", ["backup.failed", "backup.partially-failed", "backup.failed-validation"])
def test_a_failure_fires(kind):
    assert after(of_schedule(kind)) == ["VeleroBackupFailed"]


@pytest.mark.parametrize("kind", ["backup.failed", "backup.partially-failed", "backup.failed-validation"])
def test_the_next_success_resolves_it(kind):
    assert after(of_schedule(kind), of_schedule("backup.completed", "nightly-2", 5, Severity.RECOVERY)) == []


def test_the_success_of_another_schedule_does_not():
    other = event("backup.completed", "weekly-1", START, Severity.RECOVERY, facts={"schedule": "weekly"})
    assert after(of_schedule(), other) == ["VeleroBackupFailed"]


def test_without_a_schedule_the_namespaces_are_the_series():
    failed = event("backup.failed", "b1", facts={"namespaces": ["b", "a"]})
    fine = event("backup.completed", "b2", START, Severity.INFO, facts={"namespaces": ["a", "b"]})
    assert after(failed, fine) == []


def test_a_missed_run_fires_until_one_comes():
    missed = event("schedule.missed", "nightly", object_uid="s-1", severity=Severity.WARNING)
    assert after(missed) == ["VeleroScheduleMissed"]
    assert after(missed, of_schedule("backup.completed", minutes=5, severity=Severity.INFO)) == []


def test_a_location_fires_until_it_is_back():
    gone = event("location.unavailable", "default")
    assert after(gone) == ["VeleroLocationUnavailable"]
    assert after(gone, event("location.available", "default", START, Severity.RECOVERY)) == []


def test_a_schedule_that_is_not_valid_fires_until_it_is_mended():
    wrong = event("schedule.failed-validation", "nightly")
    assert after(wrong) == ["VeleroScheduleInvalid"]
    assert after(wrong, event("schedule.fixed", "nightly", START, Severity.RECOVERY)) == []


MISSED = event("schedule.missed", "nightly", severity=Severity.WARNING)


@pytest.mark.parametrize(
    ("kind", "verb", "still"),
    [
        ("schedule.changed", "pause", ["VeleroBackupFailed"]),
        ("schedule.changed", "delete", []),
        ("schedule.deleted-outside", "", []),
        ("schedule.changed", "edit", ["VeleroBackupFailed", "VeleroScheduleMissed"]),
    ],
)
def test_nobody_is_paged_for_a_schedule_that_is_not_to_run(kind, verb, still):
    happens = event(kind, "nightly", START, Severity.INFO, facts={"verb": verb})
    assert after(MISSED, of_schedule(), happens) == still


def test_a_failed_restore_fires_for_a_day():
    failed = event("restore.failed", "r1")
    assert after(failed) == ["VeleroRestoreFailed"]
    assert after(failed, at=START + timedelta(hours=25)) == []


def test_what_nobody_foresaw_fires_under_its_own_name():
    assert after(event("restore.outside", "r1", severity=Severity.SECURITY)) == ["VeleroRestoreOutside"]


@pytest.mark.parametrize("kind", ["backup.deleted", "operation.started", "restore.completed"])
def test_routine_is_nothing_to_page_for(kind):
    assert alerts_of(event(kind, severity=Severity.INFO)) == []


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"failure_reason": "disk on fire"}, "disk on fire"),
        ({"validation_errors": ["no location", "no namespaces"]}, "no location no namespaces"),
        ({"errors": 3}, "3 errors."),
        ({"message": "it is paused"}, "it is paused"),
    ],
)
def test_it_says_why(facts, words):
    (alert,) = alerts_of(event(facts=facts))
    assert alert["annotations"]["description"] == words


async def test_it_is_posted_where_alertmanager_listens(world):
    server = await world.server("pager", "alertmanager", secrets=())
    await world.happens(of_schedule())
    await world.delivers()
    (call,) = server.calls
    assert call.path == "/api/v2/alerts"
    (alert,) = json.loads(call.body)
    assert alert["labels"]["schedule"] == "nightly"
    assert "webhook-signature" not in call.headers


async def test_the_recovery_waits_for_the_failure_before_it(world):
    server = await world.server("pager", "alertmanager", answers=[503, 200])
    await world.happens(of_schedule(), of_schedule("backup.completed", "nightly-2", 1, Severity.RECOVERY))
    await world.delivers()
    assert len(server.calls) == 1
    await world.later(seconds=10)
    manager = Alertmanager()
    for call in server.calls:
        manager.take(json.loads(call.body))
    assert manager.firing(START + timedelta(minutes=10)) == []
    assert len(server.calls) == 3


async def test_an_alert_of_yesterday_is_given_up(world):
    server = await world.server("pager", "alertmanager", answers=[503])
    await world.happens(of_schedule())
    await world.delivers()
    await world.later(hours=25)
    assert [state.value for state in await world.states()] == ["dead"]
    assert len(server.calls) == 2


async def test_a_test_pages_nobody_for_long(world):
    server = await world.server("pager", "alertmanager")
    assert (await world.delivery.test("pager", "t1")).ok
    manager = Alertmanager()
    manager.take(json.loads(server.calls[0].body))
    assert manager.firing(START) == ["VeleroReceiverTested"]
    assert manager.firing(START + timedelta(minutes=6)) == []
    assert dict(*manager.held)["severity"] == "info"


async def test_what_is_no_trouble_is_not_posted(world):
    server = await world.server("pager", "alertmanager")
    await world.happens(event("restore.completed", severity=Severity.INFO))
    await world.delivers()
    assert server.calls == []
    assert [state.value for state in await world.states()] == ["sent"]


def test_recoveries_follow_their_failures_through_the_severities_of_a_route():
    route = Route("pager", "alertmanager", ("pager",), severities=("failure",))
    assert route_matches(route, of_schedule("backup.completed", severity=Severity.RECOVERY))
    assert not route_matches(route, event("restore.removed", severity=Severity.INFO))


@pytest.mark.parametrize("asked", ["schedule.missed", "backup.failed"])
def test_recoveries_follow_their_failures_through_the_events_of_a_route(asked):
    route = Route("pager", "alertmanager", ("pager",), events=(asked,))
    assert route_matches(route, of_schedule("backup.completed", severity=Severity.RECOVERY))
    assert route_matches(route, event("schedule.changed", "nightly", facts={"verb": "delete"}))
    assert not route_matches(route, event("location.available", severity=Severity.RECOVERY))


def test_a_route_of_one_schedule_hears_of_that_schedule():
    route = Route("pager", "alertmanager", ("pager",), schedules=("nightly",))
    assert route_matches(route, event("schedule.deleted-outside", "nightly"))
    assert not route_matches(route, event("schedule.deleted-outside", "weekly"))
