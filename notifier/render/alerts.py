"""Events as alerts of Alertmanager: failures and missed runs fire, recoveries resolve the same labels."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from domain.event import Event, Severity
from notifier.render.notices import headline
from notifier.trouble import BACKUP, FIRING, LOCATION, MISSED, RESOLVING, SILENT

Json = dict[str, Any]

STANDING = timedelta(days=7)
"""How long what recovers by itself fires at the most: Alertmanager forgets an alert that nobody repeats."""
PASSING = timedelta(hours=24)
"""The same for what never recovers: a failed restore."""

_OTHER = {Severity.FAILURE, Severity.SECURITY}


def alerts(event: Event) -> Sequence[Json]:
    """Empty for what is neither trouble nor its end."""
    if event.kind in RESOLVING:
        names = [name for name in RESOLVING[event.kind] if name != MISSED or _schedule(event)]
        return [_alert(name, event, event.at) for name in names]
    name = FIRING.get(event.kind) or (_named(event.kind) if event.severity in _OTHER else "")
    if not name:
        return []
    return [_alert(name, event, event.at + (PASSING if name not in _ENDING else STANDING))]


_ENDING = {name for names in RESOLVING.values() for name in names}


def _alert(name: str, event: Event, ends: datetime) -> Json:
    made: Json = {
        "labels": {"alertname": name, **_labels(name, event)},
        "endsAt": _text(ends),
        "annotations": _annotations(event),
    }
    return made if ends <= event.at else {**made, "startsAt": _text(event.at)}


def _labels(name: str, event: Event) -> dict[str, str]:
    """What stays the same between a failure and its recovery: the series, never the single run."""
    labels = {"cluster": event.cluster, "severity": _severity(name), "source": "velero-chatops"}
    if name in {BACKUP, MISSED}:
        return {**labels, **_series(event)}
    if name == LOCATION:
        return {**labels, "location": event.object_name}
    if name == SILENT:
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


def _severity(name: str) -> str:
    return "warning" if name == MISSED else "critical"


def _annotations(event: Event) -> dict[str, str]:
    said = {
        "summary": f"{headline(event)} in {event.cluster}",
        "description": str(event.facts.get("failure_reason") or event.facts.get("message") or ""),
        event.object_kind.lower() or "object": event.object_name,
        "operation": event.operation,
    }
    return {name: value[:1000] for name, value in said.items() if value}


def _named(kind: str) -> str:
    return "Velero" + "".join(word.capitalize() for part in kind.split(".") for word in part.split("-"))


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
