"""What a server forgets, by compaction and by a restart: the same on the emulator and on a real API server.

`server` has `compact()`, which takes everything up to now out of its storage and leaves its watch cache alone,
`restart()`, and `throttle()`, inside which nobody is let in.
"""

import pytest

TOO_OLD_TOKEN = "The provided continue parameter is too old to display a consistent list result."


async def forget(server):
    """Neither the storage nor the cache, which answers lists of the past too, knows it any more."""
    await server.compact()
    await server.restart()


async def test_compaction_alone_leaves_the_watch_cache(api, server):
    old = (await api.backup("a")).version
    await api.backup("b")
    await server.compact()
    async with api.watch(api.path("backups"), resourceVersion=old) as watch:
        assert await watch.story(1) == [("ADDED", "b")]


async def test_after_a_restart_every_older_revision_is_too_old_inside_a_200(api, server):
    old = (await api.backup("a")).version
    now = (await api.backup("b")).version
    await server.restart()
    async with api.watch(api.path("backups"), resourceVersion=old) as watch:
        [line] = await watch.rest()
    assert watch.status == 200
    message = line["object"].pop("message")
    known = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Expired"}
    assert line == {"type": "ERROR", "object": {**known, "code": 410}}
    assert message.startswith(f"too old resource version: {old} (")
    assert int(message.rpartition("(")[2].rstrip(")")) >= int(now)


async def test_but_a_page_continues_over_it(api, server):
    await api.backup("a")
    await api.backup("b")
    first = await api.call("GET", api.path("backups"), limit="1")
    await server.restart()
    rest = await api.call("GET", api.path("backups"), **{"continue": first.json["metadata"]["continue"]})
    assert rest.names == ["b"]


async def test_an_exact_list_of_what_is_compacted(api, server):
    old = (await api.backup("a")).version
    await api.backup("b")
    await forget(server)
    answer = await api.call("GET", api.path("backups"), resourceVersion=old, resourceVersionMatch="Exact")
    assert answer.refusal == (410, "Expired", "The resourceVersion for the provided list is too old.")


async def test_an_expired_token_comes_with_a_new_one(api, server):
    for name in ("a", "b", "d"):
        await api.backup(name)
    first = await api.call("GET", api.path("backups"), limit="1")
    await api.backup("c")
    await forget(server)
    answer = await api.call("GET", api.path("backups"), limit="1", **{"continue": first.json["metadata"]["continue"]})
    assert answer.refusal[:2] == (410, "Expired")
    assert answer.refusal[2].startswith(TOO_OLD_TOKEN)
    rest = await api.call("GET", api.path("backups"), **{"continue": answer.json["metadata"]["continue"]})
    assert rest.names == ["b", "c", "d"]
    assert int(rest.version) > int(first.version)


@pytest.mark.parametrize("version", ["", "0"])
async def test_a_fresh_start_is_never_too_old(api, server, version):
    made = await api.backup("a")
    await server.compact()
    await api.call("GET", api.path("backups"), resourceVersion=made.version)
    async with api.watch(api.path("backups"), resourceVersion=version) as watch:
        assert await watch.story(1) == [("ADDED", "a")]
    assert (await api.call("GET", api.path("backups"))).names == ["a"]


async def test_throttling_is_plain_text_with_a_time_to_wait(api, server):
    async with server.throttle():
        answer = await api.call("GET", api.path("backups"), token=api.bot_token)
    assert (answer.status, answer.text.strip()) == (429, "Too many requests, please try again later.")
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert (await api.call("GET", api.path("backups"), token=api.bot_token)).status == 200
