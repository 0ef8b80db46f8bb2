"""A real cluster with a real Velero, as the tests use it."""

import asyncio
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.e2e.api import Api, Json, Resource
from tests.e2e.build import Parts
from tests.e2e.control_plane import (
    ADMIN_TOKEN,
    BOT_TOKEN,
    ApiServer,
    ControlPlane,
    start_control_plane,
    write_kubeconfig,
)
from tests.e2e.network import Annex
from tests.e2e.processes import Keeper, Process
from tests.e2e.s3 import BUCKET, ObjectStore

NAMESPACE = "velero"
LOCATION = "default"
CLI_SECONDS = 120.0
FLAGS = (
    "--profiler-address=",
    "--backup-sync-period=10s",
    "--store-validation-frequency=5s",
    "--garbage-collection-frequency=10s",
    "--resource-timeout=30s",
    "--concurrent-backups=8",  # with one, what is queued behind a very short backup often waits for the minute's tick
)

NAMESPACES = Resource("v1", "namespaces")
DEPLOYMENTS = Resource("apps/v1", "deployments")


@dataclass(slots=True)
class VeleroServer:
    """Velero's server; it takes up where it was when it is started again."""

    process: Process
    api: Api

    async def start(self) -> None:
        """Waits until Velero processes a status request."""
        self.process.start()
        request = {"apiVersion": "velero.io/v1", "kind": "ServerStatusRequest", "metadata": {"generateName": "up-"}}
        made = await self.api.create("serverstatusrequests", request)
        name = made["metadata"]["name"]
        try:
            await self.api.wait_phase("serverstatusrequests", name, "Processed")
        except AssertionError as error:
            raise AssertionError(f"Velero doesn't respond:\n{self.process.last_words()}") from error
        await self.api.delete("serverstatusrequests", name)

    async def kill(self) -> None:
        await self.process.kill()

    async def stop(self) -> None:
        await self.process.stop()

    async def restart(self) -> None:
        await self.kill()
        await self.start()


@dataclass(slots=True)
class RealCluster:
    """One API server with one Velero and a bucket; everything in it may be killed and started again."""

    name: str
    directory: Path
    session: aiohttp.ClientSession
    control_plane: ControlPlane
    store: ObjectStore
    velero: VeleroServer
    api: Api
    velero_binary: Path
    started_in: float  # seconds
    namespace: str = NAMESPACE
    bucket: str = BUCKET
    admin_token: str = ADMIN_TOKEN
    bot_token: str = BOT_TOKEN

    @property
    def url(self) -> str:
        return self.api.url

    @property
    def apiserver(self) -> ApiServer:
        return self.control_plane.apiserver

    @property
    def ca(self) -> Path:
        return self.apiserver.ca

    @property
    def processes(self) -> list[Process]:
        return [self.velero.process, *self.control_plane.processes]

    def api_as(self, token: str) -> Api:
        """The same API server, asked with another token."""
        return Api(self.session, self.url, token, self.api.tls, self.namespace)

    def kubeconfig(self, path: Path, token: str) -> Path:
        return write_kubeconfig(path, self.apiserver, token, self.namespace)

    async def cli(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """The real velero CLI, as administrator."""
        return await asyncio.to_thread(self.run_cli, *arguments, check=check)

    def run_cli(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """The same for callers without an event loop."""
        return run_velero(self.velero_binary, self.directory, arguments, check=check)

    async def close(self) -> None:
        await self.velero.kill()
        await self.control_plane.close()


def run_velero(
    binary: Path, directory: Path, arguments: Sequence[str], *, check: bool
) -> subprocess.CompletedProcess[str]:
    argv = [str(binary), "--kubeconfig", str(directory / "admin.kubeconfig"), "--namespace", NAMESPACE, *arguments]
    environment = {**os.environ, "HOME": str(directory)}  # the CLI reads a file of defaults from there
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=CLI_SECONDS, env=environment)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(argv)}\n{done.stdout}{done.stderr}")
    return done


async def start_cluster(
    name: str,
    parts: Parts,
    directory: Path,
    keeper: Keeper,
    session: aiohttp.ClientSession,
    store: ObjectStore,
    annex: Annex | None = None,
    access: str = "ReadWrite",
) -> RealCluster:
    """With `annex` its Velero runs in that network, so that a second one can live on this machine."""
    begun = time.monotonic()
    directory.mkdir()
    address = "127.0.0.1" if annex is None else annex.address
    control_plane = await start_control_plane(parts, directory, keeper, session, address)
    try:
        apiserver = control_plane.apiserver
        api = Api(session, apiserver.url, ADMIN_TOKEN, apiserver.tls, NAMESPACE)
        write_kubeconfig(directory / "admin.kubeconfig", apiserver, ADMIN_TOKEN, NAMESPACE)
        await asyncio.to_thread(run_velero, parts.velero, directory, ["install", "--crds-only"], check=True)
        await api.apply(namespace(NAMESPACE), deployment(), location(store.url, access))
        velero = VeleroServer(velero_process(parts, directory, keeper, annex, store), api)
        await velero.start()
        await api.wait_phase("backupstoragelocations", LOCATION, "Available")
    except BaseException:
        await control_plane.close()
        raise
    took = time.monotonic() - begun
    return RealCluster(name, directory, session, control_plane, store, velero, api, parts.velero, took)


def velero_process(parts: Parts, directory: Path, keeper: Keeper, annex: Annex | None, store: ObjectStore) -> Process:
    credentials = directory / "credentials"
    credentials.write_text("[default]\naws_access_key_id = nobody\naws_secret_access_key = nothing\n")
    config = str(directory / "admin.kubeconfig")
    argv = [str(parts.velero), "--namespace", NAMESPACE, "server", "--plugin-dir", str(parts.plugins), *FLAGS]
    enter: Callable[[Sequence[str]], Sequence[str]] = list if annex is None else annex.enter
    environment = {
        "AWS_ENDPOINT_URL_EC2": store.url,  # block devices and their snapshots
        "AWS_SHARED_CREDENTIALS_FILE": str(credentials),
        "HOME": str(directory),
        "KUBECONFIG": config,  # not a flag: plugins inherit the environment only
        "VELERO_NAMESPACE": NAMESPACE,
    }
    return Process("velero", enter(argv), directory / "velero.log", keeper, environment)


def namespace(name: str, labels: Mapping[str, str] | None = None) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels or {})}}


def deployment() -> Json:
    """Velero's plugin for pod volumes reads it; without it every restore ends in partial failure."""
    labels = {"app": "velero"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "velero", "image": "velero"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "velero", "namespace": NAMESPACE},
        "spec": {"selector": {"matchLabels": labels}, "template": pod},
    }


def location(s3_url: str, access: str, name: str = LOCATION, bucket: str = BUCKET) -> Json:
    config = {"region": "us-east-1", "s3ForcePathStyle": "true", "s3Url": s3_url, "checksumAlgorithm": ""}
    spec = {"provider": "aws", "objectStorage": {"bucket": bucket}, "config": config}
    return {
        "apiVersion": "velero.io/v1",
        "kind": "BackupStorageLocation",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {**spec, "accessMode": access, "default": name == LOCATION},
    }
