"""Limits each notification and reply to what its channel and its reader may see. Pure.

A receiver that may see everything that the event reaches gets the whole event. One that may see a part learns that the
event happened, when, and about its own namespaces; errors, names and numbers of others are hidden. Others get nothing.
Some events don't say what they reach; they go only to receivers without limits.
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
"""These go to the channels of the settings: approvers have to see what they decide on."""

_TELLABLE = frozenset(
    {"schedule", "phase", "started", "completed", "expires", "expected", "usual", "last_good", "next_run", "user"}
)
_HOLDS_NAMESPACES = frozenset({"Backup", "Restore", "Schedule"})


def reach_of(event: Event, planned: Reach | None = None) -> Reach | None:
    """None if the reach isn't known. `planned`: the reach of the plan of the event's operation."""
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
    """The least that one of the viewers may see. An event with unknown reach is visible only to those who see everything."""
    found = [
        Visibility.FULL if view.everything else Visibility.HIDDEN if reach is None else visibility_of(view, reach)
        for view in views
    ]
    return next((each for each in (Visibility.HIDDEN, Visibility.REDACTED) if each in found), Visibility.FULL)


def redact_event(event: Event, views: Sequence[View]) -> Event:
    """The event without the facts about namespaces that these viewers can't see."""
    facts = {key: value for key, value in event.facts.items() if key in _TELLABLE}
    return replace(event, facts=facts | {"namespaces": _own_names(event.facts.get("namespaces"), views)})


def redact_extra(extra: Mapping[str, Any], views: Sequence[View]) -> dict[str, Any]:
    """The details that these viewers may see: errors and volumes without data in their namespaces."""
    results: Mapping[str, Any] = extra.get("results") or {}
    volumes: Mapping[str, Sequence[str]] = {"volumes": list(extra.get("unprotected") or [])}
    for view in views:
        results, volumes = visible_results(view, results), visible_items(view, volumes)
    errors = [text for texts in (results.get("namespaces") or {}).values() for text in texts]
    errors += [text for key in ("velero", "cluster") for text in results.get(key) or []]
    kept = {"errors": errors, "unprotected": list(volumes.get("volumes") or ())}
    return {key: value for key, value in kept.items() if value}


def redact_history(operation: Operation, history: History, views: Sequence[View]) -> tuple[Operation, History]:
    """The status message without its plan and without details of namespaces that these viewers can't see."""
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
