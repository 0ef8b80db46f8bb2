"""A preview of every kind that fares differently, beside what a real Velero then does: one backup, restored in turn
without a policy, with none, with update, as a copy, without a kind's definition, and after all of it was deleted.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from operations.restore_preview.preview import Fate
from operations.restore_preview.reader import read_preview
from tests.e2e.api import Json, Resource
from tests.e2e.cluster import RealCluster
from tests.e2e.objects import CONFIG_MAPS, backup, config_map, restore
from tests.e2e.product.preview_compared import agree, done, fates, foretold_and_done, row, seeing
from tests.e2e.product.preview_objects import (
    ACCOUNTS,
    CLAIMS,
    DEFINITIONS,
    ROLES,
    SECRETS,
    VOLUMES,
    account,
    application,
    bound,
    cluster_role,
    custom,
    definition,
    disk,
    drift,
    labelled,
    let_go,
    removed,
    secret,
)
from velero.cluster import Cluster

SHOP = "pv-whole"
THEMES = Resource("shop.example.org/v1", "themes")
THEME = "themes.shop.example.org"
GADGET = "gadgets.shop.example.org"
MORE = {"secrets": "", "customresourcedefinitions": "apiextensions.k8s.io", "themes": "shop.example.org"}
PATH = {"hostPath": {"path": "/data"}}


@pytest.fixture(scope="module")
async def whole(cluster: RealCluster, eyes: Cluster) -> AsyncIterator[None]:
    """One backup of all objects."""
    await known_kind(cluster, eyes)
    mine = {"preview": SHOP}
    objects = [
        *application(SHOP),
        secret(SHOP, "changed", "one"),
        secret(SHOP, "immutable", "one", immutable=True),
        account(SHOP, "web", "ours"),
        custom(SHOP, "equal", "green"),
        custom(SHOP, "changed", "green"),
        cluster_role("pv-reader", "pods"),
    ]
    await cluster.api.apply(*(labelled(one, **mine) for one in objects))
    for name, source, reclaim in (
        ("disk", await disk(cluster), "Delete"),
        ("path", PATH, "Retain"),
        ("scratch", PATH, "Delete"),
    ):
        await bound(cluster, SHOP, name, source, reclaim)
        await cluster.api.patch(CLAIMS, name, {"metadata": {"labels": mine}}, SHOP)
    spec = {"includeClusterResources": True, "labelSelector": {"matchLabels": mine}}
    await cluster.api.create("backups", backup(SHOP, SHOP, volumeSnapshotLocations=["cloud"], **spec))
    await cluster.api.wait_phase("backups", SHOP, "Completed", within=90)
    yield
    await cluster.api.delete("volumesnapshotlocations", "cloud")


async def known_kind(cluster: RealCluster, eyes: Cluster) -> None:
    """Velero looks for kinds every five minutes, and when it has restored a definition."""
    await cluster.api.apply(
        labelled(definition("theme"), preview=SHOP), labelled(definition("gadget"), preview="gadget")
    )
    ours = {"matchExpressions": [{"key": "preview", "operator": "In", "values": [SHOP, "gadget"]}]}
    only = {"includedResources": ["customresourcedefinitions"], "labelSelector": ours}
    await cluster.api.create("backups", backup("pv-definition", "*", includeClusterResources=True, **only))
    await cluster.api.wait_phase("backups", "pv-definition", "Completed", within=90)
    await undefined(cluster, THEME)
    async with seeing(cluster, customresourcedefinitions="apiextensions.k8s.io"):
        foretold, real = await foretold_and_done(cluster, eyes, "pv-definition", "pv-definition")
    agree(foretold, real)
    assert fates(foretold) == {
        ("CustomResourceDefinition", THEME): Fate.NEW,
        ("CustomResourceDefinition", GADGET): Fate.UNCHANGED,
    }


async def undefined(cluster: RealCluster, *names: str) -> None:
    for name in names:
        await cluster.api.delete(DEFINITIONS, name)
        await cluster.api.wait_gone(DEFINITIONS, name)


async def drifted(cluster: RealCluster) -> None:
    """The same differences before each restore."""
    api = cluster.api
    if await api.get(CONFIG_MAPS, "missing", SHOP) is None:
        await api.apply(config_map("missing", SHOP, color="green"))
    await drift(cluster, SHOP)
    await api.patch(SECRETS, "changed", {"stringData": {"password": "two"}}, SHOP)
    await api.delete(SECRETS, "immutable", SHOP)
    await api.apply(secret(SHOP, "immutable", "two", immutable=True))
    await api.patch(ACCOUNTS, "web", {"imagePullSecrets": [{"name": "theirs"}]}, SHOP)
    await api.patch(THEMES, "changed", {"spec": {"color": "red"}}, SHOP)
    await api.patch(ROLES, "pv-reader", cluster_role("pv-reader", "pods", "services"))
    await api.patch(VOLUMES, f"{SHOP}-path", {"metadata": {"labels": {"moved": "yes"}}})


async def restored(cluster: RealCluster, eyes: Cluster, name: str, **spec: Any) -> dict[tuple[str, str], Fate]:
    """Foretold with the bot's own rights and with more; both agree with what was done."""
    await drifted(cluster)
    blind = await read_preview(restore(name, SHOP, **spec), eyes)
    async with seeing(cluster, **MORE):
        foretold, real = await foretold_and_done(cluster, eyes, name, SHOP, **spec)
    agree(foretold, real)
    agree(blind, real)
    unseen = {kind for (kind, _), fate in fates(blind).items() if fate is Fate.UNREAD}
    assert unseen == {"Secret", "CustomResourceDefinition", "Theme"}
    assert Fate.UNREAD not in fates(foretold).values()
    pulls = await cluster.api.get(ACCOUNTS, "web", SHOP)
    assert pulls is not None
    assert [one["name"] for one in pulls["imagePullSecrets"]] == ["theirs", "ours"]
    return fates(foretold)


