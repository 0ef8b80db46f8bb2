"""Rows: only those fields of an object that lists and tracking use, decoded straight from its bytes.

A list can have ten thousand backups, and most of each is bookkeeping that no one reads here: it never becomes a Python
object. A missing value or one of the wrong type gives the default, as in `velero/fields.py`.
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
    """A JSON object; every field has a default. `gc=False`: a tree without cycles needs no garbage collector."""


P = TypeVar("P", bound=Part)


class RowAnnotations(Part, frozen=True):
    by: str = field(name=REQUESTED_BY, default="")
    kots_trigger: str = field(name=KOTS_TRIGGER, default="")
    kots_app: str = field(name=KOTS_APP, default="")


class RowMeta(Part, frozen=True):
    """Times stay strings: they are stored as JSON, and most are never used."""

    name: str = ""
    uid: str = ""
    generation: int = 0
    created: str = field(name="creationTimestamp", default="")
    labels: Mapping[str, str] = {}
    annotations: RowAnnotations = field(default_factory=RowAnnotations)


class RunStatus(Part, frozen=True):
    """The fields that the status of a Backup and of a Restore share."""

    phase: str = ""
    started: str = field(name="startTimestamp", default="")
    completed: str = field(name="completionTimestamp", default="")
    errors: int = 0
    warnings: int = 0
    failure_reason: str = ""
    validation_errors: Sequence[str] = ()


class Row(Part, frozen=True):
    """One backup or restore."""

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
    """The gateway of one kind that reads rows instead of whole objects."""

    def __init__(self, api: Api, kind: Kind, row_type: type[P], namespace: str = "") -> None:
        super().__init__(api, kind, partial(fit_to_type, row_type), namespace)
        self._row_type = row_type
        self._one = Decoder(row_type)
        self._listed = Decoder(ObjectList[row_type])  # type: ignore[valid-type] # known only now

    def read_page(self, body: Body) -> Page[P]:
        """Parse a list; object by object if one of them has a value of the wrong type."""
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
            return fit_to_type(self._row_type, source) if isinstance(source, dict) else None


def fit_to_type(row_type: type[P], source: Json) -> P:
    """Return a row with those values of `source` that have the right type."""
    values = {}
    for each in fields(row_type):
        with contextlib.suppress(ValidationError, KeyError):
            values[each.name] = _fit_value(each.type, source[each.encode_name])
    return row_type(**values)


def _fit_value(row_type: Any, value: object) -> Any:
    if isinstance(value, dict):
        if isinstance(row_type, type) and issubclass(row_type, Part):
            return fit_to_type(row_type, value)
        value = {key: each for key, each in value.items() if isinstance(each, str)}
    elif isinstance(value, list):
        value = [each for each in value if isinstance(each, str)]
    return convert(value, row_type)
