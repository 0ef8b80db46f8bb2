"""What the bot itself may do in a cluster, asked of the cluster (SelfSubjectAccessReview)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from domain.json_types import Json
from velero.fields import section, text
from velero.kinds import (
    ACCESS_REVIEW,
    BACKUP,
    CONFIG_MAP,
    DATA_DOWNLOAD,
    DATA_UPLOAD,
    DELETION,
    DEPLOYMENT,
    DOWNLOAD,
    NAMESPACE,
    POD_VOLUME_BACKUP,
    POD_VOLUME_RESTORE,
    REPOSITORY,
    RESTORE,
    SCHEDULE,
    SERVER_STATUS,
    SNAPSHOT_LOCATION,
    STORAGE_LOCATION,
    Kind,
)

if TYPE_CHECKING:
    from velero.api import Api

_FOLLOW = ("get", "list", "watch")
REQUIRED_PERMISSIONS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    (BACKUP, (*_FOLLOW, "create", "patch", "delete")),
    (RESTORE, (*_FOLLOW, "create", "delete")),
    (SCHEDULE, (*_FOLLOW, "create", "patch", "delete")),
    (DELETION, (*_FOLLOW, "create")),
    (DOWNLOAD, ("get", "list", "create", "delete")),
    (SERVER_STATUS, ("get", "list", "create", "delete")),
    (STORAGE_LOCATION, (*_FOLLOW, "create", "patch", "delete")),
    (SNAPSHOT_LOCATION, (*_FOLLOW, "create", "patch", "delete")),
    (REPOSITORY, _FOLLOW),
    (POD_VOLUME_BACKUP, ("list",)),
    (POD_VOLUME_RESTORE, ("list",)),
    (DATA_UPLOAD, ("list",)),
    (DATA_DOWNLOAD, ("list",)),
    (CONFIG_MAP, ("get", "create", "delete")),
    (NAMESPACE, ("get", "list")),
)

OPTIONAL_PERMISSIONS: tuple[tuple[Kind, str, str], ...] = ((DEPLOYMENT, "get", "velero"),)
"""Kind, verb and name: without them something is not said, and nothing fails."""


@dataclass(frozen=True, slots=True)
class Permission:
    verb: str
    resource: str
    namespace: str
    allowed: bool
    reason: str = ""


async def check_permission(api: Api, verb: str, kind: Kind, namespace: str = "", name: str = "") -> Permission:
    wanted = {
        "verb": verb,
        "group": kind.group,
        "resource": kind.plural,
        "namespace": namespace if kind.namespaced else "",
        "name": name,
    }
    body: Json = {
        "apiVersion": ACCESS_REVIEW.api_version,
        "kind": ACCESS_REVIEW.name,
        "spec": {"resourceAttributes": {key: value for key, value in wanted.items() if value}},
    }
    status = section(await api.request("POST", ACCESS_REVIEW.path(), body=body), "status")
    return Permission(verb, kind.resource, wanted["namespace"], status.get("allowed") is True, text(status, "reason"))


async def missing_permissions(api: Api, namespace: str) -> tuple[Permission, ...]:
    """What the bot needs and does not have."""
    found = [
        await check_permission(api, verb, kind, namespace) for kind, verbs in REQUIRED_PERMISSIONS for verb in verbs
    ]
    return tuple(right for right in found if not right.allowed)
