"""What of an event may be told to whom: a channel's scope and a person's view bound every notice and thread text. Pure.

A receiver that sees all of what the event reaches is told all. One that sees some of it is told that it happened, when,
and of its own namespaces; errors, names and numbers of others are left out. One that sees none of it is not told.
What an event reaches is not known for everything; such events go to receivers that are not bounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from domain.event import Event
from domain.operation import Operation
from domain.reach import EVERYTHING, Reach
from notifier.render.cards import History
from policy.visible import View, Visibility, visibility_of, visible_items, visible_results

HIDDEN_NAMES = "(others)"
REDACTION_NOTE = "It reaches more than may be told here: errors, names and numbers of the rest are left out."
OPEN_KINDS = frozenset({"approval.requested", "approval.reminded", "audit.anchored"})
"""These go where the settings have them decided or kept; whoever decides has to read what it is about."""

_TELLABLE = frozenset(
    {"schedule", "phase", "started", "completed", "expires", "expected", "usual", "last_good", "next_run", "user"}
)
_HOLDS_NAMESPACES = frozenset({"Backup", "Restore", "Schedule"})


def reach_of(event: Event, planned: Reach | None = None) -> Reach | None:
    """None where nobody knows it. `planned`: of the plan whose operation the event belongs to."""
    if planned is not None:
        return planned
    names = event.facts.get("namespaces")
    if isinstance(names, (list, tuple)) and names:
        reads = frozenset(map(str, names))
        return Reach(reads=EVERYTHING, cluster_scoped=True) if "*" in reads else Reach(reads=reads)
    if event.object_kind in {"Backup", "Restore"} or (event.object_kind in _HOLDS_NAMESPACES and names is not None):
        return Reach(reads=EVERYTHING, cluster_scoped=True)  # no list means every namespace to Velero
    return None


def visibility_for(views: Sequence[View], reach: Reach | None) -> Visibility:
    """By the least that one of them may see. Without a known reach only those who see everything are told."""
    found = [
        Visibility.FULL if view.everything else Visibility.HIDDEN if reach is None else visibility_of(view, reach)
        for view in views
    ]
    return next((each for each in (Visibility.HIDDEN, Visibility.REDACTED) if each in found), Visibility.FULL)


def redact_event(event: Event, views: Sequence[View]) -> Event:
    """Of an event whose reach is seen in part: what may be told."""
    facts = {key: value for key, value in event.facts.items() if key in _TELLABLE}
    return replace(event, facts=facts | {"namespaces": _own_names(event.facts.get("namespaces"), views)})


def redact_extra(extra: Mapping[str, Any], views: Sequence[View]) -> dict[str, Any]:
    """Of what was found out beside it: errors in visible namespaces, and volumes there without data."""
    results: Mapping[str, Any] = extra.get("results") or {}
    volumes: Mapping[str, Sequence[str]] = {"volumes": list(extra.get("unprotected") or [])}
    for view in views:
        results, volumes = visible_results(view, results), visible_items(view, volumes)
    errors = [text for texts in (results.get("namespaces") or {}).values() for text in texts]
    errors += [text for key in ("velero", "cluster") for text in results.get(key) or []]
    kept = {"errors": errors, "unprotected": list(volumes.get("volumes") or ())}
    return {key: value for key, value in kept.items() if value}


def redact_history(operation: Operation, history: History, views: Sequence[View]) -> tuple[Operation, History]:
    """Of a card: who asked, how far it is and how it ended; neither its plan nor what others' namespaces said."""
    seen_now = {key: value for key, value in history.seen.items() if key in _TELLABLE}
    seen_now["namespaces"] = _own_names(history.seen.get("namespaces"), views)
    started = {key: value for key, value in history.started.items() if key in {"link", "user"}}
    ending = redact_event(history.ending, views) if history.ending else None
    bounded = replace(
        history,
        started=started | {"notes": [REDACTION_NOTE]},
        seen=seen_now,
        ending=ending,
        extra=redact_extra(history.extra, views),
    )
    return replace(operation, reason="", line=""), bounded


def _own_names(names: object, views: Sequence[View]) -> list[str]:
    listed = [str(each) for each in names] if isinstance(names, (list, tuple)) else []
    return [*(name for name in listed if all(view.covers_namespace(name) for view in views)), HIDDEN_NAMES]
