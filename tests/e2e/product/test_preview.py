"""What a preview says, beside what a real Velero then does: every object, class by class.

The objects are those of a small application whose kinds behave differently under a restore: equal, changed, missing,
immutable, cluster-assigned, cluster-scoped.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from commands.restore.look import preview
from commands.restore.preview import Fate, Preview
from tests.e2e.api import Json, Resource
from tests.e2e.cluster import RealCluster, namespace
from tests.e2e.objects import CONFIG_MAPS, backup, config_map, restore
from tests.e2e.product.shop import RealHouse
from velero.cluster import Cluster, ClusterSettings
from velero.connection import Direct
from velero.resource_list import Outcome

SERVICES = Resource("v1", "services")
DEPLOYMENTS = Resource("apps/v1", "deployments")
CLAIMS = Resource("v1", "persistentvolumeclaims")

DID: Mapping[Fate, frozenset[Outcome]] = {
    Fate.NEW: frozenset({Outcome.CREATED}),
    Fate.CHANGED: frozenset({Outcome.UPDATED}),
    Fate.UNCHANGED: frozenset({Outcome.SKIPPED, Outcome.FAILED}),
    Fate.KEPT: frozenset({Outcome.SKIPPED, Outcome.FAILED}),
    Fate.FIXED: frozenset({Outcome.SKIPPED, Outcome.FAILED}),
}
"""What Velero may list for what was foretold: `failed` is its word for what is there and differs."""
REWRITTEN = frozenset({("PersistentVolumeClaim", Fate.UNCHANGED, Outcome.UPDATED)})
"""Under update Velero writes a claim that is equal once more: seen, and its spec stays as it was."""
BY_THE_CLUSTER = frozenset({"kube-root-ca.crt", "default"})
"""Made by controllers in every namespace, whenever they come to it."""


def pods(name: str) -> Json:
    container = {"name": "web", "image": "example.org/web:1"}
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}


def application(inside: str) -> list[Json]:
    def made(api: str, kind: str, name: str, **body: Any) -> Json:
        return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": inside}, **body}

    template = pods("web")
    once = {"template": {**template, "spec": {**template["spec"], "restartPolicy": "Never"}}}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}
    return [
        namespace(inside),
        config_map("equal", inside, color="green"),
        config_map("changed", inside, color="green"),
        config_map("missing", inside, color="green"),
        {**config_map("immutable", inside, color="green"), "immutable": True},
        made("v1", "Service", "web", spec={"selector": {"app": "web"}, "ports": [{"port": 80}]}),
        made(
            "apps/v1",
            "Deployment",
            "web",
            spec={"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template},
        ),
        made("batch/v1", "Job", "migrate", spec=once),
        made("v1", "PersistentVolumeClaim", "data", spec=claim),
    ]


async def drift(house: RealHouse, inside: str) -> None:
    """What happens to an application between a backup and its restore."""
    api = house.api
    await api.delete(CONFIG_MAPS, "missing", inside)
    await api.patch(CONFIG_MAPS, "changed", {"data": {"color": "red", "added": "since"}}, inside)
    await api.delete(CONFIG_MAPS, "immutable", inside)
    await api.apply({**config_map("immutable", inside, color="red"), "immutable": True})
    await api.patch(DEPLOYMENTS, "web", {"spec": {"template": {"metadata": {"labels": {"tier": "new"}}}}}, inside)
    await api.patch(SERVICES, "web", {"metadata": {"labels": {"team": "shop"}}}, inside)


@pytest.fixture
async def eyes(cluster: RealCluster, granted: None) -> AsyncIterator[Cluster]:
    """Our own gateway, with the bot's rights."""
    access = Direct(cluster.url, cluster.bot_token, cluster.ca.read_text("utf-8"))
    settings = ClusterSettings("prod", access, hosts=(cluster.store.url.removeprefix("http://"),))
    one = Cluster(settings, now=lambda: datetime.now(UTC), random=Random(1))
    await one.open()
    yield one
    await one.close()


async def backed_up(house: RealHouse, name: str) -> None:
    await house.api.apply(*application(name))
    await house.api.create("backups", backup(name, name))
    await house.api.wait_phase("backups", name, "Completed", within=90)


