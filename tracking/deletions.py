"""DeleteBackupRequests: remembered after they end, since only they explain a deleted backup; reported when they fail."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from commands.planning.resolve import OPERATION
from domain.event import Severity
from store.tables.observed import Observed
from tracking.observation import VANISHED, TrackingContext, TrackingOutcome, format_time, make_event
from velero.observations import Observation
from velero.resources.deletions import DeletionRequest


def observe(context: TrackingContext, prev: Observed | None, seen: Observation[Any]) -> TrackingOutcome:
    """A watch brings the last state of a removed request; a list only shows that it is gone."""
    if seen.value is None:
        return TrackingOutcome((), _mark_removed(context, prev))
    request: DeletionRequest = seen.value
    facts: dict[str, object] = {
        "backup": request.backup,
        "backup_uid": request.backup_uid,
        "errors": list(request.errors),
        "created": format_time(request.meta.created),
        "operation": request.labels.get(OPERATION, ""),
    }
    remember = Observed(seen.uid, seen.name, request.phase, context.now, facts)
    if seen.change in VANISHED:
        remember = structs.replace(remember, facts={**facts, "removed": "seen"})
    failed = request.phase == "Processed" and bool(request.errors)
    if context.first or not failed or (prev is not None and prev.phase == request.phase):
        return TrackingOutcome((), remember)
    failure = make_event(
        context, "backup.deletion-failed", "DeleteBackupRequest", request.meta, "failed", facts, Severity.FAILURE
    )
    return TrackingOutcome((failure,), remember)


def _mark_removed(context: TrackingContext, prev: Observed | None) -> Observed | None:
    if prev is None or prev.facts.get("removed"):
        return prev
    return structs.replace(prev, seen_at=context.now, facts={**prev.facts, "removed": "unseen"})
