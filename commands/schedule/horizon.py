"""The horizon `status.lastSkipped`: until then Velero starts no run of a schedule. Computes it and the patches that move it.

Velero's own status stores it, so a skip or a pause needs no timer and outlives the bot. Everything is pure and in whole seconds,
since Kubernetes stores no fractions.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from commands.schedule.forecast import Forecast
from domain.json_types import Json
from domain.plan import Step, StepMode, StepVerb


def whole_seconds(at: datetime) -> datetime:
    """Rounds down: runs are due at whole seconds, so none is lost."""
    return at.astimezone(UTC).replace(microsecond=0)


def format_horizon(at: datetime) -> str:
    return whole_seconds(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def horizon_without_overdue(found: Forecast) -> datetime:
    """The horizon with which no overdue run starts and a skip in force stays: max(now, horizon)."""
    return max(whole_seconds(found.now), found.horizon or whole_seconds(found.now))


def horizon_after_unskip(found: Forecast, before: datetime | None = None) -> datetime:
    """The horizon after a cancelled skip. Never empty: the runs that were passed over would count as overdue."""
    earlier = before if before is not None and before <= found.now else None
    known = [each for each in (earlier, found.last_passed) if each is not None]
    return max(known, default=found.marks.last_run)


def horizon_patch(name: str, uid: str, namespace: str, body: Json) -> Step:
    changes_both = "spec" in body and bool((body.get("status") or {}).get("lastSkipped"))
    mode = StepMode.SCHEDULE_CHANGE if changes_both else StepMode.PLAIN
    return Step(StepVerb.PATCH, "Schedule", "schedules", name, body, namespace, uid=uid, mode=mode)


def body(*, spec: Json | None = None, until: datetime | None = None) -> Json:
    patch: dict[str, Any] = {}
    if spec:
        patch["spec"] = spec
    if until is not None:
        patch["status"] = {"lastSkipped": format_horizon(until)}
    return patch


def refresh_horizon(step: Step, now: datetime) -> Step:
    """Moves the horizon of a patch that waited (for an approval, a cluster, a restart), so that no run starts that became due.

    Only where spec and horizon change together: Velero doesn't check a schedule because of its horizon alone.
    """
    until = (step.manifest.get("status") or {}).get("lastSkipped")
    if not until or datetime.fromisoformat(until) >= whole_seconds(now):
        return step
    return replace(
        step, manifest={**step.manifest, "status": {**step.manifest["status"], "lastSkipped": format_horizon(now)}}
    )
