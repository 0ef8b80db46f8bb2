"""The emulator's table of fields is what the real velero installs and the API server serves."""

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.kubernetes.schemas.kinds import KINDS
from sandbox.kubernetes.schemas.structural import Field, Node
from tests.e2e.api import Json, Resource
from tests.e2e.cluster import RealCluster

DEFINITIONS = Resource("apiextensions.k8s.io/v1", "customresourcedefinitions")
KNOWN = sorted(kind.plural for kind in KINDS.values() if kind.group == "velero.io")
FORMATS = {"date-time", "byte", "int64"}
"""The cases of the table."""


def served(schema: Json) -> Node:
    """An OpenAPI schema as the table would have it."""
    if schema.get("x-kubernetes-int-or-string"):
        return Node("int-or-string")
    if schema.get("type") == "array":
        return Node("array", items=served(schema["items"]))
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return Node("any")
    if isinstance(schema.get("additionalProperties"), dict):
        return Node("map", items=served(schema["additionalProperties"]))
    if schema["type"] == "object":
        return Node("object", fields=dict(fields(schema)))
    kept = schema.get("format", "")
    return Node(schema["type"], kept if kept in FORMATS else "", tuple(schema.get("enum", ())))


def fields(schema: Json) -> Iterator[tuple[str, Field]]:
    for name, inner in schema.get("properties", {}).items():
        yield (
            name,
            Field(
                served(inner),
                required=name in schema.get("required", ()),
                nullable=inner.get("nullable", False),
                not_empty=inner.get("minItems", 0) > 0,
                defaulted=inner.get("default") == "",
            ),
        )


def differences(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    if ours is None or theirs is None:
        if ours is not theirs:
            yield f"{path}: {'only theirs' if ours is None else 'only ours'}"
        return
    for sign in ("type", "format", "required", "nullable", "not_empty", "defaulted"):
        if getattr(ours, sign, None) != getattr(theirs, sign, None):
            yield f"{path}: {sign} {getattr(ours, sign)!r}, the server has {getattr(theirs, sign)!r}"
    if isinstance(ours, Field):
        yield from differences(ours.node, theirs.node, path)
        return
    if set(ours.enum) != set(theirs.enum):
        yield f"{path}: {sorted(ours.enum)}, the server has {sorted(theirs.enum)}"
    yield from differences(ours.items, theirs.items, f"{path}[]") if ours.items or theirs.items else ()
    for name in sorted({*ours.fields, *theirs.fields}):
        yield from differences(ours.fields.get(name), theirs.fields.get(name), f"{path}.{name}")


@pytest.mark.parametrize("plural", KNOWN)
async def test_the_table_has_the_fields_of_the_server(cluster: RealCluster, plural: str) -> None:
    definition = await cluster.api.get(DEFINITIONS, f"{plural}.velero.io")
    assert definition is not None
    kind = KINDS[plural]
    (version,) = [one for one in definition["spec"]["versions"] if one["name"] == kind.version]
    whole = served(version["schema"]["openAPIV3Schema"])
    theirs = Node("object", fields={name: whole.fields[name] for name in whole.fields.keys() & {"spec", "status"}})
    assert list(differences(kind.schema, theirs)) == []
    assert "subresources" not in version or "status" not in version["subresources"]


async def test_every_kind_that_velero_installs_is_in_the_table(cluster: RealCluster) -> None:
    installed = {
        item["spec"]["names"]["plural"]
        for item in (await cluster.api.list(DEFINITIONS))["items"]
        if item["spec"]["group"] == "velero.io"
    }
    assert installed <= set(KNOWN)
