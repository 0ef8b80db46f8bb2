"""The contract of forgetting, held to a real API server that is killed, throttled and asked to leave; its etcd compacted."""

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest

from sandbox.kubernetes.raw import RawApi
from tests.e2e.api import Resource
from tests.e2e.cluster import NAMESPACES, RealCluster, namespace
from tests.e2e.contract.conftest import reader
from tests.e2e.control_plane import READY_SECONDS
from tests.sandbox.kubernetes.test_contract_forgetting import *  # noqa: F403

FLOWS = "flowcontrol.apiserver.k8s.io/v1"
NAME = "nobody-now"
NUMBERS = itertools.count(1)
LISTENS = "--listen-client-urls="


@dataclass(frozen=True, slots=True)
class Server:
    cluster: RealCluster
    api: RawApi

    async def compact(self) -> None:
        """Up to now, in etcd itself; the API server's cache goes on knowing what it knows."""
        (etcd,) = [word.removeprefix(LISTENS) for word in self.cluster.control_plane.etcd.argv if LISTENS in word]
        now = (await self.api.call("GET", self.api.path("backups"))).version
        async with self.cluster.session.post(f"{etcd}/v3/kv/compaction", json={"revision": now}) as response:
            assert response.status == 200, await response.text()

    async def restart(self) -> None:
        """Until its cache of the kind is filled as well."""
        await self.cluster.apiserver.kill()
        await self.cluster.apiserver.start()
        await self._until(200, resourceVersion="0")

    @asynccontextmanager
    async def throttle(self) -> AsyncIterator[None]:
        """A priority of its own for the bot, that serves one at a time; and one who takes long."""
        api, levels, schemas = self.cluster.api, Resource(FLOWS, "prioritylevelconfigurations"), "flowschemas"
        limited = {"nominalConcurrencyShares": 0, "lendablePercent": 0, "limitResponse": {"type": "Reject"}}
        limited["borrowingLimitPercent"] = 0
        level = {"kind": "PriorityLevelConfiguration", "spec": {"type": "Limited", "limited": limited}}
        everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}
        rule = {"subjects": [{"kind": "User", "user": {"name": "bot"}}], "resourceRules": [everything]}
        spec = {"priorityLevelConfiguration": {"name": NAME}, "matchingPrecedence": 2, "rules": [rule]}
        for made in (level, {"kind": "FlowSchema", "spec": spec}):
            await api.apply({"apiVersion": FLOWS, "metadata": {"name": NAME}, **made})
        waiting = asyncio.create_task(self._occupy())
        await self._until(429)
        yield
        waiting.cancel()
        await api.do("DELETE", Resource(FLOWS, schemas).path(None, NAME))
        await api.do("DELETE", levels.path(None, NAME))
        await self._until(200)

    async def _occupy(self) -> None:
        """A list from the future is waited for, three seconds each."""
        path = self.api.path("backups")
        while True:
            await self.api.call("GET", path, token=self.api.bot_token, resourceVersion="99999999")

    async def _until(self, status: int, **query: str) -> None:
        path = self.api.path("backups")
        async with asyncio.timeout(READY_SECONDS):
            while (await self.api.call("GET", path, token=self.api.bot_token, **query)).status != status:
                await asyncio.sleep(0.05)


@pytest.fixture
async def api(cluster: RealCluster) -> AsyncIterator[RawApi]:
    name = f"forgetting-{next(NUMBERS)}"
    await cluster.api.apply(namespace(name), *reader(name))
    connector = aiohttp.TCPConnector(ssl=cluster.api.tls)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as session:
        yield RawApi(cluster.url, cluster.admin_token, cluster.bot_token, session, name)
    await cluster.api.call("DELETE", NAMESPACES.path(None, name))


@pytest.fixture
def server(cluster: RealCluster, api: RawApi) -> Server:
    return Server(cluster, api)


async def test_asked_to_leave_it_takes_nobody_new_and_keeps_its_watches(cluster: RealCluster, api: RawApi) -> None:
    start = (await api.backup("a")).version
    async with api.watch(api.path("backups"), resourceVersion=start) as watch:
        os.kill(cluster.apiserver.process.pid, signal.SIGTERM)
        async with asyncio.timeout(READY_SECONDS):
            while await listens(cluster):
                await asyncio.sleep(0.05)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(watch.line(), 2)
        await cluster.apiserver.kill()
        with pytest.raises((aiohttp.ClientError, ValueError)):
            await watch.line()
    await cluster.apiserver.start()


async def listens(cluster: RealCluster) -> bool:
    """To somebody who comes anew."""
    connector = aiohttp.TCPConnector(ssl=cluster.api.tls, force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        try:
            async with session.get(f"{cluster.url}/version"):
                return True
        except aiohttp.ClientConnectionError:
            return False
