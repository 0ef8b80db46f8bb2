"""Every answer of an API server, and everything that is not one, becomes one of our errors (over the wire)."""

import asyncio
import json

import pytest

from domain.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    NotFound,
    ObjectNotFound,
    Rejected,
    ResourceVersionExpired,
    Throttled,
    Unauthenticated,
    Unreachable,
    VeleroMissing,
)
from tests.velero.conftest import backup, failed, kubeconfig, lists, says, says_json, streams
from velero.api import Api
from velero.connection import Direct, InCluster
from velero.kinds import BACKUP, KINDS
from velero.resources.backups import backups

BACKUPS = "/apis/velero.io/v1/namespaces/velero/backups"
ONE = f"{BACKUPS}/nightly"


async def test_a_call_carries_the_token_and_asks_for_json(server, api):
    server.other[f"GET {ONE}"] = says_json(backup("nightly"))
    await api.request("GET", ONE)
    [request] = server.requests
    assert request.headers["Authorization"] == "Bearer secret-token"
    assert request.headers["Accept"] == "application/json"
    assert request.headers["User-Agent"] == "velero-chatops"


async def test_writes_refuse_fields_that_the_cluster_does_not_know(server, api):
    server.other[f"POST {BACKUPS}"] = says_json(backup("nightly"), 201)
    server.other[f"PATCH {ONE}"] = says_json(backup("nightly"))
    await api.request("POST", BACKUPS, body={"spec": {}})
    await api.request("PATCH", ONE, body={"spec": {}})
    assert [request.query["fieldValidation"] for request in server.requests] == ["Strict", "Strict"]


async def test_a_patch_is_a_merge_patch(server, api):
    server.other[f"PATCH {ONE}"] = says_json(backup("nightly"))
    await api.request("PATCH", ONE, body={"spec": {"ttl": None}})
    assert server.requests[0].headers["Content-Type"] == "application/merge-patch+json"
    assert json.loads(server.bodies[0]) == {"spec": {"ttl": None}}


ANSWERS = {
    "401": (failed(401, "Unauthorized", "Unauthorized"), 401, Unauthenticated),
    "403": (failed(403, "backups.velero.io is forbidden: User …", "Forbidden", {"kind": "backups"}), 403, Forbidden),
    "404 object": (
        failed(404, 'backups.velero.io "nightly" not found', "NotFound", {"name": "nightly"}),
        404,
        ObjectNotFound,
    ),
    "404 resource": (failed(404, "the server could not find the requested resource", "NotFound"), 404, VeleroMissing),
    "409 create": (failed(409, "already exists", "AlreadyExists", {"name": "nightly"}), 409, AlreadyExists),
    "409 write": (failed(409, "the object has been modified", "Conflict"), 409, Conflict),
    "410": (failed(410, "too old", "Expired"), 410, ResourceVersionExpired),
    "400": (failed(400, 'strict decoding error: unknown field "spec.zz"', "BadRequest"), 400, Rejected),
    "415": (failed(415, "the body of the request was in an unknown format", "UnsupportedMediaType"), 415, Rejected),
    "422": (failed(422, 'Backup "x" is invalid', "Invalid"), 422, Rejected),
    "429": (failed(429, "too many", "TooManyRequests"), 429, Throttled),
    "500": (failed(500, "etcdserver: request timed out", "InternalError"), 500, Unreachable),
    "504": (failed(504, "Too large resource version: 9, current: 3", "Timeout"), 504, Unreachable),
}


