"""Notifications: what is known and nothing else, in one sentence for a phone and in full in the blocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.event import Event, Severity
from notifier.alert_names import FIRING, RESOLVING
from notifier.render.cloudevents import FACTS
from notifier.render.headlines import HEADLINES
from notifier.render.notices import render_notice
from notifier.route import Destination, Role

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
THERE = Destination("slack", "C1", Role.NEWS, 10)


def shown(kind: str, name: str = "b1", severity: Severity = Severity.WARNING, **facts: Any) -> str:
    noun = kind.partition(".")[0].capitalize()
    event = Event(kind, "prod", "c1", noun, "u1", name, kind, NOW, severity, facts=facts)
    rendered = render_notice(event, THERE, {}, "", NOW)
    return f"{rendered.text}\n{rendered.blocks}"


@pytest.mark.parametrize("kind", ["backup.gone", "backup.slow", "backup.stuck-in-queue", "backup.returned"])
def test_a_last_completed_backup_is_not_mentioned_where_none_was_looked_up(kind: str) -> None:
    assert "Completed backup" not in shown(kind)


def test_a_failure_says_that_no_completed_backup_exists_only_where_it_was_looked_up() -> None:
    assert "No earlier Completed backup exists" in shown("backup.failed", none_good=True)
    assert "No earlier Completed backup exists" not in shown(
        "backup.failed", last_good={"name": "b0", "at": NOW.isoformat()}
    )


def test_a_restore_without_approval_names_its_backup_and_mapping() -> None:
    said = shown("restore.outside", "r1", Severity.SECURITY, backup="nightly-1", mapping={"shop": "copy"})
    assert "Restore r1 of backup nightly-1 was created without approval" in said
    assert "shop → copy" in said


def test_a_change_lists_the_changed_fields() -> None:
    said = shown("schedule.changed", "nightly", Severity.INFO, verb="edit", changes=["ttl: 24h0m0s → 72h0m0s"])
    assert "nightly was changed" in said
    assert "24h0m0s → 72h0m0s" in said


def text_of(kind: str, name: str = "nightly", noun: str = "Schedule", **facts: Any) -> str:
    event = Event(kind, "prod", "c1", noun, "u1", name, kind, NOW, Severity.FAILURE, facts=facts)
    return render_notice(event, THERE, {}, "", NOW).text


def test_the_fallback_text_is_one_sentence_with_outcome_object_and_cluster() -> None:
    said = text_of("backup.partially-failed", "n-1", "Backup", phase="PartiallyFailed", errors=3)
    assert said == "Backup n-1 in prod: PartiallyFailed, 3 errors."
    said = text_of("schedule.missed", expected="2026-12-01T02:00:00+00:00")
    assert said == "Schedule nightly in prod missed its run at Tue 1 Dec 02:00 (UTC)."
    assert text_of("cluster.unreachable", "prod", "Cluster") == "Cluster prod doesn't respond."
    assert text_of("velero.silent", "prod", "Velero") == "Velero doesn't respond in prod."


def test_the_reason_of_a_person_is_labeled_and_the_reason_of_velero_is_a_bullet() -> None:
    assert "Reason given by grace: a migration" in shown("schedule.skipped-as-asked", by="grace", message="a migration")
    assert "\u2022 disk full" in shown("backup.failed", failure_reason="disk full")


def test_a_slow_run_shows_how_long_it_takes() -> None:
    started = (NOW - timedelta(hours=2, minutes=10)).isoformat()
    assert "Running for 2 h 10 min; usually 20 min." in shown("backup.slow", started=started, usual=1200)


def test_a_time_is_shown_in_the_zone_of_each_reader() -> None:
    assert "missed its run at <!date^" in shown("schedule.missed", "nightly", expected="2026-12-01T02:00:00+00:00")


def test_values_in_a_headline_are_escaped() -> None:
    assert "*Backup &lt;!channel&gt; Failed*" in shown("backup.failed", "<!channel>")
    assert "<!channel>" not in shown("operation.failed", headline="<!channel> failed")


def test_every_kind_of_event_has_a_headline() -> None:
    assert {kind for kind in FACTS if kind not in HEADLINES} == set()
    assert {kind for kind in FIRING if kind not in HEADLINES} == set()
    assert {kind for kind in RESOLVING if kind not in HEADLINES} == set()
