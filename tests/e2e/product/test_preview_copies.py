"""Previews of copies, compared with what a real Velero does: node ports, modifiers, selectors and hooks, from one backup."""

from typing import Any

import pytest

from operations.restore_preview.preview import Fate
from tests.e2e.api import Json
from tests.e2e.cluster import RealCluster, namespace
from tests.e2e.objects import CONFIG_MAPS, backup, config_map
from tests.e2e.product.preview_compared import agree, fates, foretold_and_done, row
from tests.e2e.product.preview_objects import (
    PODS,
    SERVICES,
    claim,
    deployment,
    job,
    labelled,
    let_go,
    pod,
    service,
)
from velero.cluster import Cluster

TOWN = "pv-town"
CHOSEN = 30180
HTTP = {"name": "http", "port": 80, "nodePort": CHOSEN}
AUTO = {"name": "auto", "port": 81}


@pytest.fixture(scope="module")
async def town(cluster: RealCluster, granted: None) -> dict[str, int]:
    """Creates the objects and the backup; returns the node ports in the backup."""
    objects = [
        namespace(TOWN),
        config_map("size", TOWN, size="7", color="green"),
        *(labelled(config_map(name, TOWN, x="1"), app="mysql") for name in ("one", "two")),
        labelled(service(TOWN, "mysql", {"port": 3306}), app="mysql"),
        labelled(deployment(TOWN, "mysql"), app="mysql"),
        labelled(job(TOWN, "migrate"), app="mysql"),
        deployment(TOWN, "web"),
        service(TOWN, "web", HTTP, AUTO, kind="NodePort"),
        claim(TOWN, "files"),
        labelled(pod(TOWN, "db", {"name": "data", "persistentVolumeClaim": {"claimName": "files"}}), app="mysql"),
    ]
    await cluster.api.apply(*objects)
    await cluster.api.create("backups", backup(TOWN, TOWN))
    await cluster.api.wait_phase("backups", TOWN, "Completed", within=90)
    return await ports(cluster)


def into(target: str, **spec: Any) -> Json:
    return {"namespaceMapping": {TOWN: target}, "includedNamespaces": [TOWN], **spec}


async def test_a_terminating_object_counts_as_existing(
    cluster: RealCluster, eyes: Cluster, town: dict[str, int]
) -> None:
    await cluster.api.patch(CONFIG_MAPS, "two", {"metadata": {"finalizers": ["shop.example.org/last-word"]}}, TOWN)
    await cluster.api.delete(CONFIG_MAPS, "two", TOWN)
    only = {"includedResources": ["configmaps"], "includedNamespaces": [TOWN]}
    foretold, real = await foretold_and_done(cluster, eyes, "pv-going", TOWN, **only)
    agree(foretold, real)
    assert fates(foretold)["ConfigMap", "two"] is Fate.TERMINATING
    await let_go(cluster, CONFIG_MAPS, "two", TOWN)
    assert await cluster.api.get(CONFIG_MAPS, "two", TOWN) is None


@pytest.mark.parametrize("preserve", [None, True])
async def test_a_copied_service_with_a_fixed_node_port_is_rejected(
    cluster: RealCluster, eyes: Cluster, town: dict[str, int], preserve: bool | None
) -> None:
    name = f"pv-clash-{preserve}".lower()
    foretold, real = await foretold_and_done(cluster, eyes, name, TOWN, **into(name, preserveNodePorts=preserve))
    agree(foretold, real)
    told = row(foretold, "Service", "web")
    assert (told.fate, foretold.phase) == (Fate.REFUSED, "PartiallyFailed")
    assert f"node port {CHOSEN} is used by {TOWN}/web" in told.why
    assert ("auto" in told.why) is False
    assert real.said("web", f"Invalid value: {CHOSEN}: provided port is already allocated")


@pytest.mark.parametrize("preserve", [None, True])
async def test_fixed_node_ports_are_restored_and_assigned_ones_if_preserved(
    cluster: RealCluster, eyes: Cluster, town: dict[str, int], preserve: bool | None
) -> None:
    await cluster.api.delete(SERVICES, "web", TOWN)
    name = f"pv-ports-{preserve}".lower()
    foretold, real = await foretold_and_done(cluster, eyes, name, TOWN, **services(preserve))
    agree(foretold, real)
    assert row(foretold, "Service", "web").fate is Fate.NEW
    after = await ports(cluster)
    assert after["http"] == CHOSEN
    assert (after["auto"] == town["auto"]) is bool(preserve)


@pytest.mark.parametrize("preserve", [None, True])
async def test_a_preserved_node_port_in_use_is_rejected(
    cluster: RealCluster, eyes: Cluster, town: dict[str, int], preserve: bool | None
) -> None:
    await cluster.api.delete(SERVICES, "web", TOWN)
    await cluster.api.apply(service(TOWN, "squatter", {"port": 80, "nodePort": town["auto"]}, kind="NodePort"))
    name = f"pv-squatted-{preserve}".lower()
    foretold, real = await foretold_and_done(cluster, eyes, name, TOWN, **services(preserve))
    await cluster.api.delete(SERVICES, "squatter", TOWN)
    if preserve:
        await cluster.api.apply(service(TOWN, "web", HTTP, AUTO, kind="NodePort"))
    agree(foretold, real)
    assert row(foretold, "Service", "web").fate is (Fate.REFUSED if preserve else Fate.NEW)
    assert bool(real.said("web", str(town["auto"]))) is bool(preserve)


def services(preserve: bool | None) -> Json:
    return {"includedResources": ["services"], "includedNamespaces": [TOWN], "preserveNodePorts": preserve}


