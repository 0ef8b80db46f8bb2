"""PVCs that name the original's volume, new addresses, and what is being deleted: as a real Velero was seen to do it."""

import json

import pytest

from commands.planning.facts import Facts
from commands.restore.guards import TERMINATING, terminating_guards
from domain.plan import Level
from operations.restore_preview.preview import Fate
from policy.cluster_facts import BackupFacts
from tests.operations.restore_preview.archives import preview, thing
from tests.operations.restore_preview.test_modifiers import modifiers, rule
from velero.artifacts.volumes import volumes_of

CLAIM = thing("PersistentVolumeClaim", "data", spec={"volumeName": "pv-data"}, status={"phase": "Bound"})
MAPPED = {"namespaceMapping": {"shop": "copy"}}
SKIPPED = {
    "pvcName": "data",
    "pvcNamespace": "shop",
    "pvName": "pv-data",
    "skipped": True,
    "skippedReason": "no snapshot",
}


def volume(reclaim="Retain", holder=("shop", "data"), phase="Bound"):
    spec = {"persistentVolumeReclaimPolicy": reclaim}
    if holder:
        spec["claimRef"] = {"namespace": holder[0], "name": holder[1], "uid": "u1"}
    return thing("PersistentVolume", "pv-data", spec=spec, status={"phase": phase})


