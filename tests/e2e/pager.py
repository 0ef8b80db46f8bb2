"""The real Alertmanager, alone and on loopback; whom it pages is a server of the test."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.bot.webhooks.receiver import Receiver
from tests.e2e.api import Json
from tests.e2e.ports import free_ports
from tests.e2e.processes import Keeper, Process

CONFIG = """
route:
  receiver: on-call
  group_by: ["..."]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: on-call
    webhook_configs:
      - url: {url}
        send_resolved: true
"""


@dataclass(slots=True)
class Pager:
    """`on_call` is whom it pages."""

    process: Process
    session: aiohttp.ClientSession
    url: str
    on_call: Receiver

    async def start(self) -> None:
        self.process.start()
        async with asyncio.timeout(30):
            while not await self._ready():
                self.process.check()
                await asyncio.sleep(0.05)

    async def _ready(self) -> bool:
        try:
            async with self.session.get(f"{self.url}/-/ready") as response:
                return response.status == 200
        except aiohttp.ClientConnectionError:
            return False

    async def firing(self, **labels: str) -> list[Json]:
        """By its own API, which tells nothing that is resolved."""
        async with self.session.get(f"{self.url}/api/v2/alerts") as response:
            found = await response.json()
        return [each for each in found if labels.items() <= each["labels"].items()]

    async def fires(self, *, within: float = 60.0, **labels: str) -> Json:
        """The one alert with these labels."""
        async with asyncio.timeout(within):
            while not (found := await self.firing(**labels)):
                await asyncio.sleep(0.2)
        (one,) = found
        return one

    async def takes(self, body: Json | list[Json]) -> int:
        async with self.session.post(f"{self.url}/api/v2/alerts", json=body) as response:
            return response.status

    def pages(self, fingerprint: str, status: str) -> list[Json]:
        """The pages about one alert."""
        told = [each for call in self.on_call.calls for each in json.loads(call.body)["alerts"]]
        return [each for each in told if (each["fingerprint"], each["status"]) == (fingerprint, status)]

    async def paged(self, fingerprint: str, status: str, within: float = 60.0) -> Json:
        await self.on_call.until(lambda: bool(self.pages(fingerprint, status)), within)
        return self.pages(fingerprint, status)[0]


async def open_pager(binary: Path, directory: Path, keeper: Keeper, session: aiohttp.ClientSession) -> Pager:
    directory.mkdir()
    on_call = await Receiver().start()
    config = directory / "alertmanager.yaml"
    config.write_text(CONFIG.format(url=on_call.url), "utf-8")
    (port,) = free_ports("127.0.0.1", 1)
    address = f"127.0.0.1:{port}"
    argv = [
        str(binary),
        f"--config.file={config}",
        f"--storage.path={directory / 'data'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]
    process = Process("alertmanager", argv, directory / "alertmanager.log", keeper)
    pager = Pager(process, session, f"http://{address}", on_call)
    await pager.start()
    return pager
