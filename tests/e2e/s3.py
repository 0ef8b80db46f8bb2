"""A real S3 server in memory, shared by every cluster of a run."""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.e2e.processes import Keeper, Process

BUCKET = "velero"


@dataclass(slots=True)
class ObjectStore:
    """Buckets over plain HTTP, without authentication."""

    process: Process
    session: aiohttp.ClientSession
    url: str

    async def keys(self, prefix: str = "", bucket: str = BUCKET) -> list[str]:
        parameters = {"list-type": "2", "prefix": prefix}
        async with self.session.get(f"{self.url}/{bucket}", params=parameters) as response:
            return re.findall("<Key>([^<]*)</Key>", await response.text())

    async def read(self, key: str, bucket: str = BUCKET) -> bytes:
        async with self.session.get(f"{self.url}/{bucket}/{key}") as response:
            response.raise_for_status()
            return await response.read()

    async def make_bucket(self, bucket: str) -> None:
        async with self.session.put(f"{self.url}/{bucket}") as response:
            response.raise_for_status()


async def start_store(
    python: Path, directory: Path, keeper: Keeper, session: aiohttp.ClientSession, address: str, port: int
) -> ObjectStore:
    argv = [str(python), "-m", "moto.server", "-H", address, "-p", str(port)]
    process = Process("s3", argv, directory / "s3.log", keeper)
    store = ObjectStore(process, session, f"http://{address}:{port}")
    process.start()
    async with asyncio.timeout(30):
        while not await _answers(store):
            process.check()
            await asyncio.sleep(0.05)
    return store


async def _answers(store: ObjectStore) -> bool:
    try:
        await store.make_bucket(BUCKET)
    except aiohttp.ClientConnectionError:
        return False
    return True
