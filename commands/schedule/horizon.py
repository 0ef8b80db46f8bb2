"""The arithmetic of the horizon `status.lastSkipped` (DESIGN §7), and the patches that move it.

The server keeps it: it outlives us and needs no timer. Everything here is pure and in whole seconds, since Kubernetes
keeps no more.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from commands.schedule.forecast import Forecast
from domain.json_types import Json
from domain.plan import Step, StepMode, StepVerb


def whole_seconds(at: datetime) -> datetime:
    """Cut off: occurrences are whole seconds, so none lies in what is lost."""
    return at.astimezone(UTC).replace(microsecond=0)


def format_horizon(at: datetime) -> str:
    return whole_seconds(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def horizon_removed(found: Forecast) -> datetime:
    """Nothing overdue fires, a skip in force stays: max(now, horizon)."""
    return max(whole_seconds(found.now), found.horizon or whole_seconds(found.now))


def horizon_after_unskip(found: Forecast, before: datetime | None = None) -> datetime:
    """Never null: what was passed over would count as overdue."""
    earlier = before if before is not None and before <= found.now else None
    known = [each for each in (earlier, found.last_passed) if each is not None]
    return max(known, default=found.marks.last_run)


def horizon_patch(name: str, uid: str, namespace: str, body: Json) -> Step:
    changes_both = "spec" in body and bool((body.get("status") or {}).get("lastSkipped"))
    mode = StepMode.SCHEDULE_CHANGE if changes_both else StepMode.PLAIN
    return Step(StepVerb.PATCH, "Schedule", "schedules", name, body, namespace, uid=uid, mode=mode)


def body(*, spec: Json | None = None, until: datetime | None = None) -> Json:
    made: dict[str, Any] = {}
    if spec:
        made["spec"] = spec
    if until is not None:
        made["status"] = {"lastSkipped": format_horizon(until)}
    return made


def refresh_horizon(step: Step, now: datetime) -> Step:
    """A patch that waited (for an approval, a cluster, a restart) must not fire what fell due meanwhile.

    Only where spec and horizon go together: a horizon alone wakes nobody.
    """
    until = (step.manifest.get("status") or {}).get("lastSkipped")
    if not until or datetime.fromisoformat(until) >= whole_seconds(now):
        return step
    return replace(
        step, manifest={**step.manifest, "status": {**step.manifest["status"], "lastSkipped": format_horizon(now)}}
    )
