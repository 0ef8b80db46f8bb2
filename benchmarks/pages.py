"""An API server with prepared pages, as a separate process: `python -m benchmarks.pages COUNT` prints its port."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import PIPE, Popen

from aiohttp import web

PAGE = 500


def backup(number: int) -> dict:
    """Return a backup as large as a scheduled one of a real cluster: labels, annotations, template, status."""
    name = f"daily-shop-{number:014d}"
    marks = {
        "velero.io/schedule-name": f"daily-{number % 40}",
        "velero.io/storage-location": "default",
        "app.kubernetes.io/managed-by": "Helm",
        "team": f"team-{number % 12}",
    }
    versions = {"velero.io/source-cluster-k8s-gitversion": "v1.33.4", "velero.io/source-cluster-k8s-major-version": "1"}
    manager = {
        "manager": "velero-server",
        "operation": "Update",
        "time": "2026-11-20T01:00:00Z",
        "apiVersion": "velero.io/v1",
    }
    fields = {
        f"f:{key}": {} for key in ("phase", "progress", "startTimestamp", "expiration", "formatVersion", "version")
    }
    return {
        "apiVersion": "velero.io/v1",
        "kind": "Backup",
        "metadata": {
            "name": name,
            "namespace": "velero",
            "uid": f"{number:08x}-1111-4222-8333-444455556666",
            "resourceVersion": str(1000 + number),
            "generation": 5,
            "creationTimestamp": "2026-11-20T01:00:00Z",
            "labels": marks,
            "annotations": versions | {"velero.io/resource-timeout": "10m0s"},
            "managedFields": [manager | {"fieldsType": "FieldsV1", "fieldsV1": {"f:status": fields}}],
        },
        "spec": {
            "csiSnapshotTimeout": "10m0s",
            "defaultVolumesToFsBackup": False,
            "hooks": {},
            "includedNamespaces": ["shop", f"shop-{number % 7}"],
            "itemOperationTimeout": "4h0m0s",
            "metadata": {},
            "snapshotMoveData": False,
            "storageLocation": "default",
            "ttl": "720h0m0s",
        },
        "status": {
            "completionTimestamp": "2026-11-20T01:04:30Z",
            "expiration": "2026-12-20T01:00:00Z",
            "formatVersion": "1.1.0",
            "hookStatus": {},
            "phase": "Completed",
            "progress": {"itemsBackedUp": 412, "totalItems": 412},
            "startTimestamp": "2026-11-20T01:00:02Z",
            "version": 1,
        },
    }


def rendered(count: int) -> list[bytes]:
    found = []
    for begin in range(0, count, PAGE):
        more = str(begin + PAGE) if begin + PAGE < count else ""
        meta = {"resourceVersion": "900000", "continue": more}
        items = [backup(number) for number in range(begin, min(begin + PAGE, count))]
        body = {"apiVersion": "velero.io/v1", "kind": "BackupList", "metadata": meta, "items": items}
        found.append(json.dumps(body, separators=(",", ":")).encode())
    return found


async def serve(count: int) -> None:
    ready = rendered(count)

    async def listing(request: web.Request) -> web.Response:
        page = ready[int(request.query.get("continue") or 0) // PAGE]
        return web.Response(body=page, content_type="application/json")

    app = web.Application()
    app.router.add_get("/apis/velero.io/v1/namespaces/velero/backups", listing)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


@contextmanager
def server(count: int) -> Iterator[str]:
    with Popen([sys.executable, "-m", "benchmarks.pages", str(count)], stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
