"""A server in trouble, as clients see it."""

import asyncio

import aiohttp
import pytest

from sandbox.kubernetes.faults import Trouble
from sandbox.kubernetes.watch import marks


async def test_down_refuses_connections_and_up_is_the_same_place(api, emulator):
    await api.backup("a")
    url = emulator.url
    await emulator.down()
    with pytest.raises(aiohttp.ClientConnectorError):
        await api.call("GET", api.path("backups"))
    await emulator.up()
    assert emulator.url == url
    assert (await api.call("GET", api.path("backups"))).names == ["a"]


async def test_down_cuts_open_watches(api, emulator):
    start = (await api.backup("a")).version
    async with api.watch(api.path("backups"), resourceVersion=start) as watch:
        await emulator.down()
        with pytest.raises(aiohttp.ClientError):
            await watch.rest()
    assert emulator.watches.count == 0


async def test_throttling_is_plain_text_with_a_time_to_wait(api, emulator):
    emulator.faults.on(Trouble.THROTTLED, times=1)
    answer = await api.call("GET", api.path("backups"))
    assert (answer.status, answer.text) == (429, "Too many requests, please try again later.\n")
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert (await api.call("GET", api.path("backups"))).status == 200


async def test_a_proxy_answers_in_html(api, emulator):
    emulator.faults.on(Trouble.BAD_GATEWAY)
    answer = await api.call("GET", api.path("backups"))
    assert answer.status == 502
    assert answer.headers["Content-Type"].startswith("text/html")
    emulator.faults.clear(Trouble.BAD_GATEWAY)
    assert (await api.call("GET", api.path("backups"))).status == 200


async def test_an_error_inside(api, emulator):
    emulator.faults.on(Trouble.BROKEN, times=1)
    assert (await api.call("GET", api.path("backups"))).refusal[:2] == (500, "InternalError")


async def test_a_reset_does_nothing(api, emulator, objects):
    emulator.faults.on(Trouble.RESET, times=1, which=lambda r: r.method == "POST")
    with pytest.raises(aiohttp.ClientError):
        await api.backup("a")
    assert objects.list("backups", api.namespace) == []


async def test_a_lost_answer_has_done_it(api, emulator, objects):
    emulator.faults.on(Trouble.LOST_ANSWER, times=1, which=lambda r: r.method == "POST")
    with pytest.raises(aiohttp.ClientError):
        await api.backup("a")
    assert [b["metadata"]["name"] for b in objects.list("backups", api.namespace)] == ["a"]


async def test_a_hanging_server_answers_when_it_is_cleared(api, emulator):
    emulator.faults.on(Trouble.HANG)
    waiting = asyncio.ensure_future(api.call("GET", api.path("backups")))
    done, _ = await asyncio.wait({waiting}, timeout=0.1)
    assert done == set()
    emulator.faults.clear()
    assert (await waiting).status == 200


async def test_a_slow_one_takes_its_time(api, emulator):
    emulator.faults.slow_seconds = 0.2
    emulator.faults.on(Trouble.SLOW, times=1)
    began = asyncio.get_running_loop().time()
    await api.call("GET", api.path("backups"))
    assert asyncio.get_running_loop().time() - began >= 0.2


async def test_only_the_chosen_requests_suffer(api, emulator):
    emulator.faults.on(Trouble.THROTTLED, which=lambda r: "restores" in r.path)
    assert (await api.call("GET", api.path("restores"))).status == 429
    assert (await api.call("GET", api.path("backups"))).status == 200


async def test_a_kind_that_is_forbidden_to_all(api, emulator):
    emulator.faults.forbidden.add("backups")
    assert (await api.call("GET", api.path("backups"))).refusal[:2] == (403, "Forbidden")
    assert (await api.call("GET", api.path("restores"))).status == 200


async def test_definitions_that_are_not_installed(api, emulator):
    emulator.faults.absent.add("velero.io")
    answer = await api.call("GET", api.path("backups"))
    assert (answer.status, answer.text) == (404, "404 page not found\n")
    assert (await api.call("GET", "/apis/velero.io/v1")).status == 404
    assert "velero.io" not in (await api.call("GET", "/apis")).text
    emulator.faults.clear()
    assert (await api.call("GET", api.path("backups"))).status == 200


async def test_watches_end_cleanly_when_told(api, emulator):
    start = (await api.backup("a")).version
    async with api.watch(api.path("backups"), resourceVersion=start) as watch:
        await api.backup("b")
        assert await watch.story(1) == [("ADDED", "b")]
        emulator.watches.end()
        assert await watch.rest() == []


async def test_or_with_their_connection(api, emulator):
    start = (await api.backup("a")).version
    async with api.watch(api.path("backups"), resourceVersion=start) as watch:
        emulator.watches.end(abruptly=True)
        with pytest.raises(aiohttp.ClientError):
            await watch.rest()


async def test_a_line_that_is_cut_in_the_middle(api, emulator):
    start = (await api.backup("a")).version
    emulator.faults.on(Trouble.TRUNCATED_WATCH, times=1)
    async with api.watch(api.path("backups"), resourceVersion=start) as watch:
        await api.backup("b")
        cut = await watch.response.content.read()
    assert cut.startswith(b'{"type":"ADDED"')
    assert not cut.endswith(b"\n")


async def test_every_watch_may_be_too_old(api, emulator):
    start = (await api.backup("a")).version
    emulator.faults.on(Trouble.EXPIRED_WATCH)
    async with api.watch(api.path("backups"), resourceVersion=start) as watch:
        [line] = await watch.rest()
    assert line["object"]["code"] == 410


async def test_bookmarks_come_in_between(api, emulator):
    emulator.watches.bookmark_every = 0.05
    start = (await api.backup("a")).version
    async with api.watch(api.path("backups"), resourceVersion=start, allowWatchBookmarks="true") as watch:
        assert await watch.story(2) == [("BOOKMARK", ""), ("BOOKMARK", "")]


@pytest.mark.parametrize(
    ("seconds", "due"),
    [(2, []), (3, [1]), (61, [59]), (70, [60, 68]), (150, [60, 120, 148])],
)
def test_a_last_bookmark_comes_shortly_before_the_end(seconds, due):
    assert list(marks(0, seconds, every=60)) == due


async def test_a_client_that_leaves_is_forgotten(api, emulator):
    start = (await api.backup("a")).version
    async with api.watch(api.path("backups"), resourceVersion=start):
        assert emulator.watches.count == 1
    async with asyncio.timeout(5):
        while emulator.watches.count:
            await asyncio.sleep(0)


async def test_what_arrived_is_remembered(api, emulator):
    await api.call("GET", api.path("backups"), token=api.bot_token, limit="5")
    assert (emulator.seen[-1].method, emulator.seen[-1].user) == ("GET", "bot")
    assert emulator.seen[-1].path.endswith("/backups?limit=5")
