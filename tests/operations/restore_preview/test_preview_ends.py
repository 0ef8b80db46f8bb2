"""Predicts how a restore ends: refused Services, volume data, waiting and errors, as observed on a real cluster."""

import json

import pytest
import yaml

from operations.restore_preview.live_index import LiveIndex
from operations.restore_preview.modifiers import parse_modifiers
from operations.restore_preview.preview import Fate
from operations.restore_preview.volume_claims import NodeAgent
from tests.operations.restore_preview.archives import preview, thing
from velero.artifacts.volumes import volumes_of


def fates(found):
    return {(row.kind, row.name): row.fate for row in found.rows}


def why(found, name):
    return next(row.why for row in found.rows if row.name == name)


# node ports


def service(*ports, owned=(), applied=None, **spec):
    fields = {f'k:{{"port":{port},"protocol":"TCP"}}': {"f:nodePort": {}} for port in owned}
    metadata = {"managedFields": [{"fieldsV1": {"f:spec": {"f:ports": fields}}}]}
    if applied is not None:
        body = json.dumps({"spec": {"ports": applied}})
        metadata["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": body}
    return thing("Service", "web", spec={"ports": list(ports), **spec}, metadata=metadata)


HTTP = {"name": "http", "port": 80, "protocol": "TCP", "nodePort": 30080}
AUTO = {"name": "auto", "port": 81, "protocol": "TCP", "nodePort": 31000}


@pytest.mark.parametrize(
    ("saved", "spec", "refused"),
    [
        (service(HTTP, AUTO, owned=[80]), {}, {30080}),
        (service(HTTP, AUTO, owned=[80]), {"preserveNodePorts": True}, {30080, 31000}),
        (service(HTTP, AUTO), {}, set()),
        (service(HTTP, AUTO, applied=[{"name": "http", "nodePort": 30080}]), {}, {30080}),
        (service(HTTP, AUTO, applied=[{"name": "http"}], owned=[80]), {}, set()),
        (service({"port": 80, "nodePort": 30080}, applied=[{"port": 80, "nodePort": 30080}]), {}, {30080}),
    ],
)
def test_a_node_port_that_the_author_chose_is_restored_and_may_be_in_use(saved, spec, refused):
    found = preview([saved], ports={30080: "shop/other", 31000: "shop/another"}, **spec)
    assert fates(found)["Service", "web"] is (Fate.REFUSED if refused else Fate.NEW)
    assert {port for port in (30080, 31000) if str(port) in why(found, "web")} == refused
    assert found.phase == ("PartiallyFailed" if refused else "Completed")


def test_free_node_ports_are_no_error():
    found = preview([service(HTTP, owned=[80])], ports={})
    assert found.errors == ()
    assert found.impact == {"Service shop/web new"}


def test_an_existing_service_does_not_conflict_with_itself():
    found = preview([service(HTTP, owned=[80])], [service(HTTP)], ports={30080: "shop/web"})
    assert fates(found) == {("Service", "web"): Fate.UNCHANGED}


def test_unreadable_services_make_the_prediction_uncertain():
    found = preview([service(HTTP, owned=[80])], ports=None)
    assert found.phase == "Completed"
    assert any(line.startswith("Can't be predicted: whether the node ports") for line in found.summary())


def test_a_chosen_port_that_differs_is_a_difference():
    moved = service({**HTTP, "nodePort": 30099})
    assert fates(preview([service(HTTP, owned=[80])], [moved]))["Service", "web"] is Fate.KEPT
    assert fates(preview([service(HTTP)], [moved]))["Service", "web"] is Fate.UNCHANGED


# volumes


def info(name, method, **more):
    one = {
        "pvcName": name,
        "pvcNamespace": "shop",
        "pvName": f"pv-{name}",
        "backupMethod": method,
        "result": "succeeded",
    }
    return one | more


def by_files(name, pod="web"):
    return info(name, "PodVolumeBackup", pvbInfo={"podName": pod, "podNamespace": "shop", "volumeName": name})


def volumes(*infos):
    return volumes_of(json.dumps(list(infos)).encode())


