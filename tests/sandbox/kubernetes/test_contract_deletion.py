"""Deletion: preconditions, finalizers, owners, namespaces; the same on the emulator and on a real cluster.

Owners and namespaces need a controller manager beside a real API server.
"""

MERGE = "application/merge-patch+json"


async def revision(api):
    return (await api.call("GET", api.path("backups"))).version


def owned_by(owner, kind="Schedule"):
    metadata = owner.json["metadata"]
    return {
        "ownerReferences": [
            {"apiVersion": "velero.io/v1", "kind": kind, "name": metadata["name"], "uid": metadata["uid"]}
        ]
    }


async def make_schedule(api, name):
    spec = {"schedule": "0 1 * * *", "template": {}}
    body = {"apiVersion": "velero.io/v1", "kind": "Schedule", "metadata": {"name": name}, "spec": spec}
    return await api.call("POST", api.path("schedules"), body)


async def until(watch, event_type, name):
    while (line := await watch.line())["type"] != event_type or line["object"]["metadata"]["name"] != name:
        pass
    return line["object"]


async def test_a_deletion_answers_with_a_status_that_names_the_uid(api):
    uid = (await api.backup("a")).json["metadata"]["uid"]
    answer = await api.call("DELETE", api.path("backups", "a"))
    assert answer.status == 200
    assert (answer.json["kind"], answer.json["status"]) == ("Status", "Success")
    assert answer.json["details"] == {"name": "a", "group": "velero.io", "kind": "backups", "uid": uid}
    assert (await api.call("GET", api.path("backups", "a"))).status == 404


async def test_of_what_is_not_there(api):
    answer = await api.call("DELETE", api.path("backups", "a"))
    assert answer.refusal == (404, "NotFound", 'backups.velero.io "a" not found')


async def test_another_uid_is_another_object(api):
    uid = (await api.backup("a")).json["metadata"]["uid"]
    answer = await api.call("DELETE", api.path("backups", "a"), {"preconditions": {"uid": "nope"}})
    code, reason, message = answer.refusal
    assert (code, reason) == (409, "Conflict")
    assert f"the UID in the precondition (nope) does not match the UID in record ({uid})" in message
    assert (await api.call("DELETE", api.path("backups", "a"), {"preconditions": {"uid": uid}})).status == 200


async def test_another_revision_is_another_state(api):
    old = (await api.backup("a")).version
    await api.patch_backup("a", {"spec": {"ttl": "1h"}})
    answer = await api.call("DELETE", api.path("backups", "a"), {"preconditions": {"resourceVersion": old}})
    assert answer.refusal[:2] == (409, "Conflict")
    assert f"the ResourceVersion in the precondition ({old}) does not match" in answer.refusal[2]


async def test_a_dry_run_deletes_nothing(api):
    await api.backup("a")
    assert (await api.call("DELETE", api.path("backups", "a"), dryRun="All")).status == 200
    assert (await api.call("GET", api.path("backups", "a"))).status == 200


async def test_a_finalizer_holds_an_object_until_it_is_taken_off(api):
    made = await api.backup("a", metadata={"finalizers": ["example.org/hold"]})
    async with api.watch(api.path("backups"), resourceVersion=made.version) as watch:
        marked = await api.call("DELETE", api.path("backups", "a"))
        metadata = marked.json["metadata"]
        assert metadata["deletionTimestamp"]
        assert metadata["deletionGracePeriodSeconds"] == 0
        assert metadata["generation"] == 2
        assert (await api.call("GET", api.path("backups", "a"))).status == 200
        assert (await api.patch_backup("a", {"metadata": {"finalizers": None}})).status == 200
        assert await watch.story(2) == [("MODIFIED", "a"), ("DELETED", "a")]
    assert (await api.call("GET", api.path("backups", "a"))).status == 404


async def test_a_dying_object_takes_no_new_finalizers(api):
    await api.backup("a", metadata={"finalizers": ["example.org/hold"]})
    await api.call("DELETE", api.path("backups", "a"))
    answer = await api.patch_backup("a", {"metadata": {"finalizers": ["example.org/hold", "example.org/more"]}})
    assert answer.causes["metadata.finalizers"].startswith(
        "Forbidden: no new finalizers can be added if the object is being deleted"
    )


async def test_a_collection_goes_by_selector(api):
    for name, team in (("a", "shop"), ("b", "blog"), ("c", "shop")):
        await api.backup(name, metadata={"labels": {"team": team}})
    answer = await api.call("DELETE", api.path("backups"), labelSelector="team=shop")
    assert answer.status == 200
    assert (await api.call("GET", api.path("backups"))).names == ["b"]


async def test_what_is_owned_goes_with_its_owner(api):
    owner = await make_schedule(api, "nightly")
    await api.backup("nightly-1", metadata=owned_by(owner))
    async with api.watch(api.path("backups"), resourceVersion=await revision(api)) as watch:
        await api.call("DELETE", api.path("schedules", "nightly"), {"propagationPolicy": "Background"})
        await until(watch, "DELETED", "nightly-1")


