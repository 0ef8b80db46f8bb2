"""Restores, kind by kind; volumes on their way back, and kinds that are gone. Seen on a real Velero in tests/e2e/product."""

import pytest

from tests.sandbox.velero.test_scenario_restores import actions

DISK = {"awsElasticBlockStore": {"volumeID": "vol-1"}, "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}


@pytest.fixture
async def disk(world):
    """A claim on a disk that snapshots are taken of."""
    await world.create("volumesnapshotlocations", "cloud", {"provider": "aws"})
    holder = {"namespace": "shop", "name": "data"}
    spec = {**DISK, "claimRef": holder, "persistentVolumeReclaimPolicy": "Delete"}
    await world.create("persistentvolumes", "pv-data", spec, namespace=None)
    await world.create("persistentvolumeclaims", "data", {"volumeName": "pv-data"}, namespace="shop")
    await world.backup("b")
    return world


async def test_the_volume_of_a_copy_gets_another_name(disk, outside):
    await disk.restore("r", "b", namespaceMapping={"shop": "copy"}, includedNamespaces=["shop"])
    [listed] = outside.restored("r")[1]["v1/PersistentVolume"]
    assert listed.startswith("velero-clone-")
    made = await disk.get("persistentvolumes", listed.removesuffix("(created)"), None)
    assert made["metadata"]["annotations"]["velero.io/original-pv-name"] == "pv-data"
    assert made["spec"]["claimRef"]["namespace"] == "copy"


@pytest.mark.parametrize("why", ["released", "going"])
async def test_a_volume_on_its_way_out_is_waited_for(disk, why):
    if why == "released":
        await disk.patch("persistentvolumes", "pv-data", {"status": {"phase": "Released"}}, None)
    else:
        await disk.patch("persistentvolumes", "pv-data", {"metadata": {"finalizers": ["example.org/last"]}}, None)
        await disk.delete("persistentvolumes", "pv-data", None)
    await disk.create("restores", "r", {"backupName": "b"})
    await disk.pause(30)
    assert disk.phases("restores", "r")[-1] == "InProgress"
    if why == "released":
        await disk.delete("persistentvolumes", "pv-data", None)
    else:
        await disk.patch("persistentvolumes", "pv-data", {"metadata": {"finalizers": None}}, None)
    assert (await disk.ended("restores", "r"))["status"]["phase"] == "Completed"


async def test_a_volume_that_is_claimed_holds_nothing_up(disk, outside):
    await disk.restore("r", "b")
    assert actions(outside.restored("r")[1])["PersistentVolume:pv-data"] in {"skipped", "failed"}


async def test_volumes_follow_a_selected_claim_unless_cluster_resources_are_left_out(disk, outside):
    await disk.restore("with", "b", includedNamespaces=["shop"])
    assert "v1/PersistentVolume" in outside.restored("with")[1]
    await disk.restore("without", "b", includedNamespaces=["shop"], includeClusterResources=False)
    assert "v1/PersistentVolume" not in outside.restored("without")[1]


CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}


async def test_a_selected_pod_brings_its_claims(world, outside):
    await world.create("persistentvolumeclaims", "mine", CLAIM, namespace="shop")
    await world.create("persistentvolumeclaims", "other", CLAIM, namespace="shop")
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "mine"}}
    spec = {"containers": [{"name": "web", "image": "web:1"}], "volumes": [volume]}
    await world.create("pods", "one", spec, namespace="shop", metadata={"labels": {"app": "one"}})
    await world.backup("b")
    selector = {"matchLabels": {"app": "one"}}
    await world.restore("r", "b", labelSelector=selector, namespaceMapping={"shop": "sel"})
    assert actions(outside.restored("r")[1]) == {
        "Namespace:sel": "created",
        "Pod:one": "created",
        "PersistentVolumeClaim:mine": "created",
    }


async def test_bindings_go_where_their_subjects_go(world):
    subject = {"kind": "ServiceAccount", "name": "web", "namespace": "shop"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "web"}
    await world.create("rolebindings", "web", namespace="shop", subjects=[subject], roleRef=role)
    await world.backup("b")
    await world.restore("r", "b", namespaceMapping={"shop": "copy"})
    found = await world.get("rolebindings", "web", "copy")
    assert found["subjects"] == [{**subject, "namespace": "copy"}]


