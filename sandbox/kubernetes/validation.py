"""Validates an object's metadata and schema with the API server's own texts."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from domain.json_types import Json
from sandbox.kubernetes.failures import (
    Cause,
    bad_request,
    forbidden_field,
    invalid,
    quoted,
    required,
    too_long,
    unsupported,
    wrong_type,
)
from sandbox.kubernetes.schemas import structural
from sandbox.kubernetes.schemas.kinds import Kind

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_DNS_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_NAME_CHARACTERS = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an"
_ANNOTATIONS_LIMIT = 256 * 1024


def _regex_text(message: str, pattern: str, *examples: str) -> str:
    said = " or ".join(f"'{e}', " for e in examples)
    return f"{message} (e.g. {said}regex used for validation is '{pattern}')"


SUBDOMAIN_TEXT = _regex_text(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character",
    _SUBDOMAIN,
    "example.com",
)
_LABEL_TEXT = _regex_text(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character",
    _LABEL,
    "my-name",
    "123-abc",
)
_DNS_1035_TEXT = _regex_text(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character",
    _DNS_1035,
    "my-name",
    "abc-123",
)
_KEY_TEXT = _regex_text(f"{_NAME_CHARACTERS} alphanumeric character", _KEY, "MyName", "my.name", "123-abc")
_VALUE_TEXT = _regex_text(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character",
    f"({_KEY})?",
    "MyValue",
    "my_value",
    "12345",
)
CONFIG_KEY_TEXT = _regex_text(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    _CONFIG_KEY,
    "key.name",
    "KEY_NAME",
    "key-name",
)


def _matching(value: str, pattern: str, text: str, limit: int, unit: str = "characters") -> Iterator[str]:
    if len(value) > limit:
        yield f"must be no more than {limit} {unit}"
    if not re.fullmatch(pattern, value):
        yield text


def subdomain(value: str) -> list[str]:
    return list(_matching(value, _SUBDOMAIN, SUBDOMAIN_TEXT, 253))


def label_name(value: str) -> list[str]:
    return list(_matching(value, _LABEL, _LABEL_TEXT, 63))


def service_name(value: str) -> list[str]:
    return list(_matching(value, _DNS_1035, _DNS_1035_TEXT, 63))


def path_segment(value: str) -> list[str]:
    if value in {".", ".."}:
        return [f"may not be '{value}'"]
    return [f"may not contain '{sign}'" for sign in "/%" if sign in value]


def config_key(value: str) -> list[str]:
    return list(_matching(value, _CONFIG_KEY, CONFIG_KEY_TEXT, 253))


_NAMES: Mapping[str, Callable[[str], list[str]]] = {
    "subdomain": subdomain,
    "label": label_name,
    "service": service_name,
    "path": path_segment,
}


def label_key(value: str) -> Iterator[str]:
    parts = value.split("/")
    if len(parts) > 2:
        yield f"a valid label key {_KEY_TEXT} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return
    if len(parts) == 2:
        yield from (f"prefix part {m}" for m in (subdomain(parts[0]) if parts[0] else ["must be non-empty"]))
    name = parts[-1]
    if not name:
        yield "name part must be non-empty"
    elif len(name) > 63:
        yield "name part must be no more than 63 bytes"
    if not re.fullmatch(_KEY, name):
        yield f"name part {_KEY_TEXT}"


def label_value(value: str) -> Iterator[str]:
    yield from _matching(value, f"({_KEY})?", _VALUE_TEXT, 63, "bytes")


def label_causes(labels: Mapping[str, str], field: str) -> Iterator[Cause]:
    for key, value in labels.items():
        yield from (invalid(field, key, m) for m in label_key(key))
        yield from (invalid(field, value, m) for m in label_value(value))


def annotation_causes(annotations: Mapping[str, str]) -> Iterator[Cause]:
    for key in annotations:
        yield from (invalid("metadata.annotations", key, m) for m in label_key(key.lower()))
    if sum(len(k.encode()) + len(v.encode()) for k, v in annotations.items()) > _ANNOTATIONS_LIMIT:
        yield too_long("metadata.annotations", _ANNOTATIONS_LIMIT)


def owner_causes(owners: list[Json]) -> Iterator[Cause]:
    for owner in owners:
        for key, detail in (
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ):
            if not owner.get(key):
                yield invalid(f"metadata.ownerReferences.{key}", owner.get(key, ""), detail)


def name_causes(kind: Kind, metadata: Json) -> Iterator[Cause]:
    check = _NAMES[kind.names]
    if prefix := metadata.get("generateName"):
        # Characters are appended to a generated name, so a trailing dash is valid.
        masked = f"{prefix[:-1]}a" if prefix.endswith("-") else prefix
        yield from (invalid("metadata.generateName", prefix, m) for m in check(masked))
    if not (name := metadata.get("name")):
        yield required("metadata.name", "name or generateName is required")
        return
    yield from (invalid("metadata.name", name, m) for m in check(name))


def metadata_causes(metadata: Json) -> Iterator[Cause]:
    yield from label_causes(metadata.get("labels") or {}, "metadata.labels")
    yield from annotation_causes(metadata.get("annotations") or {})
    yield from owner_causes(metadata.get("ownerReferences") or [])
    for finalizer in metadata.get("finalizers") or []:
        yield from (invalid("metadata.finalizers", finalizer, m) for m in label_key(finalizer))


def update_causes(old: Json, new: Json) -> Iterator[Cause]:
    """Return the errors for changes of immutable metadata."""
    if old.get("deletionTimestamp"):
        extra = sorted(set(new.get("finalizers") or []) - set(old.get("finalizers") or []))
        if extra:
            listed = ", ".join(f'"{e}"' for e in extra)
            yield forbidden_field(
                "metadata.finalizers",
                "no new finalizers can be added if the object is being deleted, "
                f"found new finalizers []string{{{listed}}}",
            )
    for key in ("uid", "deletionTimestamp"):
        if new.get(key, "") != old.get(key, ""):
            yield invalid(f"metadata.{key}", new.get(key, ""), "field is immutable")


def type_causes(kind: Kind, body: Json) -> list[Cause]:
    """Check a custom resource's kind and version; a wrong one is reported before all other errors."""
    causes = []
    if body.get("kind") != kind.kind:
        causes.append(invalid("kind", body.get("kind", ""), f"must be {kind.kind}"))
    if body.get("apiVersion") != kind.api_version:
        causes.append(invalid("apiVersion", body.get("apiVersion", ""), f"must be {kind.api_version}"))
    return causes