STAYS = {
    ("ConfigMap", "equal"): Fate.UNCHANGED,
    ("ConfigMap", "missing"): Fate.NEW,
    ("ServiceAccount", "web"): Fate.CHANGED,
    ("ConfigMap", "changed"): Fate.KEPT,
    ("Secret", "changed"): Fate.KEPT,
    ("Secret", "immutable"): Fate.KEPT,
    ("Theme", "equal"): Fate.UNCHANGED,
    ("Theme", "changed"): Fate.KEPT,
    ("ClusterRole", "pv-reader"): Fate.KEPT,
    ("PersistentVolume", f"{SHOP}-disk"): Fate.UNCHANGED,
    ("PersistentVolume", f"{SHOP}-path"): Fate.KEPT,
    ("PersistentVolume", f"{SHOP}-scratch"): Fate.EXCLUDED,
    ("CustomResourceDefinition", THEME): Fate.UNCHANGED,
}


@pytest.mark.parametrize(
    ("name", "policy"), [("pv-whole-unset", {}), ("pv-whole-none", {"existingResourcePolicy": "none"})]
)
async def test_what_is_there_stays_and_service_accounts_gain(
    cluster: RealCluster, eyes: Cluster, whole: None, name: str, policy: Json
) -> None:
    told = await restored(cluster, eyes, name, **policy)
    assert {key: told[key] for key in STAYS} == STAYS


async def test_under_update_each_kind_fares_as_foretold(cluster: RealCluster, eyes: Cluster, whole: None) -> None:
    told = await restored(cluster, eyes, "pv-whole-update", existingResourcePolicy="update")
    changed = {key: Fate.CHANGED if fate is Fate.KEPT else fate for key, fate in STAYS.items()}
    assert {key: told[key] for key in STAYS} == changed | {("Secret", "immutable"): Fate.IMMUTABLE}
    there = await cluster.api.get(SECRETS, "changed", SHOP)
    assert there is not None
    assert there["data"] == {"password": "b25l"}


async def test_volumes_of_a_copy_get_another_name(cluster: RealCluster, eyes: Cluster, whole: None) -> None:
    """Their claims are in another namespace; the cluster's own objects are there already."""
    mapped = {"namespaceMapping": {SHOP: "pv-whole-copy"}, "includedNamespaces": [SHOP]}
    async with seeing(cluster, **MORE):
        foretold, real = await foretold_and_done(cluster, eyes, "pv-whole-mapped", SHOP, **mapped)
    agree(foretold, real)
    assert row(foretold, "PersistentVolume", f"{SHOP}-disk").why.startswith("under a new name")
    back = {claim.name: claim.is_restored for claim in foretold.volume_outcomes}
    assert back["pv-whole-copy/disk"]
    assert not back["pv-whole-copy/path"]


async def test_without_its_definition_a_kind_is_refused(cluster: RealCluster, eyes: Cluster, whole: None) -> None:
    """Velero caches the kinds and would wait forever; it refreshes them when it restores another definition."""
    await undefined(cluster, THEME, GADGET)
    another = {"labelSelector": {"matchLabels": {"preview": "gadget"}}}
    await foretold_and_done(cluster, eyes, "pv-another", "pv-definition", **another)
    only = {"includedResources": [THEME], "includedNamespaces": [SHOP]}
    foretold, real = await foretold_and_done(cluster, eyes, "pv-unserved", SHOP, **only)
    agree(foretold, real)
    assert set(fates(foretold).values()) == {Fate.NOT_SERVED}
    assert foretold.phase == real.phase == "PartiallyFailed"


async def test_all_comes_back_once_what_goes_away_is_gone(cluster: RealCluster, eyes: Cluster, whole: None) -> None:
    """The volume's claim is deleted, and it with it: until it is gone Velero says nothing and does nothing."""
    await removed(cluster, SHOP, "data", "disk", "path", "scratch")
    await cluster.api.delete(ROLES, "pv-reader")
    for name in ("path", "scratch"):
        await let_go(cluster, VOLUMES, f"{SHOP}-{name}")
        await cluster.api.delete(VOLUMES, f"{SHOP}-{name}")
    await cluster.api.delete(VOLUMES, f"{SHOP}-disk")
    async with seeing(cluster, customresourcedefinitions="apiextensions.k8s.io", secrets=""):
        foretold = await read_preview(manifest := restore("pv-gone", SHOP), eyes)
    assert len(foretold.blockers) == 1
    assert f"PersistentVolume {SHOP}-disk" in foretold.blockers[0]
    async with cluster.api.watching("restores") as seen:
        await cluster.api.create("restores", manifest)
        await seen.until_phase("pv-gone", "InProgress")
        await asyncio.sleep(3)
        assert seen.phases("pv-gone")[-1] == "InProgress"
        await let_go(cluster, VOLUMES, f"{SHOP}-disk")
        real = await done(cluster, eyes, "pv-gone")
    agree(foretold, real)
    assert set(fates(foretold).values()) == {Fate.NEW, Fate.EXCLUDED}
    assert [claim.name for claim in foretold.volume_outcomes if claim.is_restored] == [f"{SHOP}/disk"]