async def test_service_accounts_gain_labels_and_keep_their_own(world, outside):
    await world.create("serviceaccounts", "web", namespace="shop", metadata={"labels": {"a": "1", "b": "1"}})
    await world.backup("b")
    await world.patch("serviceaccounts", "web", {"metadata": {"labels": {"a": "2", "b": None}}}, "shop")
    await world.restore("r", "b")
    labels = (await world.get("serviceaccounts", "web", "shop"))["metadata"]["labels"]
    assert {key: labels[key] for key in ("a", "b")} == {"a": "2", "b": "1"}
    assert actions(outside.restored("r")[1])["ServiceAccount:web"] == "updated"


async def test_an_object_that_is_being_deleted_is_taken_as_there(world, outside):
    await world.backup("b")
    await world.patch("configmaps", "settings-0", {"metadata": {"finalizers": ["example.org/last"]}}, "shop")
    await world.delete("configmaps", "settings-0", "shop")
    await world.restore("r", "b")
    assert actions(outside.restored("r")[1])["ConfigMap:settings-0"] in {"skipped", "failed"}
    await world.patch("configmaps", "settings-0", {"metadata": {"finalizers": None}}, "shop")
    assert await world.get("configmaps", "settings-0", "shop") is None


async def test_tokens_of_service_accounts_are_left_out(world, outside):
    await world.create("serviceaccounts", "web", namespace="shop")
    kind = "kubernetes.io/service-account-token"
    notes = {"annotations": {"kubernetes.io/service-account.name": "web"}}
    await world.create("secrets", "web-token-abc", namespace="shop", type=kind, metadata=notes)
    await world.backup("b")
    await world.delete("secrets", "web-token-abc", "shop")
    await world.restore("r", "b")
    assert actions(outside.restored("r")[1])["Secret:web-token-abc"] == "skipped"
    assert await world.get("secrets", "web-token-abc", "shop") is None


async def test_a_kind_that_is_served_no_more_is_an_error(world, outside):
    names = {"plural": "themes", "kind": "Theme", "singular": "theme", "listKind": "ThemeList"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    definition = {"group": "blog.example.com", "names": names, "scope": "Namespaced", "versions": [version]}
    await world.create("customresourcedefinitions", "themes.blog.example.com", definition, namespace=None)
    await world.create("themes", "dark", {"color": "black"}, namespace="shop")
    await world.backup("b")
    await world.delete("customresourcedefinitions", "themes.blog.example.com", None)
    restore = await world.restore("r", "b", includedNamespaces=["shop"])
    results, listed = outside.restored("r")
    said = "error restoring themes.blog.example.com/shop/dark: the server could not find the requested resource"
    assert results["errors"]["namespaces"]["shop"] == [said]
    assert actions(listed)["Theme:dark"] == "failed"
    assert restore["status"]["phase"] == "PartiallyFailed"


@pytest.mark.parametrize(
    ("reclaim", "spec", "kept"),
    [
        ("Retain", {}, "pv-keep"),
        ("Delete", {}, None),
        ("Delete", {"includeClusterResources": False}, "pv-keep"),
    ],
)
async def test_a_copied_claim_without_data_names_the_original_volume_unless_it_is_provisioned_anew(
    world, reclaim, spec, kept
):
    holder = {"namespace": "shop", "name": "keep"}
    disk = {**DISK, "claimRef": holder, "persistentVolumeReclaimPolicy": reclaim}
    await world.create("persistentvolumes", "pv-keep", disk, namespace=None)
    await world.create("persistentvolumeclaims", "keep", {"volumeName": "pv-keep"}, namespace="shop")
    await world.backup("b", snapshotVolumes=False)
    await world.restore("r", "b", namespaceMapping={"shop": "copy"}, includedNamespaces=["shop"], **spec)
    made = await world.get("persistentvolumeclaims", "keep", "copy")
    assert made["spec"].get("volumeName") == kept


async def test_a_namespace_that_stays_terminating_is_waited_for_once_per_kind(world, objects, outside):
    await world.backup("b")
    await world.create("namespaces", "copy", namespace=None)
    objects.collector.hold_namespaces = True
    await world.delete("namespaces", "copy", None)
    begun = world.now()
    await world.create("restores", "r", {"backupName": "b", "namespaceMapping": {"shop": "copy"}})
    ended = await world.ended("restores", "r", deadline=3_000)
    told = outside.restored("r")[0]["errors"]["velero"]
    text = "timed out waiting for terminating namespace copy to disappear before restoring: context deadline exceeded"
    assert told == [text] * len(told)
    assert len(told) >= 2  # ConfigMaps and the Deployment
    assert (world.now() - begun).total_seconds() >= 600 * len(told)
    assert ended["status"]["phase"] == "PartiallyFailed"
