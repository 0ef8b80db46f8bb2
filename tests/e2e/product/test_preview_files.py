"""Previews of file-system backups, compared with what a real Velero does.

There is no node: the tests write what the node agent would write into Velero's objects.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from operations.restore_preview.preview import Preview
from tests.e2e.api import Json, Resource
from tests.e2e.cluster import RealCluster, namespace
from tests.e2e.objects import backup
from tests.e2e.product.preview_compared import agree, foretold_and_done
from tests.e2e.product.preview_objects import PODS, bound, pod, pods, status
from velero.cluster import Cluster

FILES = "pv-files"
AGENTS = Resource("apps/v1", "daemonsets")
RUNNING = {"phase": "Running"}
SAVED = {
    "phase": "Completed",
    "snapshotID": "abc123",
    "path": "/host_pods/x",
    "progress": {"totalBytes": 7, "bytesDone": 7},
}
CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "pv-class"},
    "provisioner": "storage.example.org",
    "volumeBindingMode": "WaitForFirstConsumer",
}
"""Its volumes are provisioned when a pod is scheduled, which never happens here."""
SHARE = {"nfs": {"server": "files.example.org", "path": "/"}}


async def agent(cluster: RealCluster) -> None:
    """The node agent's DaemonSet and its pod on the only node."""
    template = pods("node-agent")
    selector = {"matchLabels": {"app": "node-agent"}}
    meta = {"name": "node-agent", "namespace": cluster.namespace}
    spec = {"selector": selector, "template": template}
    one = pod(cluster.namespace, "node-agent-1")
    one["metadata"]["labels"] = {"role": "node-agent"}
    one["spec"]["nodeName"] = "node1"
    await cluster.api.apply({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": meta, "spec": spec}, one)
    await status(cluster, PODS, "node-agent-1", RUNNING, cluster.namespace)


@asynccontextmanager
async def working(cluster: RealCluster, plural: str) -> AsyncIterator[None]:
    """Completes each volume as the node agent would."""

    async def work() -> None:
        path = cluster.api.path(plural)
        async for line in cluster.api.watch(path):
            item = line["object"]
            if line["type"] == "ADDED" and item.get("status", {}).get("phase") != "Completed":
                await cluster.api.patch(
                    plural, item["metadata"]["name"], {"status": SAVED if "backup" in plural else DONE}
                )

    worker = asyncio.create_task(work())
    try:
        yield
    finally:
        worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker


DONE = {"phase": "Completed", "progress": {"totalBytes": 7, "bytesDone": 7}}


@pytest.fixture(scope="module")
async def saved(cluster: RealCluster, granted: None) -> AsyncIterator[None]:
    await agent(cluster)
    await cluster.api.apply(namespace(FILES))
    await cluster.api.do("POST", "/apis/storage.k8s.io/v1/storageclasses", CLASS)
    await bound(cluster, FILES, "share", SHARE, storage="pv-class")
    one = pod(
        FILES,
        "web",
        {"name": "share", "persistentVolumeClaim": {"claimName": "share"}},
        {"name": "scratch", "emptyDir": {}},
    )
    one["spec"]["nodeName"] = "node1"
    await cluster.api.apply(one)
    await status(cluster, PODS, "web", RUNNING, FILES)
    async with working(cluster, "podvolumebackups"):
        await cluster.api.create("backups", backup(FILES, FILES, defaultVolumesToFsBackup=True))
        await cluster.api.wait_phase("backups", FILES, "Completed", within=90)
    yield
    for plural, name in ((AGENTS, "node-agent"), (PODS, "node-agent-1")):
        if await cluster.api.get(plural, name) is not None:
            await cluster.api.delete(plural, name, gracePeriodSeconds="0")


def into(target: str, **spec: Any) -> Json:
    return {"namespaceMapping": {FILES: target}, "includedNamespaces": [FILES], **spec}


def back(foretold: Preview) -> set[str]:
    return {claim.name for claim in foretold.volume_outcomes if claim.is_restored}


async def written(cluster: RealCluster, name: str) -> set[tuple[str, str]]:
    """The pods and volumes that the restore fills through the node agent."""
    found = await cluster.api.list("podvolumerestores", labelSelector=f"velero.io/restore-name={name}")
    return {(one["spec"]["pod"]["namespace"], one["spec"]["volume"]) for one in found["items"]}


@pytest.mark.parametrize("volumes", [None, False])
async def test_files_are_restored_with_copied_pods(
    cluster: RealCluster, eyes: Cluster, saved: None, volumes: bool | None
) -> None:
    """--restore-volumes=false excludes only snapshots."""
    name = f"pv-files-{volumes}".lower()
    async with working(cluster, "podvolumerestores"):
        foretold, real = await foretold_and_done(cluster, eyes, name, FILES, **into(name, restorePVs=volumes))
    agree(foretold, real)
    assert back(foretold) == {f"{name}/share", f"{name}/web:scratch"}
    assert await written(cluster, name) == {(name, "share"), (name, "scratch")}
    assert {one.method for one in await eyes.artifacts.volumes(name, restore=True)} == {"PodVolumeRestore"}


async def test_an_existing_pod_gets_no_files(cluster: RealCluster, eyes: Cluster, saved: None) -> None:
    foretold, real = await foretold_and_done(cluster, eyes, "pv-files-there", FILES, includedNamespaces=[FILES])
    agree(foretold, real)
    assert back(foretold) == set()
    assert await written(cluster, "pv-files-there") == set()


async def test_a_pod_without_its_pvcs_gets_no_files(cluster: RealCluster, eyes: Cluster, saved: None) -> None:
    only = {"includedResources": ["pods"]}
    foretold, real = await foretold_and_done(cluster, eyes, "pv-files-pods", FILES, **into("pv-files-pods", **only))
    agree(foretold, real)
    assert back(foretold) == set()
    assert await written(cluster, "pv-files-pods") == set()


async def test_a_recreated_pod_overwrites_files_in_the_existing_pvc(
    cluster: RealCluster, eyes: Cluster, saved: None
) -> None:
    await cluster.api.delete(PODS, "web", FILES, gracePeriodSeconds="0")
    async with working(cluster, "podvolumerestores"):
        foretold, real = await foretold_and_done(cluster, eyes, "pv-files-over", FILES, includedNamespaces=[FILES])
    agree(foretold, real)
    assert [claim.name for claim in foretold.volume_outcomes if claim.overwrites] == [f"{FILES}/share"]
    assert await written(cluster, "pv-files-over") == {(FILES, "share"), (FILES, "scratch")}


async def test_without_the_node_agent_volumes_stay_empty(cluster: RealCluster, eyes: Cluster, saved: None) -> None:
    await cluster.api.delete(AGENTS, "node-agent")
    await cluster.api.wait_gone(AGENTS, "node-agent")
    foretold, real = await foretold_and_done(cluster, eyes, "pv-files-alone", FILES, **into("pv-files-alone"))
    agree(foretold, real)
    assert back(foretold) == set()
    assert [entry.message for entry in real.errors] == ["error to check node agent status: daemonset not found"]


async def test_a_pvc_without_its_storage_class_is_an_error(cluster: RealCluster, eyes: Cluster, saved: None) -> None:
    await cluster.api.do("DELETE", "/apis/storage.k8s.io/v1/storageclasses/pv-class")
    only = {"includedResources": ["persistentvolumeclaims"]}
    spec = into("pv-files-class", **only)
    foretold, real = await foretold_and_done(cluster, eyes, "pv-files-class", FILES, **spec)
    agree(foretold, real)
    assert foretold.missing_classes == ("pv-files-class/share (pv-class)",)
    assert real.said("fail to patch dynamic PV")
