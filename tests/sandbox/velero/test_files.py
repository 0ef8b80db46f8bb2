"""Files that runs leave: as real ones are, to the key."""

import io
import json
import re
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from sandbox.velero.files import contents

DATA = Path(__file__).parents[2] / "data" / "recordings" / "artifacts"


def real(folder, name):
    path = DATA / folder / name
    return yaml.safe_load(path.read_text()) if path.suffix in (".yaml", ".json") else path.read_text()


def volume(name, claim, source, reclaim="Retain"):
    spec = {"capacity": {"storage": "1Gi"}, "persistentVolumeReclaimPolicy": reclaim, **source}
    spec["claimRef"] = {"name": claim, "namespace": "shop"}
    return spec


SOURCES = {
    "csi": {"csi": {"driver": "csi.example.com", "volumeHandle": "v1"}},
    "ebs": {"awsElasticBlockStore": {"volumeID": "aws://us-east-1a/vol-1"}},
    "fs": {"csi": {"driver": "csi.example.com", "volumeHandle": "v2"}},
    "host": {"hostPath": {"path": "/data"}},
    "nfs": {"nfs": {"server": "nfs", "path": "/"}},
}


@pytest.fixture
async def volumes(world):
    """A claim, a volume and a pod of each sort; the one named fs opted in to file system backup."""
    await world.create("volumesnapshotlocations", "aws-ebs", {"provider": "aws"})
    for name, source in SOURCES.items():
        await world.create("persistentvolumes", f"pv-{name}", volume(name, f"data-{name}", source), namespace=None)
        await world.create("persistentvolumeclaims", f"data-{name}", {"volumeName": f"pv-{name}"}, namespace="shop")
        mounted = {"name": "vol", "persistentVolumeClaim": {"claimName": f"data-{name}"}}
        pod = {"containers": [{"name": "c", "image": "c:1"}], "volumes": [mounted], "nodeName": "node1"}
        notes = {"annotations": {"backup.velero.io/backup-volumes": "vol"}} if name == "fs" else {}
        await world.create("pods", f"wp-{name}", pod, namespace="shop", metadata=notes)
    return world


def infos(outside, name):
    listed = outside.file(f"backups/{name}/{name}-volumeinfo.json.gz")
    return {info.get("pvcName", "").removeprefix("data-"): info for info in listed}


def keys(value):
    """The shape of a value: keys all the way down, and types at the leaves."""
    if isinstance(value, dict):
        return {key: keys(inner) for key, inner in value.items() if key not in ("labels", "reclaimPolicy")}
    return [keys(value[0])] if isinstance(value, list) and value else type(value).__name__


async def test_volume_infos_have_the_real_shape(volumes, outside):
    await volumes.backup("plain")
    here = infos(outside, "plain")
    there = {i["pvcName"].removeprefix("data-"): i for i in real("wp-plain", "BackupVolumeInfos.json")}
    assert {name: keys(info) for name, info in here.items()} == {name: keys(info) for name, info in there.items()}
    methods = {name: info.get("backupMethod") for name, info in here.items()}
    assert methods == {name: info.get("backupMethod") for name, info in there.items()}


async def test_reasons_for_skipping_are_the_real_ones(volumes, outside):
    await volumes.backup("plain")
    await volumes.backup("nosnap", snapshotVolumes=False)
    for here, folder in (("plain", "wp-plain"), ("nosnap", "wp-nosnap")):
        mine = {name: info.get("skippedReason") for name, info in infos(outside, here).items()}
        theirs = {
            info["pvcName"].removeprefix("data-"): info.get("skippedReason")
            for info in real(folder, "BackupVolumeInfos.json")
        }
        assert mine == theirs


