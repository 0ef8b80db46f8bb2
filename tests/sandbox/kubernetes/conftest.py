"""An emulated cluster per test, and `api`: the same door that a real API server has."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from uuid import UUID

import aiohttp
import pytest

from sandbox.kubernetes.auth import Grant, User, admin
from sandbox.kubernetes.faults import Trouble
from sandbox.kubernetes.objects import Objects
from sandbox.kubernetes.raw import RawApi
from sandbox.kubernetes.server import KubernetesEmulator

NAMESPACE = "velero"


@pytest.fixture
def objects() -> Objects:
    ids = (str(UUID(int=n)) for n in count(1))
    made = Objects(now=lambda: datetime(2026, 11, 21, 10, 0, tzinfo=UTC), new_id=lambda: next(ids))
    made.create("namespaces", None, {"metadata": {"name": NAMESPACE}})
    return made


@pytest.fixture
async def emulator(objects: Objects) -> AsyncIterator[KubernetesEmulator]:
    bot = User("bot", (Grant({"backups"}, {"get", "list", "watch"}, {NAMESPACE}),))
    server = KubernetesEmulator(objects, {"admin-token": admin(), "bot-token": bot})
    await server.start()
    yield server
    await server.close()


class Forgetful:
    """The emulator as the contract of forgetting sees it."""

    def __init__(self, emulator: KubernetesEmulator, objects: Objects) -> None:
        self._emulator = emulator
        self._objects = objects

    async def compact(self) -> None:
        self._objects.compact(watches=False)

    async def restart(self) -> None:
        await self._emulator.restart()

    @asynccontextmanager
    async def throttle(self) -> AsyncIterator[None]:
        self._emulator.faults.on(Trouble.THROTTLED)
        yield
        self._emulator.faults.clear(Trouble.THROTTLED)


@pytest.fixture
def server(emulator: KubernetesEmulator, objects: Objects) -> Forgetful:
    return Forgetful(emulator, objects)


@pytest.fixture
async def api(emulator: KubernetesEmulator) -> AsyncIterator[RawApi]:
    async with aiohttp.ClientSession() as session:
        yield RawApi(emulator.url, "admin-token", "bot-token", session, NAMESPACE)
