"""Previews of restores in place, compared with what a real Velero does."""

from typing import Any

from operations.restore_preview.preview import Fate, Preview
from tests.e2e.cluster import RealCluster
from tests.e2e.objects import CONFIG_MAPS, backup
from tests.e2e.product.preview_compared import Done, agree, fates, foretold_and_done
from tests.e2e.product.preview_objects import CLAIMS, application, drift
from velero.cluster import Cluster


async def backed_up(cluster: RealCluster, name: str) -> None:
    await cluster.api.apply(*application(name))
    await cluster.api.create("backups", backup(name, name))
    await cluster.api.wait_phase("backups", name, "Completed", within=90)


async def in_place(cluster: RealCluster, eyes: Cluster, name: str, **spec: Any) -> tuple[Preview, Done]:
    return await foretold_and_done(cluster, eyes, name, name, **{"includedNamespaces": [name], **spec})


async def test_an_unchanged_namespace_stays_unchanged(cluster: RealCluster, eyes: Cluster) -> None:
    await backed_up(cluster, "pv-equal")
    foretold, real = await in_place(cluster, eyes, "pv-equal")
    agree(foretold, real)
    assert set(fates(foretold).values()) == {Fate.UNCHANGED}
    assert foretold.impact == frozenset()


async def test_without_a_policy_only_missing_objects_are_restored(cluster: RealCluster, eyes: Cluster) -> None:
    await backed_up(cluster, "pv-none")
    await drift(cluster, "pv-none")
    foretold, real = await in_place(cluster, eyes, "pv-none")
    agree(foretold, real)
    assert foretold.impact == {"ConfigMap pv-none/missing new"}
    changed = await cluster.api.get(CONFIG_MAPS, "changed", "pv-none")
    assert changed is not None
    assert changed["data"] == {"color": "red", "added": "since"}


async def test_update_changes_different_objects_except_immutable_ones(cluster: RealCluster, eyes: Cluster) -> None:
    await backed_up(cluster, "pv-update")
    await drift(cluster, "pv-update")
    claim = await cluster.api.get(CLAIMS, "data", "pv-update")
    foretold, real = await in_place(cluster, eyes, "pv-update", existingResourcePolicy="update")
    agree(foretold, real)
    told = fates(foretold)
    assert told["ConfigMap", "changed"] is Fate.CHANGED
    assert told["ConfigMap", "immutable"] is Fate.IMMUTABLE
    assert told["Deployment", "web"] is Fate.CHANGED
    changed = await cluster.api.get(CONFIG_MAPS, "changed", "pv-update")
    immutable = await cluster.api.get(CONFIG_MAPS, "immutable", "pv-update")
    after = await cluster.api.get(CLAIMS, "data", "pv-update")
    assert claim is not None
    assert after is not None
    assert after["spec"] == claim["spec"]
    assert changed is not None
    assert immutable is not None
    assert changed["data"] == {"color": "green"}
    assert immutable["data"] == {"color": "red"}


async def test_a_copy_in_a_new_namespace_is_all_new(cluster: RealCluster, eyes: Cluster) -> None:
    await backed_up(cluster, "pv-mapped")
    mapping = {"pv-mapped": "pv-copy"}
    foretold, real = await in_place(cluster, eyes, "pv-mapped", namespaceMapping=mapping, restorePVs=False)
    agree(foretold, real)
    assert set(fates(foretold).values()) == {Fate.NEW}
    assert ("Namespace", "pv-copy") in fates(foretold)
    assert {row.namespace for row in foretold.rows if row.kind == "ConfigMap"} == {"pv-copy"}
    assert await cluster.api.get(CONFIG_MAPS, "missing", "pv-copy") is not None


async def test_only_included_resources_are_restored(cluster: RealCluster, eyes: Cluster) -> None:
    await backed_up(cluster, "pv-kinds")
    await drift(cluster, "pv-kinds")
    foretold, real = await in_place(cluster, eyes, "pv-kinds", includedResources=["configmaps"])
    agree(foretold, real)
    assert {kind for kind, _ in fates(foretold)} == {"ConfigMap"}
