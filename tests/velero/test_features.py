"""Features of a cluster, from discovery and versions."""

import pytest

from domain.errors import Unreachable
from tests.velero.conftest import failed, says, says_json
from velero.features import Features, parse_version, read_features

VERSION = says_json({"gitVersion": "v1.35.4+k3s1"})
KUBE_SYSTEM = "GET /api/v1/namespaces/kube-system"


def resources(*kinds: str):
    return says_json({"kind": "APIResourceList", "resources": [{"kind": kind} for kind in kinds]})


@pytest.fixture
def installed(server):
    server.other = {
        "GET /version": VERSION,
        "GET /apis/velero.io/v1": resources("Backup", "Restore"),
        "GET /apis/velero.io/v2alpha1": resources("DataUpload"),
        KUBE_SYSTEM: says_json({"metadata": {"name": "kube-system", "uid": "u-kube"}}),
    }
    return server


async def test_read_features(installed, api):
    features = await read_features(api, "velero")
    assert features == Features("u-kube", "v1.35.4+k3s1", "", frozenset({"Backup", "Restore", "DataUpload"}))


async def test_an_older_velero_has_no_data_movement(installed, api):
    installed.other["GET /apis/velero.io/v2alpha1"] = says("404 page not found", 404, "text/plain")
    assert (await read_features(api, "velero")).kinds == {"Backup", "Restore"}


async def test_no_velero(installed, api):
    for version in ("v1", "v2alpha1"):
        installed.other[f"GET /apis/velero.io/{version}"] = says("404 page not found", 404, "text/plain")
    assert not (await read_features(api, "velero")).is_installed


async def test_without_permission_no_kind_is_reported_missing(installed, api):
    for version in ("v1", "v2alpha1"):
        installed.other[f"GET /apis/velero.io/{version}"] = says_json(failed(403, "no", "Forbidden"), 403)
    assert {"Backup", "DataUpload"} <= (await read_features(api, "velero")).kinds


async def test_without_kube_system_veleros_namespace_identifies_the_cluster(installed, api):
    installed.other[KUBE_SYSTEM] = says_json(failed(403, "no", "Forbidden"), 403)
    installed.other["GET /api/v1/namespaces/velero"] = says_json({"metadata": {"uid": "u-velero"}})
    assert (await read_features(api, "velero")).uid == "u-velero"


async def test_without_either_the_uid_stays_empty(installed, api):
    for name in ("kube-system", "velero"):
        installed.other[f"GET /api/v1/namespaces/{name}"] = says_json(failed(403, "no", "Forbidden"), 403)
    assert (await read_features(api, "velero")).uid == ""


async def test_an_unreachable_cluster_raises(server, api):
    server.other["GET /version"] = says("<html>", 502, "text/html")
    with pytest.raises(Unreachable):
        await read_features(api, "velero")


@pytest.mark.parametrize(
    ("version", "expected"),
    [("v1.18.2", (1, 18)), ("1.9.0-rc.1", (1, 9)), ("main", None), ("", None), ("d2241ad", None), ("v1", None)],
)
def test_versions(version, expected):
    assert parse_version(version) == expected


@pytest.mark.parametrize(
    ("version", "field", "known"),
    [
        ("v1.13.0", "status.lastSkipped", True),
        ("v1.12.4", "status.lastSkipped", False),
        ("v1.9.7", "spec.paused", False),
        ("v1.18.2", "status.queuePosition", True),
        ("v2.0.0", "status.queuePosition", True),
        ("", "status.lastSkipped", None),
    ],
)
def test_which_version_knows_which_field(version, field, known):
    assert Features(velero=version).knows_field(field) is known
