"""Turns a request's body into the object to store: reads, places, patches and prunes it. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from domain.json_types import Json
from sandbox.kubernetes import builtin, failures, patches, validation
from sandbox.kubernetes.patches import clone
from sandbox.kubernetes.schemas import structural
from sandbox.kubernetes.schemas.kinds import Kind

FieldValidation = Literal["Strict", "Warn", "Ignore"]
Warn = Callable[[str], None]

_TYPE_FIELDS = frozenset({"apiVersion", "kind", "metadata"})
SYSTEM_FIELDS = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")
_METADATA_FIELDS = frozenset(
    (
        *SYSTEM_FIELDS,
        *("name", "generateName", "namespace", "generation", "resourceVersion", "managedFields"),
        *("labels", "annotations", "finalizers", "ownerReferences"),
    )
)


def silent(_: str) -> None:
    """Discard warnings."""


def sent(kind: Kind, namespace: str | None, body: Mapping[str, Any]) -> Json:
    """Return a complete object as sent, with its name and namespace set."""
    item: Json = {"apiVersion": kind.api_version, "kind": kind.kind, **clone(dict(body))}
    if item["apiVersion"] != kind.api_version:
        raise failures.bad_request(
            f"the API version in the data ({item['apiVersion']}) does not match "
            f"the expected API version ({kind.api_version})"
        )
    if (wrong := _wrong_types(kind, item)) is not None:
        raise validation.undecodable(kind, wrong)
    item["metadata"] = item.get("metadata") or {}
    place(kind, namespace, item["metadata"])
    return item


def place(kind: Kind, namespace: str | None, metadata: Json) -> None:
    if not kind.namespaced:
        metadata.pop("namespace", None)
    elif metadata.setdefault("namespace", namespace or "") != (namespace or ""):
        raise failures.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def named(metadata: Json, name: str) -> None:
    if metadata.setdefault("name", name) != name:
        said = f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
        raise failures.bad_request(said)


def patched(kind: Kind, current: Json, patch: Any, content_type: str) -> Json:
    """Return the current object with a patch applied, before pruning."""
    accepted = patch_types(kind)
    if content_type not in accepted:
        raise failures.unknown_media_type([*accepted, patches.APPLY])
    item = clone(_applied(current, patch, content_type))
    if not isinstance(item, dict) or (wrong := _wrong_types(kind, item)) is not None:
        # A create with a wrong type is a bad request; a patch is an invalid object.
        raise _invalid_patch(item, wrong if isinstance(item, dict) and wrong else "json: cannot unmarshal")
    metadata = item.setdefault("metadata", {})
    named(metadata, current["metadata"]["name"])
    place(kind, current["metadata"].get("namespace"), metadata)
    return item


def patch_types(kind: Kind) -> list[str]:
    return [patches.JSON, patches.MERGE, *([] if kind.custom else [patches.STRATEGIC])]


def _applied(current: Json, patch: Any, content_type: str) -> Any:
    if content_type == patches.JSON:
        return patches.apply(current, patch)
    if not isinstance(patch, dict):
        array = "array" if isinstance(patch, list) else structural.json_type(patch)
        said = f"error decoding patch: json: cannot unmarshal {array} into Go value of type map[string]interface {{}}"
        raise failures.bad_request(said)
    return patches.merge(current, patch)


def _wrong_types(kind: Kind, item: Json) -> str | None:
    return validation.undecodable_metadata(item) or builtin.undecodable(kind, item)


def _invalid_patch(item: Any, why: str) -> failures.ApiFailure:
    return failures.unprocessable("", "", "", [failures.invalid("patch", failures.quoted(item), why)])


def pruned(kind: Kind, item: Json, field_validation: FieldValidation, warn: Warn, *, patching: bool = False) -> Json:
    """Keep the fields in the schema; reject, report or drop the rest."""
    kept, unknown = _pruned(kind, item)
    if unknown and field_validation == "Strict":
        said = "strict decoding error: " + ", ".join(f'unknown field "{path}"' for path in unknown)
        raise _invalid_patch(item, said) if patching else validation.undecodable(kind, said)
    if field_validation == "Warn":
        for path in unknown:
            warn(f'unknown field "{path}"')
    return kept


def _pruned(kind: Kind, item: Json) -> tuple[Json, list[str]]:
    unknown = [f"metadata.{key}" for key in item["metadata"] if key not in _METADATA_FIELDS]
    metadata = {k: v for k, v in item["metadata"].items() if k in _METADATA_FIELDS and v is not None}
    inner = {k: v for k, v in item.items() if k not in _TYPE_FIELDS}
    if kind.schema is not None:
        inner, more = structural.prune(inner, kind.schema)
    elif not kind.custom:
        inner, more = builtin.pruned(kind, inner)
    else:
        more = []
    typed = {"apiVersion": item.get("apiVersion"), "kind": item.get("kind")}
    return {**typed, "metadata": metadata, **inner}, sorted(unknown + more)


def differs_in_content(kind: Kind, old: Json, new: Json) -> bool:
    """Return whether a change raises the generation."""
    if kind.generation == "spec":
        return bool(old.get("spec") != new.get("spec"))
    bare = ({k: v for k, v in item.items() if k != "metadata"} for item in (old, new))
    return kind.generation == "any" and next(bare) != next(bare)


def gone(kind: Kind, metadata: Json) -> Json:
    """Return the response to a deletion that removed the object."""
    details = {**failures.details_of(kind, metadata["name"]), "uid": metadata["uid"]}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
