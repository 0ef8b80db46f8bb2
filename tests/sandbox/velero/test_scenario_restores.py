"""Restores: order of the watch, each policy, mapping, modifiers, selection, and every reason not to start."""

import json

import pytest

DIFFERENT = "already exists. Warning: the in-cluster version is different than the backed-up version"


def actions(listed):
    """kind/name to what was done with it."""
    words = [
        (kind.rsplit("/", 1)[-1], entry.rstrip(")").partition("(")) for kind, many in listed.items() for entry in many
    ]
    return {f"{kind}:{name.rsplit('/', 1)[-1]}": action for kind, (name, _, action) in words}


async def test_life_of_a_restore(world):
    await world.backup("b")
    await world.restore("r", "b", namespaceMapping={"shop": "copy"})
    lines = world.seen("restores", "r")
    assert [(x.object["metadata"]["generation"], x.phase) for x in lines] == [
        (1, ""),
        (1, ""),
        (2, "InProgress"),
        (3, "InProgress"),
        (4, "Finalizing"),
        (5, "Finalizing"),
        (6, "Completed"),
    ]
    assert lines[1].object["metadata"]["finalizers"] == ["restores.velero.io/external-resources-finalizer"]
    assert [x.object["status"].get("hookStatus") for x in lines[4:6]] == [None, {}]
    assert lines[-1].object["status"]["progress"] == {"itemsRestored": 6, "totalItems": 6}


async def test_server_completes_the_spec(world):
    await world.create("schedules", "s1", {"schedule": "0 1 1 1 *", "template": {"includedNamespaces": ["shop"]}})
    await world.reaches("schedules", "s1", "Enabled")
    run = await world.runs_now("s1")
    await world.ended("backups", run)
    await world.create("restores", "r", {"scheduleName": "s1"})
    restore = await world.ended("restores", "r")
    assert restore["spec"]["backupName"] == run
    assert restore["spec"]["scheduleName"] == "s1"
    assert restore["spec"]["itemOperationTimeout"] == "4h0m0s"
    assert restore["spec"]["excludedResources"][0] == "nodes"
    assert len(restore["spec"]["excludedResources"]) == 9


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        (
            {"backupName": "gone"},
            'Error retrieving backup: can\'t find backup velero/gone: Backup.velero.io "gone" not found',
        ),
        ({}, "Either a backup or schedule must be specified as a source for the restore, but not both"),
        (
            {"backupName": "b", "scheduleName": "s"},
            "Either a backup or schedule must be specified as a source for the restore, but not both",
        ),
        (
            {"scheduleName": "nobody"},
            ("No backups found for schedule", "No completed backups found for schedule"),
        ),
        (
            {"backupName": "b", "includedResources": ["nodes"]},
            (
                "nodes are non-restorable resources",
                (
                    "Invalid included/excluded resource lists: "
                    "excludes list cannot contain an item in the includes list: nodes"
                ),
            ),
        ),
        ({"backupName": "b", "existingResourcePolicy": "replace"}, "Invalid ExistingResourcePolicy: replace"),
        (
            {"backupName": "b", "resourceModifier": {"kind": "ConfigMap", "name": "gone"}},
            "failed to get resource modifiers configmap velero/gone",
        ),
        (
            {"backupName": "b", "includedNamespaces": ["a"], "excludedNamespaces": ["a"]},
            "Invalid included/excluded namespace lists: excludes list cannot contain an item in the includes list: a",
        ),
    ],
)
async def test_failed_validation(world, spec, error):
    await world.backup("b")
    await world.create("restores", "bad", spec)
    restore = await world.ended("restores", "bad")
    errors = [error] if isinstance(error, str) else list(error)
    assert restore["status"] == {"phase": "FailedValidation", "validationErrors": errors}


async def test_schedule_without_a_completed_backup(world):
    labels = {"labels": {"velero.io/schedule-name": "s1"}}
    await world.create("backups", "half", {"includedNamespaces": ["gone"]}, metadata=labels)
    await world.ended("backups", "half")
    await world.create("restores", "r", {"scheduleName": "s1"})
    restore = await world.ended("restores", "r")
    assert restore["status"]["validationErrors"] == ["No completed backups found for schedule"]


