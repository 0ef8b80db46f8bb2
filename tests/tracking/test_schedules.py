"""What Velero says of a schedule's validity."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from store.tables.observed import Observed
from tracking.observation import TrackingContext
from tracking.schedules import changed_fields, observe
from velero.observations import Change, Observation
from velero.resources.schedules import schedule_of

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SETTING = TrackingContext("prod", "uid", NOW, first=False)


def seen(phase: str, version: str = "1", errors: tuple[str, ...] = ()) -> Observation[Any]:
    source = {
        "metadata": {"name": "nightly", "uid": "u1", "resourceVersion": version},
        "spec": {"schedule": "0 1 * * *"},
        "status": {"phase": phase, "validationErrors": list(errors)},
    }
    return Observation(Change.MODIFIED, "Schedule", "u1", "nightly", schedule_of(source))


def before(phase: str) -> Observed:
    return Observed("u1", "nightly", phase, NOW)


def test_becoming_invalid_is_told_with_velero_s_words() -> None:
    outcome = observe(SETTING, before("Enabled"), seen("FailedValidation", errors=("invalid schedule: x",)))
    (event,) = outcome.events
    assert event.kind == "schedule.failed-validation"
    assert event.facts["validation_errors"] == ["invalid schedule: x"]


def test_staying_invalid_is_not_told_again() -> None:
    assert observe(SETTING, before("FailedValidation"), seen("FailedValidation")).events == ()


def test_becoming_valid_again_is_told() -> None:
    (event,) = observe(SETTING, before("FailedValidation"), seen("Enabled")).events
    assert event.kind == "schedule.fixed"


def test_a_new_and_valid_one_is_no_news() -> None:
    assert observe(SETTING, None, seen("Enabled")).events == ()


def test_one_that_is_gone_is_forgotten() -> None:
    gone: Observation[Any] = Observation(Change.DELETED, "Schedule", "u1", "nightly", None)
    assert observe(SETTING, before("Enabled"), gone).remember is None


def test_changes_are_named_field_by_field() -> None:
    old = {"schedule": "0 1 * * *", "template": {"ttl": "1h0m0s", "includedNamespaces": ["a"]}}
    new = {"schedule": "0 2 * * *", "template": {"includedNamespaces": ["a"]}}
    assert changed_fields(old, new) == ("schedule: 0 1 * * * → 0 2 * * *", "template.ttl: 1h0m0s → (not set)")
