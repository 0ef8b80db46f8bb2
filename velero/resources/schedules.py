"""Schedule: when Velero creates which backup."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from domain.json_types import Json
from domain.plan import digest
from velero.fields import flag, section, strings, text, timestamp
from velero.gateway import Gateway
from velero.kinds import SCHEDULE
from velero.objects import Object, meta_of

if TYPE_CHECKING:
    from velero.api import Api


@dataclass(frozen=True, slots=True)
class Schedule(Object):
    """`last_skipped` is the horizon: no run starts before it. `template` is the spec of its backups."""

    phase: str
    cron: str
    paused: bool
    skip_immediately: bool | None
    owner_references: bool | None
    template: Json
    last_backup: datetime | None
    last_skipped: datetime | None
    validation_errors: tuple[str, ...]

    @property
    def spec_hash(self) -> str:
        """Changes when someone edits the schedule; `generation` also counts every status update of the server."""
        return digest({key: value for key, value in self.spec.items() if key not in {"paused", "skipImmediately"}})


def schedule_of(source: Json) -> Schedule:
    spec, status = section(source, "spec"), section(source, "status")
    return Schedule(
        meta=meta_of(source),
        raw=source,
        phase=text(status, "phase"),
        cron=text(spec, "schedule"),
        paused=flag(spec, "paused") is True,
        skip_immediately=flag(spec, "skipImmediately"),
        owner_references=flag(spec, "useOwnerReferencesInBackup"),
        template=section(spec, "template"),
        last_backup=timestamp(status, "lastBackup"),
        last_skipped=timestamp(status, "lastSkipped"),
        validation_errors=strings(status, "validationErrors"),
    )


def schedules(api: Api, namespace: str) -> Gateway[Schedule]:
    return Gateway(api, SCHEDULE, schedule_of, namespace)