async def test_unless_it_is_orphaned(api):
    owner = await make_schedule(api, "nightly")
    await api.backup("nightly-1", metadata=owned_by(owner))
    async with api.watch(api.path("backups"), resourceVersion=await revision(api)) as watch:
        await api.call("DELETE", api.path("schedules", "nightly"), {"propagationPolicy": "Orphan"})
        left = await until(watch, "MODIFIED", "nightly-1")
    assert "ownerReferences" not in left["metadata"]


async def test_or_has_another_owner(api):
    one, two = await make_schedule(api, "one"), await make_schedule(api, "two")
    both = {"ownerReferences": owned_by(one)["ownerReferences"] + owned_by(two)["ownerReferences"]}
    await api.backup("b", metadata=both)
    async with api.watch(api.path("backups"), resourceVersion=await revision(api)) as watch:
        await api.call("DELETE", api.path("schedules", "one"), {"propagationPolicy": "Background"})
        left = await until(watch, "MODIFIED", "b")
    assert [o["name"] for o in left["metadata"]["ownerReferences"]] == ["two"]


async def test_in_the_foreground_the_owner_goes_last(api):
    owner = await make_schedule(api, "nightly")
    await api.backup("nightly-1", metadata=owned_by(owner))
    async with api.watch(api.path("schedules"), resourceVersion=await revision(api)) as watch:
        marked = await api.call("DELETE", api.path("schedules", "nightly"), {"propagationPolicy": "Foreground"})
        assert marked.json["metadata"]["finalizers"] == ["foregroundDeletion"]
        await until(watch, "DELETED", "nightly")
    assert (await api.call("GET", api.path("backups", "nightly-1"))).status == 404


async def test_what_has_no_living_owner_goes_soon(api):
    start = await revision(api)
    gone = {"ownerReferences": [{"apiVersion": "velero.io/v1", "kind": "Schedule", "name": "old", "uid": "0000"}]}
    async with api.watch(api.path("backups"), resourceVersion=start) as watch:
        assert (await api.backup("a", metadata=gone)).status == 201
        await until(watch, "DELETED", "a")


async def test_an_owner_has_a_name_and_a_uid(api):
    answer = await api.backup(
        "a", metadata={"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": ""}]}
    )
    assert answer.causes == {"metadata.ownerReferences.uid": 'Invalid value: "": must not be empty'}


async def test_a_namespace_takes_its_contents_along(api):
    shop = f"{api.namespace}-shop"
    await api.call("POST", "/api/v1/namespaces", {"metadata": {"name": shop}})
    await api.call("POST", api.path("configmaps", group="", namespace=shop), {"metadata": {"name": "c"}})
    start = (await api.call("GET", "/api/v1/namespaces")).version
    async with api.watch("/api/v1/namespaces", resourceVersion=start) as watch:
        answer = await api.call("DELETE", f"/api/v1/namespaces/{shop}")
        assert answer.json["status"]["phase"] == "Terminating"
        assert answer.json["metadata"]["deletionTimestamp"]
        await until(watch, "DELETED", shop)
    assert (await api.call("GET", api.path("configmaps", "c", group="", namespace=shop))).status == 404


async def test_a_dying_namespace_takes_nothing_new(api):
    shop = f"{api.namespace}-shop"
    await api.call("POST", "/api/v1/namespaces", {"metadata": {"name": shop}})
    held = {"metadata": {"name": "c", "finalizers": ["example.org/hold"]}}
    configmaps = api.path("configmaps", group="", namespace=shop)
    await api.call("POST", configmaps, held)
    await api.call("DELETE", f"/api/v1/namespaces/{shop}")
    answer = await api.call("POST", configmaps, {"metadata": {"name": "d"}})
    said = (
        f'configmaps "d" is forbidden: unable to create new content in namespace {shop} because it is being terminated'
    )
    assert answer.refusal == (403, "Forbidden", said)
    assert answer.json["details"]["causes"] == [
        {
            "reason": "NamespaceTerminating",
            "message": f"namespace {shop} is being terminated",
            "field": "metadata.namespace",
        }
    ]
    start = (await api.call("GET", "/api/v1/namespaces")).version
    async with api.watch("/api/v1/namespaces", resourceVersion=start) as watch:
        await api.call("PATCH", f"{configmaps}/c", {"metadata": {"finalizers": None}}, content_type=MERGE)
        await until(watch, "DELETED", shop)


async def test_some_namespaces_stay(api):
    answer = await api.call("DELETE", "/api/v1/namespaces/kube-system")
    assert answer.refusal == (
        403,
        "Forbidden",
        'namespaces "kube-system" is forbidden: this namespace may not be deleted',
    )
