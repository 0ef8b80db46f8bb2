"""Objects to read: recorded from a real cluster, and drawn as a hostile one might send them."""

import yaml
from hypothesis import strategies as st

from tests.velero.conftest import RECORDINGS


class Plain(yaml.SafeLoader):
    """Dates stay the strings that they are in JSON."""


Plain.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def recorded(path: str) -> dict:
    return yaml.load((RECORDINGS / "artifacts" / path).read_text(), Loader=Plain)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10) | st.just("2026-11-21T11:05:46Z"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        "name",
        "uid",
        "labels",
        "annotations",
        "generation",
        "resourceVersion",
        "creationTimestamp",
        "finalizers",
        "ownerReferences",
        "ttl",
        "phase",
        "progress",
        "itemsBackedUp",
        "hookStatus",
        "startTimestamp",
        "expiration",
        "validationErrors",
        "includedNamespaces",
        "template",
        "schedule",
        "paused",
        "config",
        "objectStorage",
        "caCert",
        "credential",
        "plugins",
        "errors",
        "recentMaintenance",
        "pod",
        "bytesDone",
        "data",
        "default",
    ]
)
OBJECTS = st.fixed_dictionaries(
    {}, optional={key: JSON | st.dictionaries(KEYS, JSON, max_size=6) for key in ("metadata", "spec", "status", "data")}
)
