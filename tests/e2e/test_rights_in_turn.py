"""Each rule of the roles in `deploy/` taken away in turn: `doctor` names just what it gave, and misses nothing before."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from random import Random

import pytest

from bot.doctor import check_rights
from tests.e2e.api import Json, Resource
from tests.e2e.cluster import NAMESPACE, RealCluster
from tests.e2e.control_plane import STRANGER_TOKEN
from tests.e2e.product.shop import RIGHTS, rights
from velero.access import OPTIONAL_PERMISSIONS, REQUIRED_PERMISSIONS
from velero.cluster import Cluster, ClusterSettings
from velero.connection import Direct

RBAC = "rbac.authorization.k8s.io/v1"
NAME = "in-turn"
STRANGER = {"kind": "User", "name": "stranger", "apiGroup": "rbac.authorization.k8s.io"}
NOTICED = 20.0


def copies() -> list[Json]:
    """The manifests under another name, bound to a user of this test alone."""
    manifests = rights(RIGHTS / "role.yaml", RIGHTS / "clusterrole.yaml")
    for one in manifests:
        one["metadata"] |= {"name": NAME}
        if "subjects" in one:
            one["subjects"] = [STRANGER]
            one["roleRef"] |= {"name": NAME}
    return manifests


RULES = [
    (role, number)
    for role in copies()
    for number, rule in enumerate(role.get("rules", ()))
    if set(rule["resources"]) != {kind.plural for kind, _, _ in OPTIONAL_PERMISSIONS}
]


def plural(manifest: Json) -> Resource:
    return Resource(RBAC, f"{manifest['kind'].lower()}s")


def named(rule: Json) -> list[str]:
    """What is said without it."""
    lost = []
    for kind, verbs in REQUIRED_PERMISSIONS:
        if kind.plural in rule["resources"]:
            gone = ", ".join(verb for verb in verbs if verb in rule["verbs"])
            where = f" in namespace {NAMESPACE}" if kind.namespaced else ""
            lost.append(f"The bot has no permission to {gone} {kind.resource}{where}")
    return sorted(lost)


@pytest.fixture(scope="module")
async def stranger(cluster: RealCluster) -> AsyncIterator[Cluster]:
    manifests = copies()
    await cluster.api.apply(*manifests)
    settings = ClusterSettings("prod", Direct(cluster.url, STRANGER_TOKEN, cluster.ca.read_text("utf-8")))
    one = Cluster(settings, now=lambda: datetime.now(UTC), random=Random(1))
    assert (await one.open()).ok
    yield one
    await one.close()
    for manifest in manifests:
        await cluster.api.delete(plural(manifest), NAME, manifest["metadata"].get("namespace"))


async def until_it_says(stranger: Cluster, wanted: list[str]) -> None:
    """The API server hears of a changed role in its own time."""
    said: list[str] = []
    try:
        async with asyncio.timeout(NOTICED):
            while said != wanted:
                said = sorted(finding.text for finding in check_rights("cluster", await stranger.missing_permissions()))
    except TimeoutError:
        assert said == wanted


@pytest.mark.parametrize(
    ("role", "number"), RULES, ids=lambda value: value if isinstance(value, int) else value["kind"]
)
async def test_without_this_rule(cluster: RealCluster, stranger: Cluster, role: Json, number: int) -> None:
    rules, inside = role["rules"], role["metadata"].get("namespace")
    less = [rule for place, rule in enumerate(rules) if place != number]
    await cluster.api.patch(plural(role), NAME, {"rules": less}, inside)
    await until_it_says(stranger, named(rules[number]))
    await cluster.api.patch(plural(role), NAME, {"rules": rules}, inside)
    await until_it_says(stranger, ["The bot has all required permissions"])
