"""Events as alerts of Alertmanager: failures and missed runs fire, recoveries resolve the same labels."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from domain.counting import counted
from domain.event import Event, Severity
from domain.json_types import Json
from notifier.alert_names import (
    ACCESS,
    BACKUP,
    INVALID,
    LOCATION,
    MISSED,
    RECOVERABLE_ALERTS,
    SILENT,
    UNREACHABLE,
    fired_alert,
    resolved_alerts,
)
from notifier.render.headlines import headline

MAX_FIRING_TIME = timedelta(days=7)
"""How long an alert fires at most if its recovery is never seen."""
MAX_FIRING_TIME_WITHOUT_RECOVERY = timedelta(hours=24)
"""The same for a failure that has no recovery: a failed restore."""
TEST_FIRING_TIME = timedelta(minutes=5)
TEST_KIND = "receiver.tested"

_OTHER = {Severity.FAILURE, Severity.SECURITY}


def alerts_of(event: Event) -> Sequence[Json]:
    """Empty for an event that neither starts nor ends an alert."""
    if names := resolved_alerts(event):
        return [_alert(name, event, event.at) for name in names if _schedule(event) or name not in {MISSED, INVALID}]
    name = fired_alert(event) or (_named(event.kind) if event.severity in _OTHER else "")
    return [_alert(name, event, event.at + _longest(name, event))] if name else []


def alert_end(alert: Json) -> datetime:
    return datetime.fromisoformat(alert["endsAt"])


def is_firing(alert: Json) -> bool:
    return "startsAt" in alert


def _longest(name: str, event: Event) -> timedelta:
    if event.kind == TEST_KIND:
        return TEST_FIRING_TIME
    return MAX_FIRING_TIME if name in RECOVERABLE_ALERTS else MAX_FIRING_TIME_WITHOUT_RECOVERY


def _alert(name: str, event: Event, until: datetime) -> Json:
    alert: Json = {
        "labels": {"alertname": name, **_labels(name, event)},
        "endsAt": _text(until),
        "annotations": _annotations(event),
    }
    return alert if until <= event.at else {**alert, "startsAt": _text(event.at)}


def _labels(name: str, event: Event) -> dict[str, str]:
    """Labels that a failure and its recovery share: the series, never the single run."""
    labels = {"severity": _severity(name, event), "source": "velero-chatops"}
    if event.cluster:
        labels["cluster"] = event.cluster
    if name in {BACKUP, MISSED, INVALID}:
        return {**labels, **_series(event)}
    if name == LOCATION:
        return {**labels, "location": event.object_name}
    if name in {SILENT, UNREACHABLE, ACCESS}:
        return labels
    return {**labels, event.object_kind.lower() or "object": event.object_name}


def _series(event: Event) -> dict[str, str]:
    if schedule := _schedule(event):
        return {"schedule": schedule}
    names = event.facts.get("namespaces")
    return {"namespaces": ",".join(sorted(map(str, names))) if isinstance(names, list) and names else "*"}


def _schedule(event: Event) -> str:
    named = str(event.facts.get("schedule") or "")
    return named or (event.object_name if event.object_kind.lower() == "schedule" else "")


def _severity(name: str, event: Event) -> str:
    if event.kind == TEST_KIND:
        return "info"
    return "warning" if name == MISSED else "critical"


def _annotations(event: Event) -> dict[str, str]:
    texts = {
        "summary": headline(event, in_cluster=True),
        "description": _description(event),
        event.object_kind.lower() or "object": event.object_name,
        "operation": event.operation,
    }
    return {name: value[:1000] for name, value in texts.items() if value}


def _description(event: Event) -> str:
    found = event.facts
    reasons = found.get("validation_errors")
    parts = [found.get("failure_reason"), *(reasons if isinstance(reasons, list) else []), found.get("message")]
    if isinstance(errors := found.get("errors"), int) and errors:
        parts.append(f"{counted(errors, 'error')}.")
    return " ".join(str(each) for each in parts if each)


def _named(kind: str) -> str:
    return "Velero" + "".join(word.capitalize() for part in kind.split(".") for word in part.split("-"))


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
