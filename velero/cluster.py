"""One cluster: its gateways, features and health. A cluster that is down is a state here, not an exception."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import Any

from domain.errors import ClusterError, NotFound
from velero.access import Permission, missing_permissions
from velero.api import Api
from velero.artifacts.downloads import Downloads, File, download_requests
from velero.artifacts.object_store import ObjectStore
from velero.artifacts.reader import Artifacts
from velero.connection import Access
from velero.features import Features, read_features
from velero.gateway import Gateway
from velero.health import Health, HealthBoard
from velero.kinds import KINDS, WATCHED
from velero.objects import Object
from velero.reflector import Known, Reflector, ReflectorTimes
from velero.resources.backups import backup_rows, backups
from velero.resources.configmaps import config_maps
from velero.resources.data_movement import data_downloads, data_uploads
from velero.resources.deletions import deletions
from velero.resources.locations import snapshot_locations, storage_locations
from velero.resources.namespaces import namespaces
from velero.resources.pod_volumes import pod_volume_backups, pod_volume_restores
from velero.resources.repositories import repositories
from velero.resources.requests import remove_leftovers
from velero.resources.restores import restore_rows, restores
from velero.resources.schedules import schedules
from velero.resources.server_status import ServerStatus, server_status, status_requests

SERVER = "server"
_API = "api"


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """`hosts` are the object stores that files may be fetched from."""

    name: str
    access: Access
    namespace: str = "velero"
    object_store_hosts: tuple[str, ...] = ()
    reflector_times: ReflectorTimes | None = None


class Cluster:
    def __init__(self, settings: ClusterSettings, *, now: Callable[[], datetime], random: Random) -> None:
        self.name = settings.name
        self.namespace = settings.namespace
        self.features = Features()
        self.api = Api(settings.name, settings.access)
        self.board = HealthBoard(settings.name, now)
        self._reflector_times = settings.reflector_times
        self._random = random
        api, namespace = self.api, settings.namespace
        self.backups = backups(api, namespace)
        self.restores = restores(api, namespace)
        self.schedules = schedules(api, namespace)
        self.storage_locations = storage_locations(api, namespace)
        self.snapshot_locations = snapshot_locations(api, namespace)
        self.deletions = deletions(api, namespace)
        self.repositories = repositories(api, namespace)
        self.pod_volume_backups = pod_volume_backups(api, namespace)
        self.pod_volume_restores = pod_volume_restores(api, namespace)
        self.data_uploads = data_uploads(api, namespace)
        self.data_downloads = data_downloads(api, namespace)
        self.config_maps = config_maps(api, namespace)
        self.namespaces = namespaces(api)
        self._status_requests = status_requests(api, namespace)
        self._download_requests = download_requests(api, namespace)
        self.artifacts = Artifacts(
            Downloads(self._download_requests, ObjectStore(settings.object_store_hosts), self._certificates_of_location)
        )
        self._rows: Mapping[str, Gateway[Any]] = {
            gateway.kind.name: gateway for gateway in (backup_rows(api, namespace), restore_rows(api, namespace))
        }
        self._by_kind: Mapping[str, Gateway[Any]] = {
            gateway.kind.name: gateway
            for gateway in (
                self.backups,
                self.restores,
                self.schedules,
                self.storage_locations,
                self.snapshot_locations,
                self.deletions,
                self.repositories,
                self.pod_volume_backups,
                self.pod_volume_restores,
                self.data_uploads,
                self.data_downloads,
                self.config_maps,
                self.namespaces,
                self._status_requests,
                self._download_requests,
            )
        }

    @property
    def uid(self) -> str:
        """Identifies the cluster in notifications; empty until the bot reached it once."""
        return self.features.uid

    @property
    def health(self) -> Health:
        """Health of the cluster's API."""
        return self.board.get(_API)

    def gateway(self, kind: str) -> Gateway[Object]:
        """Return the gateway of a kind, by the name that a plan's step uses. Raises NotFound."""
        if kind not in self._by_kind:
            raise NotFound(f"Unknown resource kind `{kind}`.", nearest=tuple(KINDS))
        return self._by_kind[kind]

    def reflector(self, kind: str, known: Known, *, resource_version: str = "") -> Reflector[Any]:
        """Return the reflector of one watched kind. Run one per name in `WATCHED_KINDS`; `batches()` never ends.

        Backups and restores are followed as rows, because there are thousands of them.
        """
        gateway: Gateway[Any] = self._rows.get(kind) or self.gateway(kind)
        return Reflector(
            gateway, self.board, known, self._random, resource_version=resource_version, times=self._reflector_times
        )

    async def open(self) -> Health:
        """Read versions and kinds; never raises. Call it every minute, also after the cluster has responded."""
        try:
            self.features = await read_features(self.api, self.namespace, velero=self.features.velero)
        except ClusterError as error:
            self.board.record_failure(_API, error)
        else:
            self.board.record_ok(_API)
        return self.health

    async def server_status(self, *, within: float = 5.0, record_failure: bool = True) -> ServerStatus:
        """Ask the Velero server; `answered` is False if it doesn't respond. Raises ClusterError if the cluster doesn't.

        Without `record_failure`, no response doesn't change the server's recorded health: the wait may be short.
        """
        status = await server_status(self._status_requests, within=within)
        if status.answered:
            self.features = replace(self.features, velero=status.version or self.features.velero)
            self.board.record_ok(SERVER)
        elif record_failure:
            self.board.record_failure(SERVER, ClusterError(self.name, f"Velero in {self.name} doesn't respond."))
        return status

    async def remove_leftovers(self, now: datetime) -> int:
        """Delete the bot's requests that a killed process left behind. Raises ClusterError if the cluster doesn't respond."""
        return await remove_leftovers(self._status_requests, now) + await remove_leftovers(self._download_requests, now)

    async def _certificates_of_location(self, file: File, name: str) -> str:
        backup = (await self.restores.get(name)).backup if file.of_restore else name
        location = await self.storage_locations.get((await self.backups.get(backup)).storage_location)
        return location.ca

    async def missing_permissions(self) -> tuple[Permission, ...]:
        return await missing_permissions(self.api, self.namespace)

    async def close(self) -> None:
        await self.api.close()


WATCHED_KINDS: tuple[str, ...] = tuple(kind.name for kind in WATCHED)
