"""What is remembered of a run, from the bytes that a cluster sent."""

import json
from datetime import UTC, datetime

import pytest

from store.tables.observed import Observed
from tracking import runs
from tracking.observation import TrackingContext
from velero.api import Api
from velero.connection import Direct
from velero.observations import Change, Observation
from velero.resources.backups import backup_rows
from velero.resources.restores import restore_rows

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
API = Api("prod", Direct("http://nowhere"))
BACKUPS, RESTORES = backup_rows(API, "velero"), restore_rows(API, "velero")
DONE = {
    "metadata": {
        "name": "daily-1",
        "uid": "u1",
        "generation": 5,
        "creationTimestamp": "2026-11-21T01:00:00Z",
        "labels": {"velero.io/schedule-name": "daily"},
        "annotations": {
            "velero-chatops.io/requested-by": "ada",
            "kubectl.kubernetes.io/last-applied-configuration": "x",
        },
    },
    "spec": {"includedNamespaces": ["shop"], "storageLocation": "default"},
    "status": {
        "phase": "Completed",
        "startTimestamp": "2026-11-21T01:00:02Z",
        "completionTimestamp": "2026-11-21T01:04:30Z",
        "expiration": "2026-12-21T01:00:00Z",
        "progress": {"itemsBackedUp": 412, "totalItems": 412},
    },
}


def remembered(source: dict, *, prev: Observed | None = None, gateway=BACKUPS, kind: str = "Backup") -> Observed:
    row = gateway.read(json.dumps(source).encode())
    seen = Observation(Change.ADDED, kind, row.uid, row.name, row)
    return runs.observe(TrackingContext("prod", "c1", NOW, first=True), prev, seen).remember


def test_of_a_backup():
    assert remembered(DONE) == Observed(
        "u1",
        "daily-1",
        "Completed",
        NOW,
        {
            "by": "ada",
            "created": "2026-11-21T01:00:00Z",
            "started": "2026-11-21T01:00:02Z",
            "completed": "2026-11-21T01:04:30Z",
            "since": NOW.isoformat(),
            "done": 412,
            "total": 412,
            "namespaces": ["shop"],
            "generation": 5,
            "schedule": "daily",
            "location": "default",
            "expires": "2026-12-21T01:00:00Z",
            "labels": {"velero.io/schedule-name": "daily"},
        },
    )


def test_of_a_restore():
    spec = {"backupName": "daily-1", "namespaceMapping": {"shop": "copy"}}
    source = {"metadata": {"name": "r1", "uid": "u2"}, "spec": spec, "status": {"phase": "InProgress", "warnings": 2}}
    facts = remembered(source, gateway=RESTORES, kind="Restore").facts
    assert facts == {"since": NOW.isoformat(), "warnings": 2, "backup": "daily-1", "mapping": {"shop": "copy"}}


@pytest.mark.parametrize(
    "told", ["yesterday", "", "2026-13-45T00:00:00Z", "<!channel>", None, 5, ["2026-11-21T01:00:02Z"]]
)
def test_what_is_no_time_is_not_remembered_as_one(told):
    facts = remembered(DONE | {"status": DONE["status"] | {"startTimestamp": told}}).facts
    assert "started" not in facts
    assert facts["completed"] == "2026-11-21T01:04:30Z"


def test_since_when_is_that_of_the_first_look_at_a_phase():
    before = Observed("u1", "daily-1", "Completed", NOW, {"since": "2026-11-20T00:00:00+00:00"})
    assert remembered(DONE, prev=before).facts["since"] == "2026-11-20T00:00:00+00:00"
    running = Observed("u1", "daily-1", "InProgress", NOW, {"since": "2026-11-20T00:00:00+00:00"})
    assert remembered(DONE, prev=running).facts["since"] == NOW.isoformat()
