"""Rows: of an object only the fields that lists and tracking use, read straight from its bytes.

Ten thousand backups come at once, and most of each is bookkeeping that nobody here reads: it never becomes Python.
What is missing or of the wrong type is as if absent, as in `velero/fields.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Raw, Struct, ValidationError, convert, field
from msgspec.json import Decoder, decode
from msgspec.structs import fields

from domain.json_types import Json
from velero.documents import MANIFEST_BOUNDS, check_json
from velero.gateway import Gateway, ObjectList, Page
from velero.kinds import Kind
from velero.names import KOTS_APP, KOTS_TRIGGER, REQUESTED_BY
from velero.phases import BACKUP_PHASES

if TYPE_CHECKING:
    from velero.api import Api
    from velero.errors import Body


class Part(Struct, frozen=True, gc=False, rename="camel"):
    """A JSON object; every field has a default. Trees without cycles are none of the collector's business."""


P = TypeVar("P", bound=Part)


class RowAnnotations(Part, frozen=True):
    by: str = field(name=REQUESTED_BY, default="")
    kots_trigger: str = field(name=KOTS_TRIGGER, default="")
    kots_app: str = field(name=KOTS_APP, default="")


class RowMeta(Part, frozen=True):
    """Times stay the text that they are on the wire: they are kept as JSON, and most are never looked at."""

    name: str = ""
    uid: str = ""
    generation: int = 0
    created: str = field(name="creationTimestamp", default="")
    labels: Mapping[str, str] = {}
    annotations: RowAnnotations = field(default_factory=RowAnnotations)


class RunStatus(Part, frozen=True):
    """What the status of a Backup and of a Restore have in common."""

    phase: str = ""
    started: str = field(name="startTimestamp", default="")
    completed: str = field(name="completionTimestamp", default="")
    errors: int = 0
    warnings: int = 0
    failure_reason: str = ""
    validation_errors: Sequence[str] = ()


class Row(Part, frozen=True):
    """One run."""

    meta: RowMeta = field(name="metadata", default_factory=RowMeta)
    status: RunStatus = field(default_factory=RunStatus)

    @property
    def name(self) -> str:
        return self.meta.name

    @property
    def uid(self) -> str:
        return self.meta.uid

    @property
    def phase(self) -> str:
        return self.status.phase

    @property
    def has_ended(self) -> bool:
        return self.status.phase in BACKUP_PHASES.terminal


class Rows(Gateway[P]):
    """One kind as rows."""

    def __init__(self, api: Api, kind: Kind, wanted: type[P], namespace: str = "") -> None:
        super().__init__(api, kind, partial(fit_to_type, wanted), namespace)
        self._wanted = wanted
        self._one = Decoder(wanted)
        self._listed = Decoder(ObjectList[wanted])  # type: ignore[valid-type] # known only now

    def read_page(self, body: Body) -> Page[P]:
        """Where one object is not as it should be, they are read one by one."""
        try:
            listed = self._listed.decode(body)
        except ValidationError:
            return super().read_page(body)
        return Page(tuple(listed.items or ()), listed.metadata.resource_version, listed.metadata.next)

    def read(self, raw: Raw) -> P | None:
        try:
            return self._one.decode(raw)
        except ValidationError:
            check_json(bytes(raw), MANIFEST_BOUNDS)
            source = decode(raw)
            return fit_to_type(self._wanted, source) if isinstance(source, dict) else None


def fit_to_type(wanted: type[P], source: Json) -> P:
    """What of `source` is as it should be."""
    found = {}
    for each in fields(wanted):
        with contextlib.suppress(ValidationError, KeyError):
            found[each.name] = _fit(each.type, source[each.encode_name])
    return wanted(**found)


def _fit(wanted: Any, value: object) -> Any:
    if isinstance(value, dict):
        if isinstance(wanted, type) and issubclass(wanted, Part):
            return fit_to_type(wanted, value)
        value = {key: each for key, each in value.items() if isinstance(each, str)}
    elif isinstance(value, list):
        value = [each for each in value if isinstance(each, str)]
    return convert(value, wanted)
