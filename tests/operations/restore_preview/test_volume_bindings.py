"""Predicts bindings of PVCs, new addresses, skipped hooks and terminating namespaces, as observed on a real cluster."""

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
def test_a_copied_pvc_whose_volume_is_retained_stays_pending(skipped):
    found = preview([CLAIM, volume()], [CLAIM, volume()], volumes=skipped, **MAPPED)
    (shown,) = found.pending
    assert shown.startswith("copy/data (volume `pv-data` belongs to shop/data; once it is released and free")
    assert any(
        line.startswith("PVCs that stay Pending: copy/data") and "--modifier" in line for line in found.summary()
    )
    assert found.phase == "Completed"


def test_a_retained_volume_still_belongs_to_its_deleted_pvc():
    found = preview([CLAIM, volume()], [volume(phase="Released")])
    assert found.pending == (
        "shop/data (volume `pv-data` still belongs to the deleted PVC: clear its spec.claimRef.uid, or delete it first)",
    )


def test_a_copied_pvc_binds_to_a_free_original_volume():
    found = preview([CLAIM, volume()], [volume(holder=None, phase="Available")], **MAPPED)
    assert found.original_volumes == ("copy/data (pv-data)",)
    assert any("bind to the original volume, not to a copy: copy/data" in line for line in found.summary())


def test_a_copied_pvc_binds_to_a_restored_original_volume():
    assert preview([CLAIM, volume()], **MAPPED).original_volumes == ("copy/data (pv-data)",)
    assert preview([CLAIM, volume()]).original_volumes == ()
    assert preview([CLAIM, volume()]).pending == ()


@pytest.mark.parametrize("spec", [{"includeClusterResources": False}, {"excludedResources": ["persistentvolumes"]}])
@pytest.mark.parametrize("reclaim", ["Retain", "Delete"])
def test_if_volumes_are_excluded_pvcs_name_the_original_volume(spec, reclaim):
    found = preview([CLAIM, volume(reclaim)], [CLAIM, volume(reclaim)], **MAPPED, **spec)
    assert found.pending[0].startswith("copy/data (volume `pv-data` belongs to shop/data")
    gone = preview([CLAIM, volume(reclaim)], **spec)
    assert gone.pending == ("shop/data (volume `pv-data` doesn't exist and isn't restored)",)


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
def test_a_pvc_with_a_new_volume_is_not_listed(backup, infos):
    found = preview(backup, [CLAIM, volume()], volumes=infos, **MAPPED)
    assert (found.pending, found.original_volumes) == ((), ())


def test_a_pvc_whose_volume_name_a_modifier_removes_is_not_listed():
    dropped = modifiers(
        rule({"groupResource": "persistentvolumeclaims"}, mergePatches=[{"patchData": '{"spec":{"volumeName":null}}'}])
    )
    assert preview([CLAIM, volume()], [CLAIM, volume()], modifiers=dropped, **MAPPED).pending == ()


def test_unreadable_volumes_make_the_prediction_uncertain():
    found = preview([CLAIM, volume()], unread=["persistentvolumes"], **MAPPED)
    assert found.pending == ()
    assert "whether volume `pv-data` of PVC copy/data is free" in found.unpredictable


def test_the_data_of_a_terminating_pvc_is_lost():
    found = preview([CLAIM, volume()], [leaving(CLAIM), volume()])
    assert [(one.name, one.is_restored, one.why) for one in found.volume_outcomes] == [
        ("shop/data", False, "the PVC is being deleted and isn't restored, so its data is lost")
    ]
    files = saved({**SKIPPED, "skipped": False, "backupMethod": "PodVolumeBackup", "result": "succeeded"})
    assert not preview([CLAIM, volume()], [leaving(CLAIM), volume()], volumes=files).volume_outcomes[0].is_restored
    assert found.rows_with(Fate.TERMINATING)


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
    assert preview([service]).new_addresses == ((f"shop/web ({anew})",) if anew else ())
    assert preview([service], [service]).new_addresses == ()


def test_preserved_node_ports_are_not_new():
    service = thing("Service", "web", spec={"clusterIP": "10.0.0.7", "ports": [{"port": 80, "nodePort": 30080}]})
    assert preview([service], preserveNodePorts=True).new_addresses == ("shop/web (cluster IP)",)


# hooks


@pytest.mark.parametrize(
    ("names", "idle"), [(["shop"], ("greet (names shop)",)), (["copy"], ()), (["c*"], ()), (["*"], ()), ([], ())]
)
def test_hooks_are_matched_with_the_target_namespace(names, idle):
    hooks = {"resources": [{"name": "greet", "includedNamespaces": names, "postHooks": [{"exec": {"command": ["x"]}}]}]}
    assert preview([thing("Pod", "web", spec={})], hooks=hooks, **MAPPED).skipped_hooks == idle


def test_hooks_of_pods_are_listed_with_the_target_namespace():
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
def test_a_restore_into_a_terminating_namespace_is_refused(spec, refused):
    found = list(terminating_guards(spec, SOURCE, known(GOING)))
    assert [(guard.code, guard.level) for guard in found] == ([(TERMINATING, Level.REFUSE)] if refused else [])
    assert all("Namespace `copy` is being deleted" in guard.text for guard in found)


def test_without_contents_the_command_decides_about_target_namespaces():
    spec = {**MAPPED, "includedNamespaces": ["shop"]}
    assert list(terminating_guards(spec, BackupFacts({}, None), known(GOING)))
    alive = {"metadata": {"name": "copy"}, "status": {"phase": "Active"}}
    assert not list(terminating_guards(spec, BackupFacts({}, None), known(alive)))
    marked = {"metadata": {"name": "copy", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    assert list(terminating_guards(spec, BackupFacts({}, None), known(marked)))