async def test_from_a_schedule_the_newest_completed_is_taken(world):
    labels = {"labels": {"velero.io/schedule-name": "s1"}}
    for name, namespaces in (("old", ["shop"]), ("new", ["shop"]), ("half", ["shop", "gone"])):
        await world.create("backups", name, {"includedNamespaces": namespaces}, metadata=labels)
        await world.ended("backups", name)
        await world.pause(2)
    await world.create("restores", "r", {"scheduleName": "s1"})
    assert (await world.ended("restores", "r"))["spec"]["backupName"] == "new"


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ("version: v2", "unsupported resource modifier version v2"),
        ("version: v1", "resource modifier rules cannot be empty"),
        ("version: v1\nresourceModifierRules: [{conditions: {}}]", "groupkResource cannot be empty"),
        (
            "version: v1\nresourceModifierRules: [{conditions: {groupResource: pods}, patches: [{path: /a}]}]",
            "operation cannot be empty",
        ),
    ],
)
async def test_faulty_modifiers(world, document, error):
    await world.backup("b")
    await world.create("configmaps", "mods", data={"m.yaml": document})
    restore = await world.restore("r", "b", resourceModifier={"kind": "ConfigMap", "name": "mods"})
    assert restore["status"]["validationErrors"] == [
        f"Validation error in resource modifiers provided in configmap velero/mods: {error}"
    ]


async def test_unchanged_objects_are_skipped_and_count_as_restored(world, outside):
    await world.backup("b")
    restore = await world.restore("r", "b")
    _, listed = outside.restored("r")
    assert set(actions(listed).values()) == {"skipped"}
    assert restore["status"]["progress"] == {"itemsRestored": 5, "totalItems": 5}
    assert restore["status"]["phase"] == "Completed"


async def test_deleted_namespace_comes_back_marked(world, outside):
    await world.backup("b")
    await world.vanish("shop")
    await world.restore("r", "b")
    _, listed = outside.restored("r")
    assert actions(listed)["Namespace:shop"] == actions(listed)["ConfigMap:settings-0"] == "created"
    labels = (await world.get("configmaps", "settings-0", "shop"))["metadata"]["labels"]
    assert labels == {"velero.io/backup-name": "b", "velero.io/restore-name": "r"}


async def changed(world):
    await world.backup("b")
    await world.patch("configmaps", "settings-0", {"data": {"color": "red", "extra": "1"}}, "shop")
    await world.patch("deployments", "web", {"spec": {"replicas": 5}}, "shop")
    await world.delete("configmaps", "settings-1", "shop")


async def test_no_policy_leaves_what_differs_and_warns(world, outside):
    await changed(world)
    restore = await world.restore("r", "b")
    results, listed = outside.restored("r")
    assert results["warnings"]["namespaces"]["shop"] == [
        f"could not restore, ConfigMap:settings-0 {DIFFERENT}",
        f"could not restore, Deployment:web {DIFFERENT}",
    ]
    assert actions(listed) == {
        "Deployment:web": "failed",
        "ConfigMap:settings-0": "failed",
        "ConfigMap:settings-1": "created",
        "ConfigMap:settings-2": "skipped",
        "ConfigMap:settings-3": "skipped",
    }
    assert (restore["status"]["phase"], restore["status"]["warnings"]) == ("Completed", 2)
    assert "errors" not in restore["status"]


async def test_policy_none_says_it_in_quotes(world, outside):
    await changed(world)
    await world.restore("r", "b", existingResourcePolicy="none")
    results, _ = outside.restored("r")
    assert results["warnings"]["namespaces"]["shop"][0] == f'could not restore, ConfigMap "settings-0" {DIFFERENT}'


async def test_policy_update_puts_back_and_removes_what_was_added(world, outside):
    await changed(world)
    restore = await world.restore("r", "b", existingResourcePolicy="update")
    _, listed = outside.restored("r")
    assert (await world.get("configmaps", "settings-0", "shop"))["data"] == {"color": "green"}
    assert (await world.get("deployments", "web", "shop"))["spec"]["replicas"] == 2
    assert actions(listed)["ConfigMap:settings-0"] == actions(listed)["Deployment:web"] == "updated"
    assert actions(listed)["ConfigMap:settings-2"] == "skipped"
    assert restore["status"]["phase"] == "Completed"