def leaving(item):
    return {**item, "metadata": {**item["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}


def saved(*infos):
    return volumes_of(json.dumps(list(infos)).encode())


@pytest.mark.parametrize("skipped", [(), saved(SKIPPED)])
def test_a_copy_of_a_claim_whose_volume_is_kept_stays_pending(skipped):
    found = preview([CLAIM, volume()], [CLAIM, volume()], volumes=skipped, **MAPPED)
    (told,) = found.pending
    assert told.startswith("copy/data (volume pv-data belongs to shop/data, and would be taken over once")
    assert any(
        line.startswith("PVCs that stay Pending: copy/data") and "--modifier" in line for line in found.summary()
    )
    assert found.phase == "Completed"


def test_after_the_claim_was_deleted_its_kept_volume_still_belongs_to_it():
    found = preview([CLAIM, volume()], [volume(phase="Released")])
    assert found.pending == (
        "shop/data (volume pv-data still belongs to the deleted PVC: clear its spec.claimRef.uid, or delete it first)",
    )


def test_a_volume_that_is_there_and_free_is_the_originals_own():
    found = preview([CLAIM, volume()], [volume(holder=None, phase="Available")], **MAPPED)
    assert found.originals == ("copy/data (pv-data)",)
    assert any("take the original volume itself, not a copy: copy/data" in line for line in found.summary())


def test_so_is_one_that_comes_back_as_it_was():
    assert preview([CLAIM, volume()], **MAPPED).originals == ("copy/data (pv-data)",)
    assert preview([CLAIM, volume()]).originals == ()
    assert preview([CLAIM, volume()]).pending == ()


@pytest.mark.parametrize("spec", [{"includeClusterResources": False}, {"excludedResources": ["persistentvolumes"]}])
@pytest.mark.parametrize("reclaim", ["Retain", "Delete"])
def test_without_the_volumes_of_the_backup_every_claim_names_the_originals(spec, reclaim):
    found = preview([CLAIM, volume(reclaim)], [CLAIM, volume(reclaim)], **MAPPED, **spec)
    assert found.pending[0].startswith("copy/data (volume pv-data belongs to shop/data")
    gone = preview([CLAIM, volume(reclaim)], **spec)
    assert gone.pending == ("shop/data (volume pv-data doesn't exist and isn't restored)",)


@pytest.mark.parametrize(
    ("backup", "infos"),
    [
        ([CLAIM, volume("Delete")], ()),
        (
            [CLAIM, volume()],
            saved({**SKIPPED, "skipped": False, "backupMethod": "NativeSnapshot", "result": "succeeded"}),
        ),
        ([CLAIM, volume()], saved({**SKIPPED, "skipped": False, "backupMethod": "CSISnapshot", "result": "succeeded"})),
    ],
)
def test_a_claim_that_gets_a_volume_of_its_own_is_not_named(backup, infos):
    found = preview(backup, [CLAIM, volume()], volumes=infos, **MAPPED)
    assert (found.pending, found.originals) == ((), ())


def test_nor_one_whose_volume_a_modifier_drops():
    dropped = modifiers(
        rule({"groupResource": "persistentvolumeclaims"}, mergePatches=[{"patchData": '{"spec":{"volumeName":null}}'}])
    )
    assert preview([CLAIM, volume()], [CLAIM, volume()], modifiers=dropped, **MAPPED).pending == ()


def test_where_volumes_may_not_be_read_it_says_that_it_is_not_sure():
    found = preview([CLAIM, volume()], unread=["persistentvolumes"], **MAPPED)
    assert found.pending == ()
    assert "whether volume pv-data of PVC copy/data is free" in found.unsure


def test_of_a_claim_that_is_being_deleted_nothing_is_left():
    found = preview([CLAIM, volume()], [leaving(CLAIM), volume()])
    assert [(one.shown, one.comes_back, one.why) for one in found.claims] == [
        ("shop/data", False, "it is being deleted and is not restored, so nothing of it is left")
    ]
    files = saved({**SKIPPED, "skipped": False, "backupMethod": "PodVolumeBackup", "result": "succeeded"})
    assert not preview([CLAIM, volume()], [leaving(CLAIM), volume()], volumes=files).claims[0].comes_back
    assert found.rows_with(Fate.GOING)


# addresses


@pytest.mark.parametrize(
    ("spec", "anew"),
    [
        ({"clusterIP": "10.0.0.7", "ports": [{"port": 80}]}, "cluster IP"),
        ({"clusterIP": "None"}, ""),
        ({"type": "ExternalName", "externalName": "example.com"}, ""),
        (
            {"type": "NodePort", "clusterIP": "10.0.0.7", "ports": [{"port": 80, "nodePort": 30080}]},
            "cluster IP, node ports",
        ),
        (
            {"type": "LoadBalancer", "clusterIP": "10.0.0.7", "ports": [{"port": 80, "nodePort": 30080}]},
            "cluster IP, node ports, load balancer",
        ),
    ],
)
def test_a_new_service_gets_new_addresses(spec, anew):
    service = thing("Service", "web", spec=spec)
    assert preview([service]).addresses == ((f"shop/web ({anew})",) if anew else ())
    assert preview([service], [service]).addresses == ()


def test_node_ports_that_are_kept_are_not_new():
    service = thing("Service", "web", spec={"clusterIP": "10.0.0.7", "ports": [{"port": 80, "nodePort": 30080}]})
    assert preview([service], preserveNodePorts=True).addresses == ("shop/web (cluster IP)",)


# hooks


@pytest.mark.parametrize(
    ("names", "idle"), [(["shop"], ("greet (it names shop)",)), (["copy"], ()), (["c*"], ()), (["*"], ()), ([], ())]
)
def test_hooks_go_by_the_target_namespace(names, idle):
    hooks = {"resources": [{"name": "greet", "includedNamespaces": names, "postHooks": [{"exec": {"command": ["x"]}}]}]}
    assert preview([thing("Pod", "web", spec={})], hooks=hooks, **MAPPED).idle_hooks == idle


def test_hooks_of_pods_are_told_where_they_run():
    notes = {"annotations": {"post.hook.restore.velero.io/command": '["/migrate"]'}}
    assert preview([thing("Pod", "web", spec={}, metadata=notes)], **MAPPED).hooks == ('copy/web: ["/migrate"]',)


# namespaces that are being deleted

GOING = {"metadata": {"name": "copy"}, "status": {"phase": "Terminating"}}
SOURCE = BackupFacts({"metadata": {"name": "nightly"}}, {"v1/ConfigMap": ["shop/settings", "billing/settings"]})


def known(*spaces):
    return Facts(objects={"namespaces": {space["metadata"]["name"]: space for space in spaces}})


@pytest.mark.parametrize(
    ("spec", "refused"),
    [
        (MAPPED, True),
        ({**MAPPED, "includedNamespaces": ["sh*"]}, True),
        ({**MAPPED, "includedNamespaces": ["billing"]}, False),
        ({**MAPPED, "excludedNamespaces": ["shop"]}, False),
        ({}, False),
    ],
)
def test_a_restore_into_a_namespace_that_is_being_deleted_is_refused(spec, refused):
    found = list(terminating_guards(spec, SOURCE, known(GOING)))
    assert [(guard.code, guard.level) for guard in found] == ([(TERMINATING, Level.REFUSE)] if refused else [])
    assert all("Namespace copy is being deleted" in guard.text for guard in found)


def test_also_where_only_the_command_says_what_is_in_the_backup():
    spec = {**MAPPED, "includedNamespaces": ["shop"]}
    assert list(terminating_guards(spec, BackupFacts({}, None), known(GOING)))
    alive = {"metadata": {"name": "copy"}, "status": {"phase": "Active"}}
    assert not list(terminating_guards(spec, BackupFacts({}, None), known(alive)))
    marked = {"metadata": {"name": "copy", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    assert list(terminating_guards(spec, BackupFacts({}, None), known(marked)))