async def test_snapshots_cost_time_objects_and_warnings(volumes, outside):
    backup = await volumes.backup("plain")
    status, there = backup["status"], real("wp-plain", "backup.yaml")["status"]
    for key in there.keys() - {"completionTimestamp", "startTimestamp", "expiration", "progress"}:
        assert status[key] == there[key], key
    assert status.keys() == there.keys()
    assert outside.results("plain") == real("wp-plain", "BackupResults.json")
    listed = outside.file("backups/plain/plain-resource-list.json.gz")
    assert len(listed["snapshot.storage.k8s.io/v1/VolumeSnapshot"]) == 1
    totals = [x.object["status"]["progress"]["totalItems"] for x in volumes.seen("backups", "plain")[4:]]
    assert totals[-1] == totals[0] + 3


async def test_item_operations_and_native_snapshots_have_the_real_shape(volumes, outside):
    await volumes.backup("plain")
    for kind, key in (("BackupItemOperations", "itemoperations"), ("BackupVolumeSnapshots", "volumesnapshots")):
        here = outside.file(f"backups/plain/plain-{key}.json.gz")
        assert keys(here[:1]) == keys(real("wp-plain", f"{kind}.json")), kind


async def test_file_system_backups_have_objects_with_progress_and_a_repository(volumes):
    await volumes.backup("plain")
    [pod_volume] = await volumes.all("podvolumebackups")
    there = real("crs", "podvolumebackup.yaml")
    assert pod_volume["status"].keys() == there["status"].keys()
    assert pod_volume["spec"].keys() == there["spec"].keys()
    assert pod_volume["metadata"]["ownerReferences"][0]["name"] == "plain"
    repository = await volumes.get("backuprepositories", "shop-default-kopia")
    assert repository["spec"] == real("crs", "backuprepository.yaml")["spec"] | {"volumeNamespace": "shop"}


async def test_everything_by_file_system_backup(volumes, outside):
    backup = await volumes.backup("fsb", defaultVolumesToFsBackup=True)
    found = infos(outside, "fsb")
    assert {name for name, info in found.items() if info.get("backupMethod") == "PodVolumeBackup"} == {
        "csi",
        "ebs",
        "fs",
        "nfs",
    }
    assert found["host"]["skippedReason"] == next(
        info["skippedReason"] for info in real("wp-fsbackup", "BackupVolumeInfos.json") if info["skipped"]
    )
    assert backup["status"]["warnings"] == 1
    [warning] = outside.results("fsb")["warnings"]["namespaces"]["shop"]
    assert warning == (
        " resource: /pods name: /wp-host message: /Volume vol in pod shop/wp-host is a hostPath volume which is not "
        "supported for pod volume backup, skipping"
    )


async def test_a_policy_skips_without_a_warning(volumes, outside):
    skip = {"conditions": {"nfs": {}}, "action": {"type": "skip"}}
    by_files = {"conditions": {"csi": {"driver": "csi.example.com"}}, "action": {"type": "fs-backup"}}
    document = json.dumps({"version": "v1", "volumePolicies": [skip, by_files]})
    await volumes.create("configmaps", "pol", data={"p.yaml": document})
    await volumes.backup("policy", resourcePolicy={"kind": "configmap", "name": "pol"})
    found = infos(outside, "policy")
    assert found["nfs"]["skippedReason"].startswith("any: skipped due to resource policy ;")
    assert found["csi"]["backupMethod"] == "PodVolumeBackup"
    assert outside.results("policy")["warnings"] == {
        "cluster": [
            (
                " resource: /persistentvolumes name: /pv-host message: /No volume ID returned by volume snapshotter for "
                "persistent volume"
            )
        ]
    }


