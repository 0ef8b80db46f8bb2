"""300 backups end where 50,000 are known, each judged and remembered, against the same where 500 are known."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from benchmarks.figure import Figure, in_turn
from store.tables.observed import Observed
from tracking import runs
from tracking.follower import ClusterMemory
from tracking.observation import TrackingContext
from velero.names import SCHEDULE_NAME
from velero.observations import Change, Observation
from velero.resources.backups import BackupRow, BackupStatus
from velero.resources.rows import RowMeta

FEW, MANY, ENDS, SCHEDULES = 500, 50_000, 300, 50
TIMES = 5
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def measure() -> Figure:
    few, many = (asyncio.run(remembered(count)) for count in (FEW, MANY))
    slow, floor = in_turn(lambda: end_all(many), lambda: end_all(few), TIMES)
    return Figure(
        f"{ENDS} backups end, {MANY:,} known", slow, 2, "s", floor, more={"ms an end": (slow / ENDS * 1e3, 1)}
    )


def end_all(memory: ClusterMemory) -> None:
    for number in range(ENDS):
        meta = RowMeta(f"end-{number}", f"end-{number}", 5, labels={SCHEDULE_NAME: f"schedule-{number % SCHEDULES}"})
        row = BackupRow(meta, status=BackupStatus(phase="Failed", started=NOW.isoformat()))
        context = TrackingContext("prod", "uid", NOW, first=False, runs=memory.runs("Backup"))
        before = Observed(row.uid, row.name, "InProgress", NOW, {})
        outcome = runs.observe(context, before, Observation(Change.MODIFIED, "Backup", row.uid, row.name, row))
        assert outcome.events
        assert outcome.remember is not None
        memory.put("Backup", outcome.remember)


async def remembered(count: int) -> ClusterMemory:
    memory = ClusterMemory()
    await memory.load("Backup", {f"u{number}": _done(number, count) for number in range(count)})
    return memory


def _done(number: int, count: int) -> Observed:
    started = NOW - timedelta(minutes=count - number)
    facts = {
        "schedule": f"schedule-{number % SCHEDULES}",
        "started": started.isoformat(),
        "completed": (started + timedelta(minutes=5)).isoformat(),
        "namespaces": ["shop"],
    }
    return Observed(f"u{number}", f"backup-{number}", "Completed", NOW, facts)
