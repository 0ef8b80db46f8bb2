"""`api`, the door that the contract tests go through, opened on a real API server: a namespace of its own for each."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import aiohttp
import pytest

from sandbox.kubernetes.raw import RawApi
from tests.e2e.api import Json
from tests.e2e.cluster import NAMESPACES, RealCluster, namespace

NUMBERS = itertools.count(1)
RBAC = "rbac.authorization.k8s.io/v1"


def reader(inside: str) -> list[Json]:
    """A user with the rights of the emulator's bot: get, list and watch the backups of one namespace."""
    metadata = {"name": "reader", "namespace": inside}
    rules = [{"apiGroups": ["velero.io"], "resources": ["backups"], "verbs": ["get", "list", "watch"]}]
    subject = {"kind": "User", "name": "bot", "apiGroup": "rbac.authorization.k8s.io"}
    role = {"kind": "Role", "name": "reader", "apiGroup": "rbac.authorization.k8s.io"}
    return [
        {"apiVersion": RBAC, "kind": "Role", "metadata": metadata, "rules": rules},
        {"apiVersion": RBAC, "kind": "RoleBinding", "metadata": metadata, "subjects": [subject], "roleRef": role},
    ]


@pytest.fixture(scope="session")
async def trusting(cluster: RealCluster) -> AsyncIterator[aiohttp.ClientSession]:
    """A session that knows the API server's certificate."""
    connector = aiohttp.TCPConnector(ssl=cluster.api.tls)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as session:
        yield session


@pytest.fixture
async def api(cluster: RealCluster, trusting: aiohttp.ClientSession) -> AsyncIterator[RawApi]:
    name = f"contract-{next(NUMBERS)}"
    await cluster.api.apply(namespace(name), *reader(name))
    door = RawApi(cluster.url, cluster.admin_token, cluster.bot_token, trusting, name)
    async with asyncio.timeout(10):  # the authorizer hears of a new role by a watch of its own
        while (await door.call("GET", door.path("backups"), token=door.bot_token)).status == 403:
            await asyncio.sleep(0.02)
    yield door
    await cluster.api.call("DELETE", NAMESPACES.path(None, name))