async def test_keys_of_a_backup_and_of_a_restore(world, outside):
    await world.backup("b")
    await world.restore("r", "b")
    assert outside.bucket.keys() == [
        "backups/b/b-itemoperations.json.gz",
        "backups/b/b-logs.gz",
        "backups/b/b-podvolumebackups.json.gz",
        "backups/b/b-resource-list.json.gz",
        "backups/b/b-results.gz",
        "backups/b/b-volumeinfo.json.gz",
        "backups/b/b-volumesnapshots.json.gz",
        "backups/b/b.tar.gz",
        "backups/b/velero-backup.json",
        "restores/r/r-volumeinfo.json.gz",
        "restores/r/restore-r-itemoperations.json.gz",
        "restores/r/restore-r-logs.gz",
        "restores/r/restore-r-resource-list.json.gz",
        "restores/r/restore-r-results.gz",
    ]


async def test_archive_holds_each_object_twice_and_the_version(world, outside):
    await world.backup("b")
    with tarfile.open(fileobj=io.BytesIO(outside.bucket.get("backups/b/b.tar.gz")), mode="r:gz") as tar:
        names = tar.getnames()
        version = tar.extractfile("metadata/version").read()
        deployment = json.load(tar.extractfile("resources/deployments.apps/namespaces/shop/web.json"))
    assert version.strip() == b"1.1.0"
    assert deployment["spec"]["replicas"] == 2
    assert "resources/deployments.apps/v1-preferredversion/namespaces/shop/web.json" in names
    assert "resources/namespaces/cluster/shop.json" in names
    real_names = {
        re.sub(r"\S+ - ", "", line).strip() for line in real("wp-plain", "BackupContents.tree.txt").splitlines()
    }
    assert "metadata/version" in real_names


async def test_nothing_is_there_before_the_end(world, velero, outside):
    velero.script("slow", seconds=60)
    await world.create("backups", "slow", {"includedNamespaces": ["shop"], "storageLocation": "default"})
    await world.pause(30)
    assert outside.bucket.keys() == []


LINE = re.compile(
    r'time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ" level=(info|warning|error) msg=("(?:[^"\\]|\\.)*"|\S+)( [A-Za-z ]+=.*)?'
)


async def test_log_lines_are_logrus_text(world, outside):
    await world.backup("half", ("shop", "gone"))
    lines = outside.file("backups/half/half-logs.gz").splitlines()
    assert all(LINE.fullmatch(line) for line in lines)
    [error] = [line for line in lines if "level=error" in line]
    there = next(line for line in real("wp-partial", "BackupLog.log").splitlines() if "level=error" in line)
    shape = re.compile(r'time="[^"]*"|gone(-ns)?|half|wp-partial')
    assert shape.sub("", error) == shape.sub("", there)


HOOK = {
    "name": "freeze",
    "includedNamespaces": ["shop"],
    "pre": [
        {
            "exec": {
                "container": "c",
                "command": ["/sbin/fsfreeze", "--freeze", "/data"],
                "onError": "Fail",
                "timeout": "3s",
            }
        }
    ],
    "post": [{"exec": {"command": ["/sbin/fsfreeze", "--unfreeze", "/data"]}}],
}


