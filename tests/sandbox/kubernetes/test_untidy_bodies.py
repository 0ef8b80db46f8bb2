"""Whatever is sent, the answer is an object or a refusal; nothing else goes wrong."""

from contextlib import suppress
from datetime import UTC, datetime
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.kubernetes.objects import ApiFailure, Objects
from sandbox.kubernetes.patches import JSON, MERGE
from sandbox.kubernetes.schemas.kinds import KINDS

WORDS = st.sampled_from(
    [
        "name",
        "generateName",
        "labels",
        "annotations",
        "finalizers",
        "ownerReferences",
        "resourceVersion",
        "uid",
        "spec",
        "status",
        "data",
        "type",
        "ports",
        "nodePort",
        "clusterIP",
        "template",
        "metadata",
        "selector",
        "containers",
        "immutable",
        "phase",
        "hooks",
        "resources",
        "ttl",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(0, 40000)
    | st.sampled_from(["", "a", "b", "None", "NodePort", "Bad_", "1"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=10,
)
TREES = st.dictionaries(WORDS, VALUES, max_size=4)
BODIES = st.builds(lambda metadata, rest: {**rest, "metadata": {"name": "a", **metadata}}, TREES, TREES)


def cluster():
    ids = count()
    return Objects(now=lambda: datetime(2026, 11, 21, tzinfo=UTC), new_id=lambda: f"id-{next(ids)}")


@settings(max_examples=10, deadline=None)
@pytest.mark.parametrize("resource", ["backups", "restores", "schedules", "deletebackuprequests", "widgets"])
@given(body=BODIES, patch=TREES, again=BODIES)
def test_an_object_or_a_refusal(resource, body, patch, again):
    objects = cluster()
    namespace = "default" if KINDS[resource].namespaced else None
    with suppress(ApiFailure):
        objects.create(resource, namespace, body)
    for change in (patch, again):
        with suppress(ApiFailure):
            objects.patch(resource, namespace, "a", change, content_type=MERGE)
    with suppress(ApiFailure):
        objects.replace(resource, namespace, "a", again)
    with suppress(ApiFailure):
        objects.patch(resource, namespace, "a", [{"op": "add", "path": "/spec", "value": patch}], content_type=JSON)
    for item in objects.list(resource, namespace):
        with suppress(ApiFailure):
            objects.delete(resource, namespace, item["metadata"]["name"])
