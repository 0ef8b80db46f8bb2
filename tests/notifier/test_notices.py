"""Notices say what is known, and nothing that was not looked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from domain.event import Event, Severity
from notifier.render.notices import render_notice
from notifier.route import Destination, Role

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
THERE = Destination("slack", "C1", Role.NEWS, 10)


def shown(kind: str, name: str = "b1", severity: Severity = Severity.WARNING, **facts: Any) -> str:
    noun = kind.partition(".")[0].capitalize()
    event = Event(kind, "prod", "c1", noun, "u1", name, kind, NOW, severity, facts=facts)
    rendered = render_notice(event, THERE, {}, "")
    return f"{rendered.text}\n{rendered.blocks}"


@pytest.mark.parametrize("kind", ["backup.gone", "backup.slow", "backup.stuck-in-queue", "backup.returned"])
def test_what_was_not_computed_is_not_said(kind: str) -> None:
    assert "no good backup" not in shown(kind)


def test_that_there_is_no_good_backup_is_said_where_it_was_looked_for() -> None:
    assert "There is no good backup" in shown("backup.failed", none_good=True)
    assert "There is no good backup" not in shown("backup.failed", last_good={"name": "b0", "at": NOW.isoformat()})


def test_a_restore_outside_approval_names_its_backup_and_mapping() -> None:
    said = shown("restore.outside", "r1", Severity.SECURITY, backup="nightly-1", mapping={"shop": "copy"})
    assert "Restore r1 of backup nightly-1 was made outside approval" in said
    assert "shop → copy" in said


def test_a_change_says_what_was_done() -> None:
    said = shown("schedule.changed", "nightly", Severity.INFO, verb="edit", changes=["ttl: 24h0m0s → 72h0m0s"])
    assert "nightly was changed: edit" in said
    assert "24h0m0s → 72h0m0s" in said
