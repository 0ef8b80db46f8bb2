"""ServerStatusRequest: whether the Velero server responds, its version and its plugins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from domain.json_types import Json
from velero.fields import items, section, text, timestamp
from velero.gateway import Gateway
from velero.kinds import SERVER_STATUS
from velero.objects import Object, meta_of
from velero.resources.requests import answered_request

if TYPE_CHECKING:
    from velero.api import Api


@dataclass(frozen=True, slots=True)
class Plugin:
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class StatusRequest(Object):
    phase: str
    version: str
    plugins: tuple[Plugin, ...]
    processed: datetime | None


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """`version` is empty for builds that don't know their version."""

    answered: bool
    version: str = ""
    plugins: tuple[Plugin, ...] = ()
    at: datetime | None = None


def status_request_of(source: Json) -> StatusRequest:
    status = section(source, "status")
    found = (Plugin(text(item, "kind"), text(item, "name")) for item in items(status, "plugins"))
    return StatusRequest(
        meta=meta_of(source),
        raw=source,
        phase=text(status, "phase"),
        version=text(status, "serverVersion"),
        plugins=tuple(dict.fromkeys(found)),
        processed=timestamp(status, "processedTimestamp"),
    )


def status_requests(api: Api, namespace: str) -> Gateway[StatusRequest]:
    return Gateway(api, SERVER_STATUS, status_request_of, namespace)


async def server_status(gateway: Gateway[StatusRequest], *, within: float = 5.0) -> ServerStatus:
    manifest: Json = {"metadata": {"generateName": "velero-chatops-"}, "spec": {}}
    async with answered_request(gateway, manifest, lambda one: one.phase == "Processed", within=within) as request:
        if request is None:
            return ServerStatus(answered=False)
        return ServerStatus(True, request.version, request.plugins, request.processed)
