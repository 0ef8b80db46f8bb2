"""The Role against what the code uses: no verb too few, none too many, and each with its reason."""

import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from random import Random
from uuid import uuid4

import pytest

from domain.errors import Forbidden
from sandbox.bucket import Buckets
from sandbox.clock import RealClock
from sandbox.kubernetes.auth import User
from sandbox.kubernetes.objects import Objects
from sandbox.kubernetes.server import KubernetesEmulator
from sandbox.rights import RIGHTS, bot_user, granted
from sandbox.velero.emulator import VeleroEmulator
from tests.deploy.rendering import DEPLOY, load, one, render
from velero.access import OPTIONAL_PERMISSIONS, REQUIRED_PERMISSIONS
from velero.artifacts.downloads import File
from velero.cluster import WATCHED_KINDS, Cluster, ClusterSettings
from velero.connection import Direct
from velero.resources.configmaps import create_copy
from velero.resources.deletions import delete_backup
from velero.resources.pod_volumes import backup_selector

Right = tuple[str, str, str]


def rights(role: dict) -> set[Right]:
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.fixture
def role() -> dict:
    return one(render(DEPLOY), "Role")


@pytest.fixture
def cluster_role() -> dict:
    return one(render(DEPLOY), "ClusterRole")


def test_the_role_is_what_the_code_needs_and_nothing_else(role, cluster_role):
    needed = {(kind.group, kind.plural, verb) for kind, verbs in REQUIRED_PERMISSIONS for verb in verbs}
    useful = {(kind.group, kind.plural, verb) for kind, verb, _ in OPTIONAL_PERMISSIONS}
    assert rights(role) | rights(cluster_role) == needed | useful


def test_what_is_only_useful_is_granted_by_name(role):
    named = {rule["resources"][0]: rule["resourceNames"] for rule in role["rules"] if "resourceNames" in rule}
    assert named == {kind.plural: [name] for kind, _, name in OPTIONAL_PERMISSIONS}


def test_what_is_granted_everywhere_is_read_only(cluster_role):
    previews = load(DEPLOY / "components" / "previews" / "clusterrole.yaml")[0]
    assert {verb for _, _, verb in rights(cluster_role) | rights(previews)} == {"get", "list"}
    assert "secrets" not in {resource for _, resource, _ in rights(previews)}


def test_the_sandbox_s_bot_has_the_rights_of_deploy_and_no_others(role, cluster_role):
    previews = one(load(RIGHTS[-1]), "ClusterRole", "velero-chatops-previews")
    assert bot_user().grants == granted([role, cluster_role, previews])


@pytest.mark.parametrize(
    "file", ["rights/role.yaml", "rights/clusterrole.yaml", "components/previews/clusterrole.yaml"]
)
def test_every_rule_has_its_reason(file):
    lines = (DEPLOY / file).read_text("utf-8").splitlines()
    rules = [number for number, line in enumerate(lines) if line.startswith("  - apiGroups:")]
    reasons = [number for number in rules if re.match(r"  # \w", lines[number - 1])]
    assert rules
    # Rules of one reason stand together in the preview role.
    assert len(reasons) == len(rules) or "previews" in file


def test_no_wildcards(role, cluster_role):
    assert not any("*" in right for right in rights(role) | rights(cluster_role))


class World:
    def __init__(self, server: KubernetesEmulator, cluster: Cluster) -> None:
        self.server, self.cluster = server, cluster

    def allow(self, *roles: dict) -> None:
        self.server.tokens["bot"] = User("bot", granted(roles))


@pytest.fixture
async def world(role, cluster_role) -> AsyncIterator[World]:
    clock = RealClock(speed=50)
    objects, buckets = Objects(now=clock.now, new_id=lambda: str(uuid4())), Buckets(clock)
    store = await buckets.start()
    buckets.create("velero")
    server = KubernetesEmulator(objects, {}, bookmark_every=0.2)
    await server.start()
    velero = VeleroEmulator(objects, buckets, clock)
    objects.create("namespaces", None, {"metadata": {"name": "shop"}})
    await velero.start()
    spec = {"provider": "aws", "objectStorage": {"bucket": "velero"}, "config": {"s3Url": store}, "default": True}
    objects.create("backupstoragelocations", "velero", {"metadata": {"name": "default"}, "spec": spec})
    objects.create("configmaps", "velero", {"metadata": {"name": "policies"}, "data": {"a": "b"}})
    settings = ClusterSettings("prod", Direct(server.url, "bot"), object_store_hosts=(store.removeprefix("http://"),))
    cluster = Cluster(settings, now=lambda: datetime.now(UTC), random=Random(1))
    made = World(server, cluster)
    made.allow(role, cluster_role)
    yield made
    await cluster.close()
    await velero.stop()
    await server.close()
    await buckets.stop()


async def run(cluster: Cluster) -> None:
    """A backup from its creation to its deletion, and all that is read on the way."""
    await cluster.open()
    assert (await cluster.server_status()).answered
    assert await cluster.remove_leftovers(datetime.now(UTC)) == 0
    made = await cluster.backups.create({"metadata": {"name": "b"}, "spec": {"storageLocation": "default"}})
    for kind in WATCHED_KINDS:
        async with aclosing(cluster.reflector(kind, _nothing).batches()) as batches:
            async for batch in batches:
                if batch.complete:
                    break
    async with aclosing(cluster.reflector("Backup", _nothing, resource_version="1").batches()) as batches:
        async for batch in batches:
            if any(getattr(one.value, "has_ended", False) for one in batch.observations):
                break
    assert await cluster.artifacts.downloads.read(File.BACKUP_LOG, "b")
    await cluster.pod_volume_backups.list(selector=backup_selector("b"))
    await cluster.backups.patch("b", {"metadata": {"labels": {"velero-chatops.io/hold": "true"}}})
    await create_copy(cluster.config_maps, await cluster.config_maps.get("policies"))
    await delete_backup(cluster.deletions, "b", made.uid, name="d")


async def _nothing() -> dict[str, str]:
    return {}


async def test_the_bot_lives_by_its_role(world):
    assert await world.cluster.missing_permissions() == ()
    await run(world.cluster)


async def test_and_tells_what_is_missing_without_it(world, role, cluster_role):
    rules = [rule for rule in role["rules"] if "downloadrequests" not in rule["resources"]]
    world.allow({**role, "rules": rules}, cluster_role)
    missing = {(right.verb, right.resource) for right in await world.cluster.missing_permissions()}
    assert ("create", "downloadrequests.velero.io") in missing
    with pytest.raises(Forbidden):
        await run(world.cluster)
