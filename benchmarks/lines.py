"""Command lines parsed and planned on fixtures, compared with shlex.split of the same lines."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime

from benchmarks.figure import Figure, in_turn, seconds
from commands.batch import answer_line, facts_from_objects
from commands.planning.context import ClusterView, PlanContext

LINES = (
    "backup create nightly --include-namespaces shop,shop-db --ttl 720h --snapshot-volumes=false",
    "backup create --from-schedule daily",
    'backup create b2 --include-namespaces "shop" -l app=web --labels team=shop,tier=gold --wait',
    "velero backup create full --include-cluster-resources=true --exclude-resources events,secrets --storage-location default",
    "schedule create hourly --schedule '0 * * * *' --include-namespaces shop --ttl 24h",
    "schedule create weekly --schedule=@weekly --snapshot-move-data",
    "restore create r1 --from-backup nightly-1 --namespace-mappings shop:shop-copy --include-resources deployments,services",
    "restore create --from-schedule daily --existing-resource-policy update",
    "backup delete nightly-1 --confirm",
    "backup-location create second --provider aws --bucket velero --config region=eu-central-1,s3ForcePathStyle=true",
)


def _thing(kind: str, name: str, spec: dict, status: dict | None = None, labels: dict | None = None) -> dict:
    meta = {"name": name, "namespace": "velero", "uid": f"uid-{name}", "labels": labels or {}}
    return {"apiVersion": "velero.io/v1", "kind": kind, "metadata": meta, "spec": spec, "status": status or {}}


def world() -> list[dict]:
    done = {
        "phase": "Completed",
        "startTimestamp": "2026-11-21T01:00:00Z",
        "completionTimestamp": "2026-11-21T01:05:00Z",
    }
    daily = {"velero.io/schedule-name": "daily"}
    spec = {"includedNamespaces": ["shop"], "storageLocation": "default"}
    return [
        _thing(
            "BackupStorageLocation",
            "default",
            {"provider": "aws", "objectStorage": {"bucket": "velero"}, "default": True, "accessMode": "ReadWrite"},
            {"phase": "Available"},
        ),
        _thing("Schedule", "daily", {"schedule": "0 1 * * *", "template": spec}, {"phase": "Enabled"}),
        *(_thing("Backup", f"nightly-{number}", spec, done, daily) for number in range(1, 6)),
        *(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            for name in ("shop", "shop-db", "velero")
        ),
    ]


def measure() -> Figure:
    facts = facts_from_objects(world())
    situation = PlanContext(
        now=datetime(2026, 11, 21, 12, tzinfo=UTC), new_id=lambda: "0123456789", cluster=ClusterView("prod")
    )
    faults = [said["error"] for said in (answer_line(line, facts, situation) for line in LINES) if not said["ok"]]
    assert not faults, faults
    repeat = 40

    def planned() -> None:
        for _ in range(repeat):
            for line in LINES:
                answer_line(line, facts, situation)

    def split() -> None:
        for _ in range(repeat):
            for line in LINES:
                shlex.split(line)

    seconds(planned)
    value, floor = in_turn(planned, split, 5)
    each = 1e6 / (repeat * len(LINES))
    return Figure("lines parsed and planned", value * each, 60, "µs a line", floor * each)
