"""What a server forgets: old revisions, continue tokens, watches; 410 in the forms in which it comes."""

import pytest

TOO_OLD_TOKEN = "The provided continue parameter is too old to display a consistent list result."


async def expect_too_old(watch, since, floor):
    [line] = await watch.rest()
    assert watch.status == 200
    assert line == {
        "type": "ERROR",
        "object": {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": f"too old resource version: {since} ({floor})",
            "reason": "Expired",
            "code": 410,
        },
    }


async def test_a_watch_from_before_is_told_so_inside_a_200(api, objects):
    old = (await api.backup("a")).version
    await api.backup("b")
    objects.compact()
    async with api.watch(api.path("backups"), resourceVersion=old) as watch:
        await expect_too_old(watch, old, objects.revision)


async def test_a_watch_from_now_goes_on(api, objects):
    now = (await api.backup("a")).version
    objects.compact()
    await api.backup("b")
    async with api.watch(api.path("backups"), resourceVersion=now) as watch:
        assert await watch.story(1) == [("ADDED", "b")]


async def test_compaction_alone_leaves_the_watch_cache(api, objects):
    old = (await api.backup("a")).version
    await api.backup("b")
    objects.compact(watches=False)
    async with api.watch(api.path("backups"), resourceVersion=old) as watch:
        assert await watch.story(1) == [("ADDED", "b")]


async def test_after_a_restart_every_older_revision_is_too_old(api, emulator, objects):
    old = (await api.backup("a")).version
    now = (await api.backup("b")).version
    await emulator.restart()
    async with api.watch(api.path("backups"), resourceVersion=old) as watch:
        await expect_too_old(watch, old, now)


async def test_but_a_page_continues_over_it(api, emulator):
    await api.backup("a")
    await api.backup("b")
    first = await api.call("GET", api.path("backups"), limit="1")
    await emulator.restart()
    rest = await api.call("GET", api.path("backups"), **{"continue": first.json["metadata"]["continue"]})
    assert rest.names == ["b"]


async def test_an_exact_list_of_what_is_compacted(api, objects):
    old = (await api.backup("a")).version
    await api.backup("b")
    objects.compact()
    answer = await api.call("GET", api.path("backups"), resourceVersion=old, resourceVersionMatch="Exact")
    assert answer.refusal == (410, "Expired", "The resourceVersion for the provided list is too old.")


async def test_an_expired_token_comes_with_a_new_one(api, objects):
    for name in ("a", "b", "d"):
        await api.backup(name)
    first = await api.call("GET", api.path("backups"), limit="1")
    await api.backup("c")
    objects.compact()
    answer = await api.call("GET", api.path("backups"), limit="1", **{"continue": first.json["metadata"]["continue"]})
    assert answer.refusal[:2] == (410, "Expired")
    assert answer.refusal[2].startswith(TOO_OLD_TOKEN)
    rest = await api.call("GET", api.path("backups"), **{"continue": answer.json["metadata"]["continue"]})
    assert rest.names == ["b", "c", "d"]
    assert int(rest.version) > int(first.version)


@pytest.mark.parametrize("version", ["", "0"])
async def test_a_fresh_start_is_never_too_old(api, objects, version):
    await api.backup("a")
    objects.compact()
    async with api.watch(api.path("backups"), resourceVersion=version) as watch:
        assert await watch.story(1) == [("ADDED", "a")]