@pytest.mark.parametrize(("body", "status", "expected"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_statuses_become_errors(server, api, body, status, expected):
    server.other[f"GET {ONE}"] = says_json(body, status)
    with pytest.raises(expected) as caught:
        await api.request("GET", ONE)
    assert type(caught.value) is expected
    assert caught.value.status == status
    assert caught.value.cluster == "prod"


async def test_forbidden_names_verb_and_resource(server, api):
    server.lists = [says_json(failed(403, "no", "Forbidden"), 403)]
    with pytest.raises(Forbidden) as caught:
        await api.request("GET", BACKUPS)
    assert caught.value.text == "The bot has no permission to list backups in namespace velero of cluster prod."
    assert caught.value.fix == "Add list on backups in namespace velero to the bot's role."


async def test_rejected_tells_every_cause(server, api):
    causes = [
        {"field": "spec.ttl", "message": "Invalid value: 3: must be of type string"},
        {"field": "metadata.name", "message": "metadata.name: bad"},
        {"reason": "odd", "message": 7},
    ]
    server.other[f"POST {BACKUPS}"] = says_json(failed(422, "is invalid: …", "Invalid", {"causes": causes}), 422)
    with pytest.raises(Rejected) as caught:
        await api.request("POST", BACKUPS, body={})
    assert caught.value.why == "spec.ttl: Invalid value: 3: must be of type string; metadata.name: bad"


async def test_an_unknown_field_says_that_velero_is_older(server, api):
    server.other[f"PATCH {ONE}"] = says_json(ANSWERS["400"][0], 400)
    with pytest.raises(Rejected) as caught:
        await api.request("PATCH", ONE, body={})
    assert "too old for this field" in caught.value.fix


NOT_KUBERNETES = {
    "502 page": says("<html>bad gateway, upstream 10.0.0.7 token=hush</html>", 502, "text/html"),
    "404 page": says("<html>hush</html>", 404, "text/html"),
    "200 page": says("<html>hush</html>", 200, "text/html"),
    "empty 200": says(""),
    "half": says('{"kind": "Back'),
    "a list": says("[1]"),
    "a string": says('"hush"'),
    "deep": says("[" * 100_000),
    "not text": says(b"\xff\xfe\x00hush"),
    "404 of another API": says('{"error": "hush"}', 404),
}


@pytest.mark.parametrize("answer", NOT_KUBERNETES.values(), ids=NOT_KUBERNETES.keys())
async def test_what_is_not_kubernetes_is_unreachable_and_not_repeated(server, api, answer):
    server.other[f"GET {ONE}"] = answer
    with pytest.raises(Unreachable) as caught:
        await api.request("GET", ONE)
    assert "hush" not in caught.value.text + caught.value.why


async def test_an_unknown_resource_is_said_in_plain_text(server, api):
    server.other[f"GET {BACKUPS}"] = says("404 page not found\n", 404, "text/plain; charset=utf-8")
    with pytest.raises(VeleroMissing) as caught:
        await api.request("GET", BACKUPS)
    assert caught.value.text == "Cluster prod has no backups resource."


@pytest.mark.parametrize(
    ("header", "expected"), [("7", 7.0), ("0.5", 0.5), ("99999", 600.0), ("-4", 0.0), ("soon", 1.0), ("nan", 1.0)]
)
async def test_429_in_plain_text_says_when_to_come_back(server, api, header, expected):
    answer = says("Too many requests, please try again later.", 429, "text/plain", Retry_After=header)
    server.other[f"GET {ONE}"] = answer
    with pytest.raises(Throttled) as caught:
        await api.request("GET", ONE)
    assert caught.value.retry_after == expected


async def test_a_long_message_is_cut(server, api):
    server.other[f"GET {ONE}"] = says_json(failed(403, "no " * 10_000, "Forbidden"), 403)
    with pytest.raises(Forbidden) as caught:
        await api.request("GET", ONE)
    assert len(caught.value.why) <= 500


async def test_no_server_listens():
    api = Api("prod", Direct("http://127.0.0.1:1"))
    with pytest.raises(Unreachable) as caught:
        await api.request("GET", ONE)
    await api.close()
    assert caught.value.why == "Connection failed: connection refused."


async def test_no_answer_in_time(server, api):
    server.other[f"GET {ONE}"] = streams(b"{", then="hang")
    with pytest.raises(Unreachable) as caught:
        await api.request("GET", ONE, timeout=0.1)
    assert caught.value.why == "No response within 0.1 seconds."


async def test_broken_off_in_the_middle(server, api):
    server.other[f"GET {ONE}"] = streams(b'{"kind": "Ba', then="cut")
    with pytest.raises(Unreachable):
        await api.request("GET", ONE)


async def test_a_cluster_that_was_down_comes_back_by_itself(tmp_path, server):
    api = Api("prod", InCluster(tmp_path))
    with pytest.raises(Unreachable):
        await api.request("GET", "/version")
    api._access = Direct(server.url)
    server.other["GET /version"] = says_json({"gitVersion": "v1.35.4"})
    assert (await api.request("GET", "/version"))["gitVersion"] == "v1.35.4"
    await api.close()


@pytest.mark.parametrize("name", ["", ".", "..", "..."])
async def test_no_name_reaches_the_collection(server, api, name):
    gateway = backups(api, "velero")
    with pytest.raises(NotFound):
        await gateway.delete(name)
    assert server.requests == []


@pytest.mark.parametrize("name", ["a/../b", "x?watch=1", "a#b", "%2e%2e", "a b", "../../secrets/token"])
async def test_a_name_is_one_segment_of_the_path(server, api, name):
    gateway = backups(api, "velero")
    with pytest.raises(ObjectNotFound):
        await gateway.get(name)
    [request] = server.requests
    assert request.raw_path.startswith(f"{BACKUPS}/")
    assert request.raw_path.count("/") == BACKUPS.count("/") + 1
    assert request.match_info["path"] == f"{BACKUPS[1:]}/{name}"


async def test_a_401_is_tried_once_more_with_a_new_token(tmp_path, server):
    (tmp_path / "token").write_text("old")

    async def by_token(request):
        if request.headers["Authorization"] == "Bearer new":
            return await lists(backup("a"))(request)
        (tmp_path / "token").write_text("new")
        return await says_json(failed(401, "Unauthorized", "Unauthorized"), 401)(request)

    server.lists = [by_token]
    api = Api("prod", kubeconfig(tmp_path, server.url, {"tokenFile": "token"}))
    found = await backups(api, "velero").list()
    await api.close()
    assert [one.name for one in found] == ["a"]
    assert [request.headers["Authorization"] for request in server.requests] == ["Bearer old", "Bearer new"]


async def test_a_401_again_is_the_answer(server, api):
    server.lists = [says_json(failed(401, "Unauthorized", "Unauthorized"), 401)]
    with pytest.raises(Unauthenticated):
        await api.request("GET", BACKUPS)
    assert len(server.requests) == 1  # a fixed token cannot be renewed


async def test_every_page_of_a_list(server, api):
    server.lists = [lists(backup("a"), backup("b"), token="t=/+ é"), lists(backup("c"))]
    found = await backups(api, "velero").list(selector="velero.io/schedule-name=daily")
    assert [one.name for one in found] == ["a", "b", "c"]
    assert server.requests[1].query["continue"] == "t=/+ é"
    assert [request.query["labelSelector"] for request in server.requests] == ["velero.io/schedule-name=daily"] * 2


async def test_an_expired_list_starts_again(server, api):
    too_old = says_json(failed(410, "The provided continue parameter is too old", "Expired"), 410)
    server.lists = [lists(backup("a"), token="t"), too_old, lists(backup("b"))]
    assert [one.name for one in await backups(api, "velero").list()] == ["b"]


async def test_find_says_none_for_what_is_not_there(server, api):
    assert await backups(api, "velero").find("nightly") is None


async def test_create_names_its_kind(server, api):
    server.other[f"POST {BACKUPS}"] = says_json(backup("nightly", uid="u1"), 201)
    made = await backups(api, "velero").create({"metadata": {"name": "nightly"}}, dry_run=True)
    assert made.uid == "u1"
    assert json.loads(server.bodies[0]) == {
        "apiVersion": "velero.io/v1",
        "kind": "Backup",
        "metadata": {"name": "nightly"},
    }
    assert server.requests[0].query["dryRun"] == "All"


async def test_patch_with_a_version_is_refused_by_others_changes(server, api):
    server.other[f"PATCH {ONE}"] = says_json(backup("nightly"))
    await backups(api, "velero").patch("nightly", {"metadata": {"labels": {"a": "b"}}}, resource_version="7")
    assert json.loads(server.bodies[0]) == {"metadata": {"labels": {"a": "b"}, "resourceVersion": "7"}}


async def test_delete_of_exactly_this_object(server, api):
    server.other[f"DELETE {ONE}"] = says_json({"kind": "Status", "status": "Success"})
    await backups(api, "velero").delete("nightly", uid="u1", propagation="Background")
    sent = json.loads(server.bodies[0])
    assert sent["preconditions"] == {"uid": "u1"}
    assert sent["propagationPolicy"] == "Background"


async def test_two_clusters_share_nothing(server):
    apis = [Api(name, Direct(server.url, token)) for name, token in [("prod", "one"), ("stage", "two")]]
    server.lists = [lists()]
    await asyncio.gather(*(one.request("GET", BACKUPS) for one in apis))
    assert sorted(request.headers["Authorization"] for request in server.requests) == ["Bearer one", "Bearer two"]
    await asyncio.gather(*(one.close() for one in apis))


def test_paths():
    assert BACKUP.path("velero") == BACKUPS
    assert KINDS["Namespace"].object_path("", "shop") == "/api/v1/namespaces/shop"
    assert KINDS["DataUpload"].path("velero") == "/apis/velero.io/v2alpha1/namespaces/velero/datauploads"
