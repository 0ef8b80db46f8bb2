"""The storage used directly, as Velero's emulator uses it."""

import asyncio

import pytest

from sandbox.kubernetes.objects import ApiFailure


def backup(name, **rest):
    return {"metadata": {"name": name}, "spec": {}, **rest}


def test_what_is_returned_is_a_copy(objects):
    made = objects.create("backups", "velero", backup("a", spec={"includedNamespaces": ["x"]}))
    made["spec"]["includedNamespaces"].append("y")
    got = objects.get("backups", "velero", "a")
    got["metadata"]["labels"] = {"x": "y"}
    assert objects.get("backups", "velero", "a")["spec"] == {"includedNamespaces": ["x"]}
    assert "labels" not in objects.get("backups", "velero", "a")["metadata"]


def test_what_is_sent_is_copied_too(objects):
    body = backup("a", spec={"includedNamespaces": ["x"]})
    objects.create("backups", "velero", body)
    body["spec"]["includedNamespaces"].append("y")
    assert objects.get("backups", "velero", "a")["spec"] == {"includedNamespaces": ["x"]}


def test_kind_and_version_need_not_be_said(objects):
    made = objects.create("datauploads", "velero", {"metadata": {"name": "d"}})
    assert (made["apiVersion"], made["kind"]) == ("velero.io/v2alpha1", "DataUpload")


def test_a_refusal_carries_its_status(objects):
    with pytest.raises(ApiFailure) as refused:
        objects.get("backups", "velero", "none")
    assert (refused.value.status, refused.value.reason) == (404, "NotFound")
    assert refused.value.body()["details"] == {"name": "none", "group": "velero.io", "kind": "backups"}


def test_a_resource_nobody_knows(objects):
    with pytest.raises(ApiFailure) as refused:
        objects.list("unicorns")
    assert refused.value.status == 404


def test_find_says_none_where_get_refuses(objects):
    assert objects.find("backups", "velero", "none") is None
    objects.create("backups", "velero", backup("a"))
    assert objects.find("backups", "velero", "a")["metadata"]["name"] == "a"


def test_listeners_hear_old_and_new(objects):
    heard = []
    objects.on_change(lambda event, resource, old, new: heard.append((event, resource, old, new)))
    objects.create("backups", "velero", backup("a"))
    objects.patch("backups", "velero", "a", {"status": {"phase": "New"}})
    objects.delete("backups", "velero", "a")
    assert [(event, resource) for event, resource, _, _ in heard] == [
        ("ADDED", "backups"),
        ("MODIFIED", "backups"),
        ("DELETED", "backups"),
    ]
    assert [old and old.get("status") for _, _, old, _ in heard] == [None, None, {"phase": "New"}]
    assert [new and new.get("status") for _, _, _, new in heard] == [None, {"phase": "New"}, None]


def test_a_listener_that_changes_things_is_told_of_that_afterwards(objects):
    told = []

    def first(event, resource, old, new):
        told.append(("first", event))
        if event == "ADDED":
            objects.patch("backups", "velero", "a", {"status": {"phase": "New"}})

    objects.on_change(first)
    objects.on_change(lambda event, *_: told.append(("second", event)))
    objects.create("backups", "velero", backup("a"))
    assert told == [("first", "ADDED"), ("second", "ADDED"), ("first", "MODIFIED"), ("second", "MODIFIED")]


async def test_a_subscription_starts_when_it_is_made(objects):
    changes = objects.subscribe("backups", "velero")
    objects.create("backups", "velero", backup("a"))
    event, item, revision = await anext(changes)
    assert (event, item["metadata"]["name"], str(revision)) == ("ADDED", "a", item["metadata"]["resourceVersion"])


async def test_or_at_a_revision(objects):
    objects.create("backups", "velero", backup("a"))
    since = objects.revision
    objects.create("backups", "velero", backup("b"))
    changes = objects.subscribe("backups", since=since)
    assert (await anext(changes))[1]["metadata"]["name"] == "b"


async def test_and_ends_when_it_is_closed(objects):
    changes = objects.subscribe("backups")
    objects.create("backups", "velero", backup("a"))
    changes.close()
    objects.create("backups", "velero", backup("b"))
    assert [item["metadata"]["name"] async for _, item, _ in changes] == ["a"]


async def test_it_hears_its_namespace_only(objects):
    changes = objects.subscribe("configmaps", "velero")
    objects.create("configmaps", "default", {"metadata": {"name": "there"}})
    objects.create("configmaps", "velero", {"metadata": {"name": "here"}})
    assert (await anext(changes))[1]["metadata"]["name"] == "here"


def test_a_subscription_from_too_long_ago(objects):
    objects.create("backups", "velero", backup("a"))
    objects.compact()
    with pytest.raises(ApiFailure) as refused:
        objects.subscribe("backups", since=1)
    assert refused.value.status == 410


def test_a_held_namespace_stays_terminating(objects):
    objects.create("namespaces", None, {"metadata": {"name": "shop"}})
    objects.create("configmaps", "shop", {"metadata": {"name": "c"}})
    objects.collector.hold_namespaces = True
    objects.delete("namespaces", None, "shop")
    assert objects.get("namespaces", None, "shop")["status"]["phase"] == "Terminating"
    assert len(objects.list("configmaps", "shop")) == 1
    objects.collector.drain("shop")
    assert objects.find("namespaces", None, "shop") is None
    assert objects.list("configmaps", "shop") == []


def test_generated_names_do_not_collide(objects):
    names = {
        objects.create("backups", "velero", {"metadata": {"generateName": "x-"}})["metadata"]["name"] for _ in range(50)
    }
    assert len(names) == 50


def test_a_definition_adds_a_kind(objects):
    names = {"plural": "themes", "kind": "Theme"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    spec = {"group": "blog.example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    objects.create("customresourcedefinitions", None, {"metadata": {"name": "themes.blog.example.com"}, "spec": spec})
    made = objects.create("themes", "default", {"metadata": {"name": "dark"}, "spec": {"any": {"thing": 1}}})
    assert (made["apiVersion"], made["kind"], made["spec"]) == ("blog.example.com/v1", "Theme", {"any": {"thing": 1}})


def test_history_shows_every_state_again(objects):
    objects.create("backups", "velero", backup("a"))
    one = objects.revision
    objects.create("backups", "velero", backup("b"))
    objects.delete("backups", "velero", "a")
    two = objects.revision
    objects.create("backups", "velero", backup("c"))

    def names(revision):
        page = objects.list_page("backups", "velero", resource_version=str(revision), match="Exact")
        return [item["metadata"]["name"] for item in page.items()]

    assert [names(one), names(two), names(objects.revision)] == [["a"], ["b"], ["b", "c"]]


async def test_ten_thousand_backups_are_no_burden(objects, api):
    loop = asyncio.get_running_loop()
    for n in range(10_000):
        objects.create("backups", "velero", backup(f"b{n:05}", status={"phase": "Completed"}))
    began, names, token = loop.time(), [], ""
    while True:
        query = {"limit": "500", **({"continue": token} if token else {})}
        page = await api.call("GET", api.path("backups"), **query)
        names += page.names
        if not (token := page.json["metadata"].get("continue")):
            break
    assert len(set(names)) == 10_000
    assert loop.time() - began < 10
