"""DeleteBackupRequests: remembered, so that a vanished backup can be called deleted; told when they fail."""

from __future__ import annotations

from typing import Any

from commands.resolve import OPERATION
from commands.track.sighting import VANISHED, Outcome, Setting, event
from domain.event import Severity
from store.observed import Observed
from velero.deletions import DeletionRequest
from velero.observations import Observation


def observe(setting: Setting, prev: Observed | None, seen: Observation[Any]) -> Outcome:
    if seen.change in VANISHED or seen.value is None:
        return Outcome()
    request: DeletionRequest = seen.value
    facts: dict[str, object] = {
        "backup": request.backup,
        "backup_uid": request.backup_uid,
        "errors": list(request.errors),
    }
    facts["operation"] = request.labels.get(OPERATION, "")
    remember = Observed(seen.uid, seen.name, request.phase, setting.now, facts)
    failed = request.phase == "Processed" and bool(request.errors)
    if setting.first or not failed or (prev is not None and prev.phase == request.phase):
        return Outcome((), remember)
    told = event(
        setting, "backup.deletion-failed", "DeleteBackupRequest", request.meta, "failed", facts, Severity.FAILURE
    )
    return Outcome((told,), remember)
