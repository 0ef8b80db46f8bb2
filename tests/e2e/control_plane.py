"""etcd, kube-apiserver and kube-controller-manager: a real Kubernetes without a node."""

import asyncio
import json
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.e2e.build import Parts
from tests.e2e.ports import free_ports
from tests.e2e.processes import Keeper, Process

ADMIN_TOKEN = "set-up-only"
BOT_TOKEN = "bot"
STRANGER_TOKEN = "stranger"
READY_SECONDS = 30.0


@dataclass(slots=True)
class ApiServer:
    """The API server's process and how to reach it; its data outlives a kill, in etcd."""

    process: Process
    session: aiohttp.ClientSession
    url: str
    ca: Path

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))

    async def start(self) -> None:
        self.process.start()
        deadline = time.monotonic() + READY_SECONDS
        while not await self._ready():
            self.process.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"the API server is not ready:\n{self.process.last_words()}")
            await asyncio.sleep(0.05)

    async def _ready(self) -> bool:
        if not self.ca.exists():
            return False
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        try:
            async with self.session.get(f"{self.url}/readyz", headers=headers, ssl=self.tls) as response:
                return response.status == 200
        except (aiohttp.ClientConnectionError, ssl.SSLError):
            return False

    async def kill(self) -> None:
        await self.process.kill()

    async def stop(self) -> None:
        await self.process.stop()


@dataclass(slots=True)
class ControlPlane:
    """The processes of a cluster without Velero."""

    etcd: Process
    apiserver: ApiServer
    controller_manager: Process

    @property
    def processes(self) -> list[Process]:
        return [self.controller_manager, self.apiserver.process, self.etcd]

    async def close(self) -> None:
        for process in self.processes:
            await process.kill()


async def start_control_plane(
    parts: Parts, directory: Path, keeper: Keeper, session: aiohttp.ClientSession, address: str
) -> ControlPlane:
    client, peer, secure = free_ports(address, 3)
    etcd = etcd_process(parts, directory, keeper, client, peer)
    write_identities(directory)
    argv = apiserver_command(parts, directory, f"http://127.0.0.1:{client}", address, secure)
    process = Process("kube-apiserver", argv, directory / "kube-apiserver.log", keeper)
    url = f"https://{address}:{secure}"
    apiserver = ApiServer(process, session, url, directory / "certificates" / "apiserver.crt")
    etcd.start()
    await apiserver.start()
    controllers = controller_manager_process(parts, directory, keeper, apiserver)
    controllers.start()
    return ControlPlane(etcd, apiserver, controllers)


def etcd_process(parts: Parts, directory: Path, keeper: Keeper, client: int, peer: int) -> Process:
    here, there = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    argv = [
        str(parts.etcd),
        f"--data-dir={directory / 'etcd'}",
        f"--listen-client-urls={here}",
        f"--advertise-client-urls={here}",
        f"--listen-peer-urls={there}",
        f"--initial-advertise-peer-urls={there}",
        f"--initial-cluster=default={there}",
        "--unsafe-no-fsync",
    ]
    return Process("etcd", argv, directory / "etcd.log", keeper)


def apiserver_command(parts: Parts, directory: Path, etcd_url: str, address: str, port: int) -> list[str]:
    key = directory / "service-accounts.key"
    return [
        str(parts.apiserver),
        f"--etcd-servers={etcd_url}",
        f"--secure-port={port}",
        f"--bind-address={address}",
        f"--advertise-address={address}",
        "--endpoint-reconciler-type=none",
        f"--cert-dir={directory / 'certificates'}",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        f"--service-account-issuer=https://{address}:{port}",
        "--service-cluster-ip-range=10.0.0.0/24",
        f"--token-auth-file={directory / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--disable-admission-plugins=ServiceAccount",
    ]


def controller_manager_process(parts: Parts, directory: Path, keeper: Keeper, apiserver: ApiServer) -> Process:
    config = write_kubeconfig(directory / "controllers.kubeconfig", apiserver, ADMIN_TOKEN, "default")
    argv = [
        str(parts.controller_manager),
        f"--kubeconfig={config}",
        "--controllers=namespace-controller,garbage-collector-controller",
        "--leader-elect=false",
        "--secure-port=0",
    ]
    return Process("kube-controller-manager", argv, directory / "kube-controller-manager.log", keeper)


def write_identities(directory: Path) -> None:
    """A signing key, a token that may do everything, one that may do what it is bound to, and one that nobody binds."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    (directory / "service-accounts.key").write_bytes(pem)
    tokens = [
        f'{ADMIN_TOKEN},admin,admin,"system:masters"',
        f"{BOT_TOKEN},bot,bot",
        f"{STRANGER_TOKEN},stranger,stranger",
    ]
    (directory / "tokens.csv").write_text("\n".join(tokens) + "\n")


def write_kubeconfig(path: Path, apiserver: ApiServer, token: str, namespace: str) -> Path:
    """JSON is YAML, so every client reads it."""
    cluster = {"server": apiserver.url, "certificate-authority": str(apiserver.ca)}
    context = {"cluster": "e2e", "user": "e2e", "namespace": namespace}
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "e2e", "cluster": cluster}],
        "users": [{"name": "e2e", "user": {"token": token}}],
        "contexts": [{"name": "e2e", "context": context}],
        "current-context": "e2e",
    }
    path.write_text(json.dumps(config, indent=1))
    return path
