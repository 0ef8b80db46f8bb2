"""Namespaces, whose names patterns match and whose labels rules use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from domain.json_types import Json
from velero.fields import section, text
from velero.gateway import Gateway
from velero.kinds import NAMESPACE
from velero.names import EXCLUDE_FROM_BACKUP
from velero.objects import Object, meta_of

if TYPE_CHECKING:
    from velero.api import Api


@dataclass(frozen=True, slots=True)
class Namespace(Object):
    phase: str

    @property
    def excluded(self) -> bool:
        """A label excludes the namespace from every backup."""
        return self.meta.labels.get(EXCLUDE_FROM_BACKUP) == "true"


def namespace_of(source: Json) -> Namespace:
    return Namespace(meta=meta_of(source), raw=source, phase=text(section(source, "status"), "phase"))


def namespaces(api: Api) -> Gateway[Namespace]:
    return Gateway(api, NAMESPACE, namespace_of)