async def foretold_and_done(
    house: RealHouse, eyes: Cluster, name: str, **spec: Any
) -> tuple[Preview, dict[tuple[str, str], Outcome]]:
    manifest = restore(name, name, includedNamespaces=[name], **spec)
    foretold = await preview(manifest, eyes)
    await house.api.create("restores", manifest)
    await house.api.wait_phase("restores", name, "Completed", "PartiallyFailed", within=120)
    listed = await eyes.artifacts.resources(name, restore=True)
    return foretold, {(one.kind, one.name): one.outcome for one in listed if one.kind != "Namespace"}


def fates(foretold: Preview) -> dict[tuple[str, str], Fate]:
    return {(row.kind, row.name): row.fate for row in foretold.rows if row.kind != "Namespace"}


def agree(foretold: Preview, done: Mapping[tuple[str, str], Outcome]) -> None:
    told = {key: fate for key, fate in fates(foretold).items() if key[1] not in BY_THE_CLUSTER}
    real = {key: outcome for key, outcome in done.items() if key[1] not in BY_THE_CLUSTER}
    assert set(told) == set(real)
    wrong = {
        key: (fate, real[key])
        for key, fate in told.items()
        if real[key] not in DID[fate] and (key[0], fate, real[key]) not in REWRITTEN
    }
    assert wrong == {}


async def test_where_nothing_changed_nothing_is_done(house: RealHouse, eyes: Cluster) -> None:
    await backed_up(house, "pv-equal")
    foretold, done = await foretold_and_done(house, eyes, "pv-equal")
    agree(foretold, done)
    assert set(fates(foretold).values()) == {Fate.UNCHANGED}
    assert foretold.impact == frozenset()


async def test_without_a_policy_only_what_is_missing_comes_back(house: RealHouse, eyes: Cluster) -> None:
    await backed_up(house, "pv-none")
    await drift(house, "pv-none")
    foretold, done = await foretold_and_done(house, eyes, "pv-none")
    agree(foretold, done)
    assert foretold.impact == {"ConfigMap pv-none/missing new"}
    changed = await house.api.get(CONFIG_MAPS, "changed", "pv-none")
    assert changed is not None
    assert changed["data"] == {"color": "red", "added": "since"}


async def test_under_update_what_differs_is_changed_and_what_cannot_be_stays(house: RealHouse, eyes: Cluster) -> None:
    await backed_up(house, "pv-update")
    await drift(house, "pv-update")
    claim = await house.api.get(CLAIMS, "data", "pv-update")
    foretold, done = await foretold_and_done(house, eyes, "pv-update", existingResourcePolicy="update")
    agree(foretold, done)
    told = fates(foretold)
    assert told["ConfigMap", "changed"] is Fate.CHANGED
    assert told["ConfigMap", "immutable"] is Fate.FIXED
    assert told["Deployment", "web"] is Fate.CHANGED
    changed = await house.api.get(CONFIG_MAPS, "changed", "pv-update")
    immutable = await house.api.get(CONFIG_MAPS, "immutable", "pv-update")
    after = await house.api.get(CLAIMS, "data", "pv-update")
    assert claim is not None
    assert after is not None
    assert after["spec"] == claim["spec"]
    assert changed is not None
    assert immutable is not None
    assert changed["data"] == {"color": "green"}
    assert immutable["data"] == {"color": "red"}


async def test_a_copy_in_a_new_namespace_is_all_new(house: RealHouse, eyes: Cluster) -> None:
    await backed_up(house, "pv-mapped")
    foretold, done = await foretold_and_done(
        house, eyes, "pv-mapped", namespaceMapping={"pv-mapped": "pv-copy"}, restorePVs=False
    )
    agree(foretold, done)
    told = {key: fate for key, fate in fates(foretold).items() if key[1] not in BY_THE_CLUSTER}
    assert set(told.values()) == {Fate.NEW}
    assert {row.namespace for row in foretold.rows if row.kind == "ConfigMap"} == {"pv-copy"}
    assert await house.api.get(CONFIG_MAPS, "missing", "pv-copy") is not None


async def test_a_choice_of_kinds_is_all_that_is_touched(house: RealHouse, eyes: Cluster) -> None:
    await backed_up(house, "pv-kinds")
    await drift(house, "pv-kinds")
    foretold, done = await foretold_and_done(house, eyes, "pv-kinds", includedResources=["configmaps"])
    agree(foretold, done)
    assert {kind for kind, _ in fates(foretold)} == {"ConfigMap"}