async def test_update_of_what_may_not_change_is_a_warning(world, outside):
    await world.create("secrets", "fixed", namespace="shop", data={"a": "YQ=="}, immutable=True)
    pod = {"containers": [{"name": "c", "image": "c:1"}], "nodeName": "node1"}
    await world.create("pods", "web-0", pod, namespace="shop")
    await world.backup("b")
    await world.delete("secrets", "fixed", "shop")
    await world.create("secrets", "fixed", namespace="shop", data={"a": "Yg=="}, immutable=True)
    restore = await world.restore("r", "b", existingResourcePolicy="update")
    results, listed = outside.restored("r")
    told = results["warnings"]["namespaces"]["shop"]
    assert any(text.startswith('Secret "fixed" is invalid: ') and "field is immutable" in text for text in told)
    assert any(text.startswith('Pod "web-0" is invalid: spec: Forbidden: pod updates may not') for text in told)
    assert actions(listed)["Secret:fixed"] == actions(listed)["Pod:web-0"] == "failed"
    assert restore["status"]["phase"] == "Completed"


async def test_service_accounts_are_merged_whatever_the_policy(world, outside):
    await world.create("serviceaccounts", "web", namespace="shop", secrets=[{"name": "old"}])
    await world.backup("b")
    await world.patch("serviceaccounts", "web", {"secrets": [{"name": "new"}]}, "shop")
    await world.restore("r", "b")
    account = await world.get("serviceaccounts", "web", "shop")
    assert account["secrets"] == [{"name": "new"}, {"name": "old"}]
    assert actions(outside.restored("r")[1])["ServiceAccount:web"] == "updated"


async def test_mapping_into_a_new_namespace(world, outside):
    await world.backup("b")
    await world.restore("r", "b", namespaceMapping={"shop": "copy"})
    assert len(await world.all("configmaps", "copy")) == 4
    assert outside.restored("r")[1]["v1/Namespace"] == ["copy(created)"]
    assert (await world.get("namespaces", "copy", None))["metadata"]["labels"]["kubernetes.io/metadata.name"] == "copy"