async def ports(cluster: RealCluster) -> dict[str, int]:
    found = await cluster.api.get(SERVICES, "web", TOWN)
    assert found is not None
    return {port["name"]: port["nodePort"] for port in found["spec"]["ports"]}


RULES = f"""
version: v1
resourceModifierRules:
  - conditions: {{groupResource: configmaps, resourceNameRegex: '^size$', namespaces: [{TOWN}]}}
    patches: [{{operation: replace, path: /data/size, value: '"8"'}}]
  - conditions: {{groupResource: deployments.apps, matches: [{{path: /spec/replicas, value: "2"}}]}}
    mergePatches: [{{patchData: "spec: {{replicas: 1}}"}}]
  - conditions: {{groupResource: '*', namespaces: [pv-elsewhere]}}
    mergePatches: [{{patchData: "data: {{never: here}}"}}]
"""
BROKEN = f"""
version: v1
resourceModifierRules:
  - conditions: {{groupResource: configmaps, resourceNameRegex: '^size$', namespaces: [{TOWN}]}}
    patches: [{{operation: remove, path: /data/nothing}}]
"""


async def modifiers(cluster: RealCluster, name: str, rules: str) -> Json:
    await cluster.api.apply(config_map(name, cluster.namespace, **{"rules.yaml": rules}))
    return {"resourceModifier": {"kind": "ConfigMap", "name": name}}


async def test_modifiers_change_identical_objects(cluster: RealCluster, eyes: Cluster, town: dict[str, int]) -> None:
    rules = await modifiers(cluster, "pv-mods", RULES)
    only = {"includedResources": ["configmaps", "deployments"], "includedNamespaces": [TOWN]}
    foretold, real = await foretold_and_done(
        cluster, eyes, "pv-modified", TOWN, **only, **rules, existingResourcePolicy="update"
    )
    agree(foretold, real)
    assert {key: fates(foretold)[key] for key in (("ConfigMap", "size"), ("Deployment", "web"))} == {
        ("ConfigMap", "size"): Fate.CHANGED,
        ("Deployment", "web"): Fate.CHANGED,
    }
    assert row(foretold, "ConfigMap", "size").fields == ("data.size",)
    assert not row(foretold, "ConfigMap", "one").modified
    there = await cluster.api.get(CONFIG_MAPS, "size", TOWN)
    assert there is not None
    assert there["data"] == {"size": "8", "color": "green"}
    await cluster.api.patch(CONFIG_MAPS, "size", {"data": {"size": "7"}}, TOWN)


async def test_modifiers_are_matched_with_the_original_namespace(
    cluster: RealCluster, eyes: Cluster, town: dict[str, int]
) -> None:
    rules = await modifiers(cluster, "pv-mods", RULES)
    only = {"includedResources": ["configmaps", "deployments"]}
    foretold, real = await foretold_and_done(cluster, eyes, "pv-modified-copy", TOWN, **into("pv-mod", **only, **rules))
    agree(foretold, real)
    assert row(foretold, "ConfigMap", "size").modified
    there = await cluster.api.get(CONFIG_MAPS, "size", "pv-mod")
    assert there is not None
    assert there["data"] == {"size": "8", "color": "green"}


async def test_a_failing_modifier_is_an_error_and_the_object_is_restored(
    cluster: RealCluster, eyes: Cluster, town: dict[str, int]
) -> None:
    rules = await modifiers(cluster, "pv-broken", BROKEN)
    only = {"includedResources": ["configmaps"]}
    foretold, real = await foretold_and_done(cluster, eyes, "pv-broken", TOWN, **into("pv-broken", **only, **rules))
    agree(foretold, real)
    assert fates(foretold)["ConfigMap", "size"] is Fate.NEW
    assert foretold.phase == real.phase == "PartiallyFailed"


async def test_a_selector_includes_the_pvcs_of_its_pods(
    cluster: RealCluster, eyes: Cluster, town: dict[str, int]
) -> None:
    chosen = {"labelSelector": {"matchLabels": {"app": "mysql"}}}
    foretold, real = await foretold_and_done(cluster, eyes, "pv-chosen", TOWN, **into("pv-chosen", **chosen))
    agree(foretold, real)
    assert set(fates(foretold)) == {
        ("Namespace", "pv-chosen"),
        ("ConfigMap", "one"),
        ("ConfigMap", "two"),
        ("Service", "mysql"),
        ("Deployment", "mysql"),
        ("Job", "migrate"),
        ("Pod", "db"),
        ("PersistentVolumeClaim", "files"),
    }


async def test_an_unknown_namespace_restores_nothing(cluster: RealCluster, eyes: Cluster, town: dict[str, int]) -> None:
    foretold, real = await foretold_and_done(cluster, eyes, "pv-nothing", TOWN, includedNamespaces=["pv-nowhere"])
    agree(foretold, real)
    assert foretold.rows == ()
    assert foretold.summary() == ("Nothing in the backup is selected.",)
    assert (real.phase, real.listed, real.warnings) == ("Completed", {}, ())


HOOK = {
    "name": "greet",
    "postHooks": [
        {"init": {"initContainers": [{"name": "greeter", "image": "example.org/greet:1", "command": ["hello"]}]}}
    ],
}


async def test_hooks_of_the_restore_are_listed_and_run(
    cluster: RealCluster, eyes: Cluster, town: dict[str, int]
) -> None:
    only = {"includedResources": ["pods"], "hooks": {"resources": [HOOK]}}
    foretold, real = await foretold_and_done(cluster, eyes, "pv-hooked", TOWN, **into("pv-hooked", **only))
    agree(foretold, real)
    assert foretold.hooks == ("greet (init)",)
    there = await cluster.api.get(PODS, "db", "pv-hooked")
    assert there is not None
    assert [one["name"] for one in there["spec"]["initContainers"]] == ["greeter"]
