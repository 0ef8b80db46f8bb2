"""Watches: the same on the emulator and on a real API server."""

import asyncio

import pytest


async def revision(api):
    return (await api.call("GET", api.path("backups"))).version


async def test_changes_come_in_order_with_rising_revisions(api):
    start = await revision(api)
    async with api.watch(api.path("backups"), resourceVersion=start) as watch:
        await api.backup("a")
        await api.patch_backup("a", {"status": {"phase": "New"}})
        await api.call("DELETE", api.path("backups", "a"))
        lines = [await watch.line() for _ in range(3)]
    assert [line["type"] for line in lines] == ["ADDED", "MODIFIED", "DELETED"]
    revisions = [int(line["object"]["metadata"]["resourceVersion"]) for line in lines]
    assert revisions == sorted(set(revisions))
    assert revisions[0] > int(start)


async def test_a_watch_resumes_after_the_revision_it_names(api):
    await api.backup("a")
    seen = (await api.backup("b")).version
    await api.backup("c")
    async with api.watch(api.path("backups"), resourceVersion=seen) as watch:
        assert await watch.story(1) == [("ADDED", "c")]


@pytest.mark.parametrize("query", [{}, {"resourceVersion": "0"}])
async def test_a_watch_from_nowhere_starts_with_everything(api, query):
    await api.backup("a")
    made = await api.backup("b")
    await api.call("GET", api.path("backups"), resourceVersion=made.version)
    async with api.watch(api.path("backups"), **query) as watch:
        assert sorted(await watch.story(2)) == [("ADDED", "a"), ("ADDED", "b")]
        await api.backup("c")
        assert await watch.story(1) == [("ADDED", "c")]


async def test_a_watch_list_marks_the_end_of_what_was_there(api):
    await api.backup("a")
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    async with api.watch(api.path("backups"), **query) as watch:
        assert await watch.story(1) == [("ADDED", "a")]
        mark = await watch.line()
    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["kind"] == "Backup"
    assert mark["object"]["apiVersion"] == "velero.io/v1"
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert int(mark["object"]["metadata"]["resourceVersion"]) > 0


async def test_without_bookmarks_it_does_not(api):
    await api.backup("a")
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "timeoutSeconds": "2"}
    async with api.watch(api.path("backups"), **query) as watch:
        assert [line["type"] for line in await watch.rest()] == ["ADDED"]


async def test_a_watch_list_says_how_old_it_may_be(api):
    async with api.watch(api.path("backups"), sendInitialEvents="true") as watch:
        body = await watch.response.json()
    assert watch.status == 422
    assert "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan" in body["message"]


async def test_the_stream_ends_at_its_time(api):
    start = await revision(api)
    began = asyncio.get_running_loop().time()
    query = {"resourceVersion": start, "timeoutSeconds": "3", "allowWatchBookmarks": "true"}
    async with api.watch(api.path("backups"), **query) as watch:
        lines = await watch.rest()
    took = asyncio.get_running_loop().time() - began
    assert 2.8 < took < 5
    for line in lines:  # a real server sends a last bookmark only if it has a newer revision to tell
        assert line["type"] == "BOOKMARK"
        assert set(line["object"]) == {"kind", "apiVersion", "metadata"}
        assert int(line["object"]["metadata"]["resourceVersion"]) >= int(start)


async def test_without_asking_there_are_no_bookmarks(api):
    query = {"resourceVersion": await revision(api), "timeoutSeconds": "2"}
    async with api.watch(api.path("backups"), **query) as watch:
        assert await watch.rest() == []


async def test_a_watch_from_the_future_is_silent(api):
    query = {"resourceVersion": "99999999", "timeoutSeconds": "1"}
    async with api.watch(api.path("backups"), **query) as watch:
        assert watch.status == 200
        await api.backup("a")
        assert await watch.rest() == []


async def test_a_revision_that_is_no_number(api):
    async with api.watch(api.path("backups"), resourceVersion="abc") as watch:
        body = await watch.response.json()
    assert watch.status == 500
    assert 'Invalid value: "abc": strconv.ParseUint' in body["message"]


async def test_what_enters_a_selection_is_added_and_what_leaves_it_deleted(api):
    await api.backup("a", metadata={"labels": {"team": "blog"}})
    start = await revision(api)
    async with api.watch(api.path("backups"), resourceVersion=start, labelSelector="team=shop") as watch:
        await api.patch_backup("a", {"metadata": {"labels": {"team": "shop"}}})
        await api.patch_backup("a", {"spec": {"ttl": "1h"}})
        await api.patch_backup("a", {"metadata": {"labels": {"team": "blog"}}})
        assert await watch.story(3) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_one_object_can_be_watched(api):
    start = await revision(api)
    async with api.watch(api.path("backups"), resourceVersion=start, fieldSelector="metadata.name=b") as watch:
        await api.backup("a")
        await api.backup("b")
        assert await watch.story(1) == [("ADDED", "b")]


async def test_a_namespace_hears_nothing_of_another(api):
    other = f"{api.namespace}-other"
    await api.call("POST", "/api/v1/namespaces", {"metadata": {"name": other}})
    start = await revision(api)
    async with api.watch(api.path("backups"), resourceVersion=start) as watch:
        there = {"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": "there"}}
        await api.call("POST", api.path("backups", namespace=other), there)
        await api.backup("here")
        assert await watch.story(1) == [("ADDED", "here")]


async def test_a_patch_that_changes_nothing_is_no_event(api):
    made = await api.backup("a", spec={"ttl": "1h"})
    async with api.watch(api.path("backups"), resourceVersion=made.version) as watch:
        same = await api.patch_backup("a", {"spec": {"ttl": "1h"}})
        await api.backup("b")
        assert await watch.story(1) == [("ADDED", "b")]
    assert same.version == made.version


async def test_a_watch_that_is_not_allowed_is_refused_before_it_starts(api):
    async with api.watch(api.path("restores"), token=api.bot_token) as watch:
        body = await watch.response.json()
    assert watch.status == 403
    assert 'cannot watch resource "restores"' in body["message"]
