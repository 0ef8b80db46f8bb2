"""Checks the bot's own permissions in a cluster (SelfSubjectAccessReview)."""

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

_READ_AND_WATCH = ("get", "list", "watch")
REQUIRED_PERMISSIONS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    (BACKUP, (*_READ_AND_WATCH, "create", "patch", "delete")),
    (RESTORE, (*_READ_AND_WATCH, "create", "delete")),
    (SCHEDULE, (*_READ_AND_WATCH, "create", "patch", "delete")),
    (DELETION, (*_READ_AND_WATCH, "create")),
    (DOWNLOAD, ("get", "list", "create", "delete")),
    (SERVER_STATUS, ("get", "list", "create", "delete")),
    (STORAGE_LOCATION, (*_READ_AND_WATCH, "create", "patch", "delete")),
    (SNAPSHOT_LOCATION, (*_READ_AND_WATCH, "create", "patch", "delete")),
    (REPOSITORY, _READ_AND_WATCH),
    (POD_VOLUME_BACKUP, ("list",)),
    (POD_VOLUME_RESTORE, ("list",)),
    (DATA_UPLOAD, ("list",)),
    (DATA_DOWNLOAD, ("list",)),
    (CONFIG_MAP, ("get", "create", "delete")),
    (NAMESPACE, ("get", "list")),
)

OPTIONAL_PERMISSIONS: tuple[tuple[Kind, str, str], ...] = ((DEPLOYMENT, "get", "velero"),)
"""Kind, verb and name. Without one of these, a detail is missing in an answer and nothing fails."""


@dataclass(frozen=True, slots=True)
class Permission:
    verb: str
    resource: str
    namespace: str
    allowed: bool
    reason: str = ""


async def check_permission(api: Api, verb: str, kind: Kind, namespace: str = "", name: str = "") -> Permission:
    attributes = {
        "verb": verb,
        "group": kind.group,
        "resource": kind.plural,
        "namespace": namespace if kind.namespaced else "",
        "name": name,
    }
    body: Json = {
        "apiVersion": ACCESS_REVIEW.api_version,
        "kind": ACCESS_REVIEW.name,
        "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
    }
    status = section(await api.request("POST", ACCESS_REVIEW.path(), body=body), "status")
    return Permission(
        verb, kind.resource, attributes["namespace"], status.get("allowed") is True, text(status, "reason")
    )


async def missing_permissions(api: Api, namespace: str) -> tuple[Permission, ...]:
    """Return the required permissions that the bot doesn't have."""
    permissions = [
        await check_permission(api, verb, kind, namespace) for kind, verbs in REQUIRED_PERMISSIONS for verb in verbs
    ]
    return tuple(permission for permission in permissions if not permission.allowed)
