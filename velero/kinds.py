"""The Kubernetes kinds that the bot uses, with their group, version and path in the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import quote

from domain.errors import NotFound


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    plural: str
    group: str = "velero.io"
    version: str = "v1"
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """The name in access rules and messages: `backups.velero.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str = "") -> str:
        """Return the path of the collection."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{_segment(namespace)}" if self.namespaced else ""
        return f"{root}{scope}/{self.plural}"

    def object_path(self, namespace: str, name: str) -> str:
        """Return the path of one object. A typed name can't lead to another path. Raises NotFound."""
        return f"{self.path(namespace)}/{_segment(name)}"


def _segment(name: str) -> str:
    """Refuse empty names, `.` and `..`: the HTTP client resolves them away, quoted or not."""
    if not name.strip("."):
        raise NotFound(f"`{name}` isn't a valid name.")
    return quote(name, safe="")


BACKUP = Kind("Backup", "backups")
RESTORE = Kind("Restore", "restores")
SCHEDULE = Kind("Schedule", "schedules")
STORAGE_LOCATION = Kind("BackupStorageLocation", "backupstoragelocations")
SNAPSHOT_LOCATION = Kind("VolumeSnapshotLocation", "volumesnapshotlocations")
DELETION = Kind("DeleteBackupRequest", "deletebackuprequests")
DOWNLOAD = Kind("DownloadRequest", "downloadrequests")
SERVER_STATUS = Kind("ServerStatusRequest", "serverstatusrequests")
REPOSITORY = Kind("BackupRepository", "backuprepositories")
POD_VOLUME_BACKUP = Kind("PodVolumeBackup", "podvolumebackups")
POD_VOLUME_RESTORE = Kind("PodVolumeRestore", "podvolumerestores")
DATA_UPLOAD = Kind("DataUpload", "datauploads", version="v2alpha1")
DATA_DOWNLOAD = Kind("DataDownload", "datadownloads", version="v2alpha1")
NAMESPACE = Kind("Namespace", "namespaces", group="", namespaced=False)
CONFIG_MAP = Kind("ConfigMap", "configmaps", group="")
DEPLOYMENT = Kind("Deployment", "deployments", group="apps")
ACCESS_REVIEW = Kind(
    "SelfSubjectAccessReview", "selfsubjectaccessreviews", group="authorization.k8s.io", namespaced=False
)

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            BACKUP,
            RESTORE,
            SCHEDULE,
            STORAGE_LOCATION,
            SNAPSHOT_LOCATION,
            DELETION,
            DOWNLOAD,
            SERVER_STATUS,
            REPOSITORY,
            POD_VOLUME_BACKUP,
            POD_VOLUME_RESTORE,
            DATA_UPLOAD,
            DATA_DOWNLOAD,
            NAMESPACE,
            CONFIG_MAP,
        )
    }
)

WATCHED: tuple[Kind, ...] = (
    BACKUP,
    RESTORE,
    SCHEDULE,
    STORAGE_LOCATION,
    SNAPSHOT_LOCATION,
    DELETION,
    REPOSITORY,
)