def schema_causes(kind: Kind, body: Json) -> Iterator[Cause]:
    if kind.schema is None:
        return
    inner = {k: v for k, v in body.items() if k not in {"apiVersion", "kind", "metadata"}}
    for fault in structural.faults(inner, kind.schema):
        yield _cause(fault)


def _cause(fault: structural.Fault) -> Cause:
    field = fault.path
    if fault.of == "required":
        return required(field)
    if fault.of == "enum":
        return unsupported(field, fault.value, fault.node.enum)
    if fault.of == "items":
        return invalid(field, 0, f"{field} in body should have at least 1 items")
    found = structural.json_type(fault.value)
    wanted = {"map": "object"}.get(fault.node.type, fault.node.type)
    if found == wanted and fault.node.format:
        said = f"{field} in body must be of type {fault.node.format}: {quoted(fault.value)}"
        return wrong_type(field, fault.value, said)
    return wrong_type(field, found, f'{field} in body must be of type {wanted}: "{found}"')


_METADATA_TYPES: Mapping[str, tuple[type, type, str, str]] = {
    "labels": (dict, str, "map[string]string", "string"),
    "annotations": (dict, str, "map[string]string", "string"),
    "finalizers": (list, str, "[]string", "string"),
    "ownerReferences": (list, dict, "[]v1.OwnerReference", "v1.OwnerReference"),
}


_METADATA_TEXTS = ("name", "generateName", "namespace", "uid", "resourceVersion", "deletionTimestamp")


def undecodable_metadata(body: Json) -> str | None:
    """Return the decoder's errors for metadata of wrong types."""
    metadata = body.get("metadata")
    if metadata is None:
        return None
    if not isinstance(metadata, dict):
        return f"json: cannot unmarshal {_go_type(metadata)} into Go struct field .metadata of type v1.ObjectMeta"
    for key in _METADATA_TEXTS:
        if not isinstance(value := metadata.get(key, ""), str | None):
            return f"json: cannot unmarshal {_go_type(value)} into Go struct field ObjectMeta.{key} of type string"
    for key, (outer, inner, whole, part) in _METADATA_TYPES.items():
        value = metadata.get(key)
        where = f"into Go struct field ObjectMeta.{key} of type"
        if value is not None and not isinstance(value, outer):
            return f"json: cannot unmarshal {_go_type(value)} {where} {whole}"
        for item in _parts(value):
            if not isinstance(item, inner):
                return f"json: cannot unmarshal {_go_type(item)} {where} {part}"
    return None


def _parts(value: Any) -> list[Any]:
    return list(value.values() if isinstance(value, dict) else value or ())


def _go_type(value: Any) -> str:
    name = structural.json_type(value)
    return {"integer": "number", "boolean": "bool"}.get(name, name)


def finalizer_warnings(metadata: Json) -> Iterator[str]:
    for finalizer in metadata.get("finalizers") or []:
        if "/" not in finalizer and finalizer not in {"orphan", "foregroundDeletion", "kubernetes"}:
            yield (
                f'metadata.finalizers: "{finalizer}": prefer a domain-qualified finalizer name '
                "to avoid accidental conflicts with other finalizer writers"
            )


def undecodable(kind: Kind, why: str) -> Exception:
    return bad_request(f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {why}')