def applied(ports):
    text = json.dumps({"spec": {"ports": ports}})
    return {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": text}}


async def service(world):
    ports = [{"name": "http", "port": 80, "nodePort": 30080}, {"name": "auto", "port": 81}]
    spec = {"type": "NodePort", "ports": ports}
    made = await world.create("services", "web", spec, namespace="shop", metadata=applied(ports))
    return made["spec"]["ports"][1]["nodePort"]


async def test_explicit_node_ports_of_a_copy_clash(world, outside):
    await service(world)
    await world.backup("b")
    restore = await world.restore("r", "b", namespaceMapping={"shop": "copy"})
    results, listed = outside.restored("r")
    assert results["errors"]["namespaces"]["copy"] == [
        (
            'error restoring services/copy/web: Service "web" is invalid: spec.ports[0].nodePort: '
            "Invalid value: 30080: provided port is already allocated"
        )
    ]
    assert actions(listed)["Service:web"] == "failed"
    assert (restore["status"]["phase"], restore["status"]["errors"]) == ("PartiallyFailed", 1)
    assert world.phases("restores", "r")[-2:] == ["FinalizingPartiallyFailed", "PartiallyFailed"]


@pytest.mark.parametrize("preserve", [True, False])
async def test_node_ports_of_a_service_that_was_gone(world, preserve):
    auto = await service(world)
    await world.backup("b")
    await world.vanish("shop")
    await world.create("namespaces", "other", namespace=None)
    await world.create("services", "first", {"type": "NodePort", "ports": [{"port": 1}]}, namespace="other")
    await world.delete("services", "first", "other")
    if not preserve:
        taken = {"type": "NodePort", "ports": [{"port": 1, "nodePort": auto}]}
        await world.create("services", "taker", taken, namespace="other")
    await world.restore("r", "b", preserveNodePorts=preserve)
    ports = [p["nodePort"] for p in (await world.get("services", "web", "shop"))["spec"]["ports"]]
    assert ports[0] == 30080
    assert (ports[1] == auto) is preserve


async def test_modifiers_speak_of_the_original_namespace(world):
    rule = {
        "conditions": {"groupResource": "deployments.apps", "namespaces": ["shop"]},
        "patches": [{"operation": "replace", "path": "/spec/replicas", "value": "7"}],
    }
    merge = {
        "conditions": {"groupResource": "configmaps", "namespaces": ["copy"]},
        "mergePatches": [{"patchData": "data: {color: blue}"}],
    }
    document = json.dumps({"version": "v1", "resourceModifierRules": [rule, merge]})
    await world.create("configmaps", "mods", data={"m.yaml": document})
    await world.backup("b")
    modifier = {"kind": "ConfigMap", "name": "mods"}
    await world.restore("r", "b", namespaceMapping={"shop": "copy"}, resourceModifier=modifier)
    assert (await world.get("deployments", "web", "copy"))["spec"]["replicas"] == 7
    assert (await world.get("configmaps", "settings-0", "copy"))["data"] == {"color": "green"}


async def test_selector_takes_its_objects_and_their_namespace(world, outside):
    await world.backup("b")
    selector = {"matchLabels": {"app": "web"}}
    await world.restore("r", "b", labelSelector=selector, namespaceMapping={"shop": "sel"})
    assert outside.restored("r")[1] == {"apps/v1/Deployment": ["sel/web(created)"], "v1/Namespace": ["sel(created)"]}
    told = [x.object.get("status", {}).get("progress", {}) for x in world.seen("restores", "r")]
    assert {progress["totalItems"] for progress in told if "totalItems" in progress} == {2}


async def test_nothing_matched_is_completed_without_a_word(world, outside):
    await world.backup("b")
    restore = await world.restore("r", "b", includedNamespaces=["not-in-backup"])
    assert restore["status"]["phase"] == "Completed"
    assert restore["status"]["progress"] == {}
    assert outside.restored("r") == ({"errors": {}, "warnings": {}}, {})


async def test_fifty_objects_a_second_one_line_each_second(world):
    await world.create("namespaces", "big", namespace=None)
    for number in range(500):
        await world.create("configmaps", f"c{number}", namespace="big")
    await world.backup("b", ("big",))
    restore = await world.restore("r", "b", namespaceMapping={"big": "copy"})
    progress = [x.object["status"].get("progress", {}) for x in world.seen("restores", "r")[2:]]
    assert {told["totalItems"] for told in progress if "totalItems" in told} == {501, 502}
    assert restore["status"]["progress"] == {"itemsRestored": 501, "totalItems": 501}
    assert 8 <= len(progress) <= 17


async def test_a_second_restore_waits_without_a_phase(world, outside):
    await world.backup("b")
    outside.hold("r1", "restore")
    for name in ("r1", "r2"):
        await world.create("restores", name, {"backupName": "b"})
        await world.reaches("restores", "r1", "InProgress")
    await world.pause(20)
    waiting = await world.get("restores", "r2")
    assert "status" not in waiting
    assert "finalizers" not in waiting["metadata"]
    outside.release("r1")
    await world.ended("restores", "r2")


async def test_a_namespace_on_its_way_out_is_waited_for(world):
    await world.backup("b")
    holding = {"finalizers": ["example.com/not-yet"]}
    await world.create("configmaps", "holding", namespace="shop", metadata=holding)
    await world.delete("namespaces", "shop", None)
    await world.create("restores", "r", {"backupName": "b"})
    await world.reaches("restores", "r", "InProgress")
    await world.pause(60)
    assert world.phases("restores", "r")[-1] == "InProgress"
    await world.patch("configmaps", "holding", {"metadata": {"finalizers": None}}, "shop")
    assert (await world.ended("restores", "r"))["status"]["phase"] == "Completed"
    assert len(await world.all("configmaps", "shop")) == 4


async def test_deleting_a_restore_takes_its_files(world, outside):
    await world.backup("b")
    await world.restore("r", "b")
    assert outside.bucket.keys("restores/r/") != []
    await world.delete("restores", "r")
    await world.gone("restores", "r")
    assert outside.bucket.keys("restores/") == []


async def test_log_repeats_every_finding(world, outside):
    await changed(world)
    await world.restore("r", "b")
    text = outside.file("restores/r/restore-r-logs.gz")
    assert (
        f'level=warning msg="Namespace shop, resource restore warning: could not restore, ConfigMap:settings-0 {DIFFERENT}'
        in text
    )
    assert "restore=velero/r" in text


async def test_a_crd_and_its_objects_come_back(world, outside):
    definition = {
        "group": "blog.example.com",
        "names": {"plural": "themes", "kind": "Theme", "singular": "theme", "listKind": "ThemeList"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    }
    await world.create("customresourcedefinitions", "themes.blog.example.com", definition, namespace=None)
    await outside.kill()
    await outside.restart()  # else it learns of new kinds within five minutes
    await world.create("themes", "dark", {"color": "black"}, namespace="shop")
    await world.backup("b")
    listed = outside.file("backups/b/b-resource-list.json.gz")
    assert listed["blog.example.com/v1/Theme"] == ["shop/dark"]
    assert listed["apiextensions.k8s.io/v1/CustomResourceDefinition"] == ["themes.blog.example.com"]
    await world.restore("r", "b", namespaceMapping={"shop": "copy"})
    assert (await world.get("themes", "dark", "copy"))["spec"] == {"color": "black"}