class TestHooks:
    async def pod(self, world, **annotations):
        spec = {"containers": [{"name": "c", "image": "c:1"}]}
        await world.create("pods", "web-0", spec, namespace="shop", metadata={"annotations": annotations})

    async def test_good_ones_are_counted_and_logged_with_their_fields(self, world, outside):
        await self.pod(world)
        backup = await world.backup("hooked", hooks={"resources": [HOOK]})
        assert backup["status"]["hookStatus"] == {"hooksAttempted": 2}
        ran = [
            line for line in outside.file("backups/hooked/hooked-logs.gz").splitlines() if "running exec hook" in line
        ]
        assert len(ran) == 2
        for field in (
            'hookCommand="[/sbin/fsfreeze --freeze /data]"',
            "hookContainer=c",
            "hookName=freeze",
            "hookPhase=pre",
            "hookSource=spec",
            "hookType=exec",
            "namespace=shop",
            "name=web-0",
        ):
            assert f" {field}" in ran[0]

    async def test_a_failing_one_counts_twice_and_keeps_its_pod_out(self, world, velero, outside):
        await self.pod(world)
        velero.script("hooked", outcome="hook-fails", reason="no preferred addresses found; known addresses: []")
        backup = await world.backup("hooked", hooks={"resources": [HOOK]})
        assert backup["status"]["phase"] == "PartiallyFailed"
        assert backup["status"]["errors"] == 2
        assert backup["status"]["hookStatus"] == {"hooksAttempted": 1, "hooksFailed": 1}
        there = real("wp-hooks", "BackupResults.json")["errors"]["velero"][:2]
        assert outside.results("hooked")["errors"]["velero"] == [text.replace("wp-csi", "web-0") for text in there]
        assert outside.file("backups/hooked/hooked-resource-list.json.gz")["v1/Pod"] == ["shop/web-0"]
        assert "pods" not in contents(outside.bucket.get("backups/hooked/hooked.tar.gz"))

    async def test_continue_counts_once_and_goes_on(self, world, velero, outside):
        await self.pod(world)
        velero.script("hooked", outcome="hook-fails")
        pre = [{"exec": {"command": ["/bin/false"], "onError": "Continue"}}]
        backup = await world.backup("hooked", hooks={"resources": [{"name": "h", "pre": pre}]})
        assert backup["status"]["errors"] == 1
        assert outside.file("backups/hooked/hooked-resource-list.json.gz")["v1/Pod"] == ["shop/web-0"]

    async def test_annotations_replace_the_spec(self, world, outside):
        await self.pod(world, **{"pre.hook.backup.velero.io/command": '["/bin/sync"]'})
        await world.backup("hooked", hooks={"resources": [{**HOOK, "post": []}]})
        [ran] = [x for x in outside.file("backups/hooked/hooked-logs.gz").splitlines() if "running exec hook" in x]
        assert "hookSource=annotation" in ran
        assert 'hookCommand="[/bin/sync]"' in ran


async def test_fs_restore_makes_an_object_for_each_volume(volumes, outside):
    await volumes.backup("fsb", defaultVolumesToFsBackup=True)
    restore = await volumes.restore("r", "fsb", namespaceMapping={"shop": "copy"})
    made = await volumes.all("podvolumerestores")
    there = real("crs", "podvolumerestore.yaml")
    assert len(made) == 4
    assert made[0]["status"].keys() == there["status"].keys()
    assert made[0]["spec"].keys() == there["spec"].keys()
    assert restore["status"]["phase"] == "Completed"
    info = outside.file("restores/r/r-volumeinfo.json.gz")
    assert keys(info[0]) == keys(real("r-fsbackup2", "RestoreVolumeInfo.json")[0])


async def test_restored_pods_with_saved_volumes_wait_for_them(volumes):
    await volumes.backup("plain")
    await volumes.restore("r", "plain", namespaceMapping={"shop": "copy"})
    pod = await volumes.get("pods", "wp-fs", "copy")
    assert [c["name"] for c in pod["spec"]["initContainers"]] == ["restore-wait"]
    assert "initContainers" not in (await volumes.get("pods", "wp-nfs", "copy"))["spec"]


async def test_without_the_agents_it_is_one_error_each_pod(volumes, outside):
    await volumes.backup("plain")
    await volumes.delete("daemonsets", "node-agent")
    restore = await volumes.restore("r", "plain", namespaceMapping={"shop": "copy"})
    assert restore["status"]["phase"] == "PartiallyFailed"
    assert outside.restored("r")[0]["errors"] == {"velero": ["error to check node agent status: daemonset not found"]}


async def test_a_volume_still_bound_to_a_lost_claim_holds_the_restore_up(volumes, outside):
    await volumes.patch("persistentvolumes", "pv-ebs", {"spec": {"persistentVolumeReclaimPolicy": "Delete"}}, None)
    await volumes.backup("plain")
    await volumes.vanish("shop")
    await volumes.create("restores", "r", {"backupName": "plain"})
    await volumes.pause(60)
    assert volumes.phases("restores", "r")[-1] == "InProgress"
    await volumes.delete("persistentvolumes", "pv-ebs", None)
    await volumes.ended("restores", "r")
    assert "pv-ebs(created)" in outside.restored("r")[1]["v1/PersistentVolume"]
    assert "pv-csi(skipped)" in outside.restored("r")[1]["v1/PersistentVolume"]


