"""ConfigMaps that a backup or restore refers to (volume policies, resource modifiers).

The bot makes an immutable copy, named by its content, and refers to that one, so that what runs is what was approved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domain.errors import AlreadyExists, Conflict
from domain.json_types import Json
from domain.plan import digest
from velero.fields import string_map
from velero.gateway import Gateway
from velero.kinds import CONFIG_MAP
from velero.names import COPY_OF, label_value
from velero.objects import Object, meta_of

if TYPE_CHECKING:
    from velero.api import Api


@dataclass(frozen=True, slots=True)
class ConfigMap(Object):
    data: Mapping[str, str]
    binary: Mapping[str, str]
    immutable: bool

    @property
    def digest(self) -> str:
        return digest({"data": dict(self.data), "binaryData": dict(self.binary)})


def config_map_of(source: Json) -> ConfigMap:
    return ConfigMap(
        meta=meta_of(source),
        raw=source,
        data=string_map(source, "data"),
        binary=string_map(source, "binaryData"),
        immutable=source.get("immutable") is True,
    )


def copy_name(source: ConfigMap) -> str:
    return f"{source.name[:200].rstrip('.-')}-{source.digest[:12]}"


def copy_manifest(source: ConfigMap, labels: Mapping[str, str] | None = None) -> Json:
    return {
        "metadata": {"name": copy_name(source), "labels": {**(labels or {}), COPY_OF: label_value(source.name)}},
        "immutable": True,
        **({"data": dict(source.data)} if source.data else {}),
        **({"binaryData": dict(source.binary)} if source.binary else {}),
    }


async def create_copy(
    gateway: Gateway[ConfigMap], source: ConfigMap, labels: Mapping[str, str] | None = None
) -> ConfigMap:
    """Return the copy; create it if it doesn't exist. Raises Conflict if another ConfigMap has its name."""
    try:
        return await gateway.create(copy_manifest(source, labels))
    except AlreadyExists as error:
        existing = await gateway.get(copy_name(source))
        if existing.immutable and existing.digest == source.digest:
            return existing
        raise Conflict(
            error.cluster, f"ConfigMap {copy_name(source)} already exists with different content."
        ) from error


def config_maps(api: Api, namespace: str) -> Gateway[ConfigMap]:
    return Gateway(api, CONFIG_MAP, config_map_of, namespace)