CLAIM = thing("PersistentVolumeClaim", "data", spec={"volumeName": "pv-data"}, status={"phase": "Bound"})
POD = thing("Pod", "web", spec={"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]})


def volume(reclaim="Retain", **spec):
    holder = {"namespace": "shop", "name": "data"}
    return thing(
        "PersistentVolume", "pv-data", spec={"claimRef": holder, "persistentVolumeReclaimPolicy": reclaim, **spec}
    )


FILES = volumes(by_files("data"))
SNAPSHOT = volumes(info("data", "NativeSnapshot"))


def back(found):
    return {claim.name: (claim.is_restored, claim.overwrites) for claim in found.volume_outcomes}


def test_files_are_restored_with_a_created_pod():
    found = preview([CLAIM, POD], volumes=FILES, agent=NodeAgent.PRESENT)
    assert back(found) == {"shop/data": (True, False)}
    assert "Volume shop/data restored" in found.impact


def test_files_in_an_existing_pvc_are_overwritten():
    found = preview([CLAIM, POD], [CLAIM], volumes=FILES)
    assert back(found) == {"shop/data": (True, True)}
    assert any(line == "⚠️ Files overwritten in existing volumes: shop/data." for line in found.summary())


@pytest.mark.parametrize(
    ("saved", "live", "spec", "reason"),
    [
        ([CLAIM, POD], [POD], {}, "pod shop/web exists"),
        ([CLAIM], [], {}, "only with pod `web`"),
        ([CLAIM, POD], [], {"excludedResources": ["persistentvolumes"]}, "excluded from this restore"),
    ],
)
def test_without_a_created_pod_files_are_not_restored(saved, live, spec, reason):
    found = preview(saved, live, volumes=FILES, **spec)
    assert back(found)["shop/data"] == (False, False)
    assert reason in found.volume_outcomes[0].why


def test_restore_volumes_false_excludes_only_snapshots():
    assert back(preview([CLAIM, POD], volumes=FILES, restorePVs=False)) == {"shop/data": (True, False)}
    assert back(preview([CLAIM, POD], volumes=SNAPSHOT, restorePVs=False)) == {"shop/data": (False, False)}


def test_without_the_node_agent_the_restore_fails():
    found = preview([CLAIM, POD], volumes=FILES, agent=NodeAgent.MISSING)
    assert back(found) == {"shop/data": (False, False)}
    assert found.phase == "PartiallyFailed"
    assert "pod shop/web" in found.errors[0]


def test_volumes_without_a_pvc_are_named_by_their_pod():
    scratch = {"podName": "web", "podNamespace": "shop", "volumeName": "scratch"}
    found = preview(
        [POD], volumes=volumes({"backupMethod": "PodVolumeBackup", "result": "succeeded", "pvbInfo": scratch})
    )
    assert back(found) == {"shop/web:scratch": (True, False)}


def test_volumes_that_are_provisioned_again_are_excluded():
    assert fates(preview([CLAIM, volume()], volumes=FILES))["PersistentVolume", "pv-data"] is Fate.EXCLUDED
    assert fates(preview([CLAIM, volume("Delete")]))["PersistentVolume", "pv-data"] is Fate.EXCLUDED
    assert fates(preview([CLAIM, volume()]))["PersistentVolume", "pv-data"] is Fate.NEW
    assert fates(preview([CLAIM, volume("Delete")], volumes=SNAPSHOT))["PersistentVolume", "pv-data"] is Fate.NEW


@pytest.mark.parametrize(("storage", "classes"), [("", frozenset()), ("fast", frozenset({"slow"}))])
def test_a_pvc_without_a_provisioner_is_an_error(storage, classes):
    claim = {**CLAIM, "spec": {**CLAIM["spec"], "storageClassName": storage}}
    found = preview([claim, POD], volumes=FILES, classes=classes)
    assert "stays Pending" in found.errors[0]
    assert preview([claim, POD], volumes=SNAPSHOT, classes=classes).errors == ()


# existing volumes


def test_a_copied_volume_gets_another_name():
    found = preview([CLAIM, volume()], [CLAIM, volume()], volumes=SNAPSHOT, namespaceMapping={"shop": "copy"})
    assert why(found, "pv-data").startswith("under a new name")
    assert back(found) == {"copy/data": (True, False)}


def test_an_existing_bound_volume_is_unchanged():
    found = preview([CLAIM, volume()], [volume(), CLAIM], volumes=SNAPSHOT)
    assert found.blockers == ()
    assert fates(found)["PersistentVolume", "pv-data"] is Fate.UNCHANGED


def leaving(item):
    return {**item, "metadata": {**item["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}


@pytest.mark.parametrize(
    ("live", "reason"),
    [
        ([leaving(volume()), CLAIM], "it's being deleted or was released"),
        ([{**volume(), "status": {"phase": "Released"}}, CLAIM], "it's being deleted or was released"),
        ([volume()], "its PVC shop/data no longer exists"),
        ([volume(), leaving(CLAIM)], "its PVC shop/data is being deleted"),
    ],
)
def test_the_restore_waits_for_a_volume_that_is_being_deleted(live, reason):
    found = preview([CLAIM, volume()], live, volumes=SNAPSHOT)
    assert found.blockers == (f"PersistentVolume pv-data ({reason})",)
    assert fates(found)["PersistentVolume", "pv-data"] is Fate.NEW
    assert any("Its phase stays InProgress: PersistentVolume pv-data" in line for line in found.summary())


def test_a_terminating_namespace_is_listed_and_created_again():
    saved = thing("ConfigMap", "settings", data={})
    found = preview([saved], [saved, leaving(thing("Namespace", "shop"))], spaces=())
    assert found.terminating == ("shop",)
    assert found.impact == {"ConfigMap shop/settings new", "Namespace shop new"}


def test_a_terminating_object_counts_as_existing():
    saved = thing("ConfigMap", "settings", data={})
    found = preview([saved], [leaving(saved)])
    assert fates(found) == {("ConfigMap", "settings"): Fate.TERMINATING}
    assert "doesn't restore it" in found.summary()[0]


# objects that are restored along with others


def test_a_selector_includes_the_pvcs_of_its_pods_and_their_volumes():
    chosen = thing("Pod", "web", labels={"app": "web"}, spec=POD["spec"])
    other = thing("PersistentVolumeClaim", "other", spec={})
    selector = {"matchLabels": {"app": "web"}}
    found = preview([chosen, CLAIM, other, volume()], labelSelector=selector)
    assert set(fates(found)) == {
        ("Pod", "web"),
        ("PersistentVolumeClaim", "data"),
        ("PersistentVolume", "pv-data"),
    }


def test_volumes_are_restored_with_their_pvcs():
    named = {"includedNamespaces": ["shop"]}
    assert ("PersistentVolume", "pv-data") in fates(preview([CLAIM, volume()], **named))
    assert ("PersistentVolume", "pv-data") not in fates(
        preview([CLAIM, volume()], includeClusterResources=False, **named)
    )


def test_missing_target_namespaces_are_created():
    found = preview([thing("ConfigMap", "settings", data={})], namespaceMapping={"shop": "new"})
    assert fates(found)["Namespace", "new"] is Fate.NEW
    empty = thing("Namespace", "empty")
    assert ("Namespace", "empty") in fates(preview([empty]))
    assert fates(preview([empty], includedNamespaces=["empty"])) == {}
    assert preview([empty], includedNamespaces=["empty"]).summary() == ("Nothing in the backup is selected.",)


# kinds with special rules


def test_service_accounts_are_merged_under_every_policy():
    saved = thing("ServiceAccount", "web", labels={"a": "1"}, imagePullSecrets=[{"name": "ours"}])
    live = thing("ServiceAccount", "web", labels={"a": "2"}, imagePullSecrets=[{"name": "theirs"}])
    found = preview([saved], [live])
    assert fates(found) == {("ServiceAccount", "web"): Fate.CHANGED}
    assert found.rows[0].fields == ("imagePullSecrets",)
    richer = {**live, "imagePullSecrets": [{"name": "theirs"}, {"name": "ours"}]}
    kept = preview([saved], [richer], existingResourcePolicy="update").rows[0]
    assert (kept.fate, kept.is_warning) == (Fate.KEPT, False)


def test_tokens_of_service_accounts_are_excluded():
    marks = {"annotations": {"kubernetes.io/service-account.name": "web"}}
    token = thing("Secret", "web-token-abc", type="kubernetes.io/service-account-token", metadata=marks)
    assert fates(preview([token])) == {("Secret", "web-token-abc"): Fate.EXCLUDED}


def test_subjects_of_bindings_are_mapped():
    def binding(space, of):
        return thing("RoleBinding", "web", space, subjects=[{"kind": "ServiceAccount", "name": "web", "namespace": of}])

    found = preview([binding("shop", "shop")], [binding("copy", "copy")], namespaceMapping={"shop": "copy"})
    assert fates(found) == {("RoleBinding", "web"): Fate.UNCHANGED}


@pytest.mark.parametrize(
    ("saved", "live", "fate"),
    [
        ({"immutable": True, "data": {"a": "1"}}, {"data": {"a": "2"}}, Fate.CHANGED),
        ({"data": {"a": "1"}}, {"immutable": True, "data": {"a": "2"}}, Fate.IMMUTABLE),
    ],
)
def test_only_the_live_object_decides_about_immutability(saved, live, fate):
    found = preview([thing("Secret", "x", **saved)], [thing("Secret", "x", **live)], existingResourcePolicy="update")
    assert fates(found) == {("Secret", "x"): fate}


@pytest.mark.parametrize(
    ("kind", "saved", "live", "fate"),
    [
        ("StatefulSet", {"spec": {"replicas": 1}}, {"spec": {"replicas": 2}}, Fate.CHANGED),
        ("StatefulSet", {"spec": {"serviceName": "a"}}, {"spec": {"serviceName": "b"}}, Fate.IMMUTABLE),
        ("Deployment", {"spec": {"selector": {"a": "1"}}}, {"spec": {"selector": {"a": "2"}}}, Fate.IMMUTABLE),
        ("RoleBinding", {"roleRef": {"name": "a"}}, {"roleRef": {"name": "b"}}, Fate.IMMUTABLE),
        ("Pod", {"labels": {"a": "1"}}, {"spec": {"nodeName": "n1"}}, Fate.IMMUTABLE),
        ("Pod", {"labels": {"a": "1"}}, {"spec": {}}, Fate.CHANGED),
    ],
)
def test_immutable_fields(kind, saved, live, fate):
    found = preview([thing(kind, "x", **saved)], [thing(kind, "x", **live)], existingResourcePolicy="update")
    assert fates(found) == {(kind, "x"): fate}


# phase, errors and warnings


def modifiers(*rules):
    return parse_modifiers({"rules.yaml": yaml.safe_dump({"version": "v1", "resourceModifierRules": list(rules)})})


RESIZE = {
    "conditions": {"groupResource": "configmaps", "namespaces": ["shop"]},
    "patches": [{"operation": "replace", "path": "/data/size", "value": '"8"'}],
}


def test_a_modified_object_is_compared_after_the_modification():
    saved = thing("ConfigMap", "settings", data={"size": "7"})
    found = preview([saved], [saved], modifiers=modifiers(RESIZE), existingResourcePolicy="update")
    assert (found.rows[0].fate, found.rows[0].fields) == (Fate.CHANGED, ("data.size",))
    there = thing("ConfigMap", "settings", "copy", data={"size": "8"})
    copied = preview([saved], [there], modifiers=modifiers(RESIZE), namespaceMapping={"shop": "copy"})
    assert copied.rows[0].fate is Fate.UNCHANGED
    assert any("resource modifiers: ConfigMap shop/settings" in line for line in found.summary())


def test_a_failing_modifier_is_an_error():
    found = preview([thing("ConfigMap", "settings", data={})], modifiers=modifiers(RESIZE))
    assert fates(found)["ConfigMap", "settings"] is Fate.NEW
    assert found.phase == "PartiallyFailed"
    assert "ConfigMap shop/settings: rule 1" in found.errors[0]


def test_an_api_version_that_is_not_served_is_an_error():
    found = preview([thing("Theme", "dark", spec={})])
    assert found.phase == "PartiallyFailed"
    assert found.summary()[-1] == "The restore would end PartiallyFailed: Theme shop/dark: not served."


def test_warnings_do_not_make_the_restore_fail():
    saved, live = thing("ConfigMap", "a", data={"x": "1"}), thing("ConfigMap", "a", data={"x": "2"})
    found = preview([saved], [live])
    assert found.phase == "Completed"
    assert found.summary()[-1] == "Velero will report at least 1 warning. Warnings don't make a restore fail."


HOOKS = {
    "resources": [{"name": "greet", "postHooks": [{"init": {"initContainers": [{}]}}, {"exec": {"command": ["x"]}}]}]
}


def test_hooks_of_the_restore_are_listed_with_their_types():
    assert preview([POD], hooks=HOOKS).hooks == ("greet (init, exec)",)


def test_hooks_of_existing_pods_do_not_run():
    notes = {"annotations": {"post.hook.restore.velero.io/command": '["/migrate"]'}}
    pod = thing("Pod", "web", spec={}, metadata=notes)
    assert len(preview([pod]).hooks) == 1
    assert preview([pod], [pod]).hooks == ()


def test_the_index_is_sent_without_the_names_of_requested_objects():
    index = LiveIndex({("configmaps", "shop", f"m-{n}") for n in range(1_000)} | {("persistentvolumes", "", "pv-1")})
    index.forget_requested_objects()
    assert index.wanted == {("persistentvolumes", "", "pv-1")}