async def test_snapshots_come_back_under_hashed_names(volumes, outside):
    await volumes.backup("plain")
    await volumes.restore("r", "plain", namespaceMapping={"shop": "copy"})
    info = outside.file("restores/r/r-volumeinfo.json.gz")
    mine = {entry["restoreMethod"]: keys(entry) for entry in info}
    theirs = {entry["restoreMethod"]: keys(entry) for entry in real("r-missing", "RestoreVolumeInfo.json")}
    assert {method: mine[method] for method in theirs} == theirs
    listed = outside.restored("r")[1]
    assert re.fullmatch(r"copy/[0-9a-f]{64}\(created\)", listed["snapshot.storage.k8s.io/v1/VolumeSnapshot"][0])


async def test_without_volumes_no_snapshot_comes_back(volumes, outside):
    await volumes.backup("plain")
    await volumes.restore("r", "plain", namespaceMapping={"shop": "copy"}, restorePVs=False)
    methods = {entry["restoreMethod"] for entry in outside.file("restores/r/r-volumeinfo.json.gz")}
    assert methods == {"PodVolumeRestore"}


async def test_moved_snapshots_keep_the_backup_waiting(volumes, outside):
    backup = await volumes.backup("moved", snapshotMoveData=True)
    assert "WaitingForPluginOperations" in volumes.phases("backups", "moved")
    assert backup["status"]["backupItemOperationsAttempted"] == backup["status"]["backupItemOperationsCompleted"] == 1
    assert "csiVolumeSnapshotsAttempted" not in backup["status"]
    [operation] = outside.file("backups/moved/moved-itemoperations.json.gz")
    assert operation["status"]["phase"] == "Completed"
    info = infos(outside, "moved")["csi"]
    assert (info["snapshotDataMoved"], info["preserveLocalSnapshot"]) == (True, False)
    assert info["snapshotDataMovementInfo"]["uploaderType"] == "kopia"


async def test_large_volumes_show_their_bytes(volumes, velero):
    velero.settings = replace(velero.settings, pod_volume_seconds=20)
    await velero.stop()
    await velero.start()
    await volumes.backup("plain")
    [name] = [b["metadata"]["name"] for b in await volumes.all("podvolumebackups")]
    told = [x.object["status"].get("progress", {}).get("bytesDone") for x in volumes.seen("podvolumebackups", name)[2:]]
    assert told == [None, 1 << 28, 1 << 29, 3 << 28, 1 << 30, 1 << 30]


async def test_broken_policies_and_modifiers_are_told_not_crashed_on(volumes):
    await volumes.create("configmaps", "bad", data={"p.yaml": "{[ no yaml"})
    backup = await volumes.backup("b1", resourcePolicy={"kind": "configmap", "name": "bad"})
    assert "incompatible version number" in backup["status"]["validationErrors"][0]
    await volumes.backup("b2")
    restore = await volumes.restore("r", "b2", resourceModifier={"kind": "ConfigMap", "name": "bad"})
    assert "failed to decode yaml data into resource modifiers" in restore["status"]["validationErrors"][0]


async def test_mapping_to_an_impossible_namespace_is_one_error(volumes, outside):
    await volumes.backup("b")
    restore = await volumes.restore("r", "b", namespaceMapping={"shop": "Not_A_Name"})
    assert restore["status"]["phase"] == "PartiallyFailed"
    [error] = outside.restored("r")[0]["errors"]["velero"]
    assert error.startswith("error getting or creating namespace Not_A_Name: ")
