"""The reflector against every known failure of a watch, over the wire."""

import asyncio
import json

import pytest

from tests.velero.conftest import (
    RECORDINGS,
    TOO_OLD,
    ReflectorTimes,
    backup,
    bookmark,
    event,
    failed,
    lists,
    says,
    says_json,
    streams,
)
from velero.health import Condition


def saw(*expected: tuple) -> object:
    return lambda follower: all(one in follower.seen for one in expected)


async def test_lists_then_watches_from_there(server, follower):
    server.lists = [lists(backup("a", "Completed"), rv="100")]
    server.watches = [streams(event("ADDED", backup("b", rv="101")), then="hang")]

    await follower.until(saw(("added", "b", "")))

    assert follower.seen == [("added", "a", "Completed"), ("added", "b", "")]
    assert follower.places == ["", "100", "101"]
    assert server.watched_from == ["100"]


async def test_resumes_from_a_stored_version_without_a_list(server, follower):
    server.watches = [streams(event("MODIFIED", backup("a", "InProgress", rv="8")), then="hang")]

    await follower.until(saw(("modified", "a", "InProgress")), place="7")

    assert server.watched_from == ["7"]
    assert len(server.requests) == 1


async def test_asks_for_bookmarks_and_an_end(server, follower):
    server.watches = [streams(bookmark("9"), then="hang")]
    await follower.until(lambda f: f.places == ["9"], place="7")
    query = server.requests[0].query
    assert query["allowWatchBookmarks"] == "true"
    assert 300 <= int(query["timeoutSeconds"]) <= 600


async def test_the_version_advances_only_after_the_commit(server, follower):
    server.watches = [streams(event("ADDED", backup("a", rv="8")), then="close")]
    first = follower.reflector("7").batches()
    await anext(first)
    await first.aclose()  # crashed before the commit

    second = follower.reflector("7").batches()
    batch = await anext(second)
    await second.aclose()
    assert [one.name for one in batch.observations] == ["a"]
    assert server.watched_from == ["7", "7"]


async def test_each_page_is_a_batch(server, follower):
    server.lists = [
        lists(backup("a"), backup("b"), rv="100", token="more"),
        lists(backup("c"), rv="100"),
    ]
    server.watches = [streams(then="hang")]
    await follower.until(lambda f: f.places[-1:] == ["100"])
    assert [name for _, name, _ in follower.seen] == ["a", "b", "c"]
    assert server.requests[1].query["continue"] == "more"
    assert server.requests[1].query["limit"] == "2"
    assert follower.places == ["", "", "100"]


async def test_a_list_reports_objects_that_vanished(server, follower):
    follower.known = {"uid-a": "a", "uid-old": "old"}
    server.lists = [lists(backup("a", "Completed"), rv="100")]
    server.watches = [streams(then="hang")]
    await follower.until(lambda f: f.places[-1:] == ["100"])
    assert follower.seen == [("modified", "a", "Completed"), ("gone", "old", None)]


async def test_a_name_with_another_uid_is_a_new_object(server, follower):
    follower.known = {"uid-first": "a"}
    server.lists = [lists(backup("a", uid="uid-second"), rv="100")]
    server.watches = [streams(then="hang")]
    await follower.until(lambda f: f.places[-1:] == ["100"])
    assert [change for change, _, _ in follower.seen] == ["added", "gone"]


async def test_an_expired_version_starts_a_list(server, follower):
    server.watches = [streams(TOO_OLD), streams(then="hang")]
    server.lists = [lists(backup("a", "Completed"), rv="260")]
    await follower.until(lambda f: f.places[-1:] == ["260"], place="1")
    assert follower.seen == [("added", "a", "Completed")]
    assert follower.slept == []
    assert follower.board.get("Backup").ok


async def test_events_before_the_410_are_kept(server, follower):
    server.watches = [streams(event("ADDED", backup("a", rv="8")), TOO_OLD), streams(then="hang")]
    server.lists = [lists(backup("a", rv="8"), rv="260")]
    await follower.until(lambda f: f.places[-1:] == ["260"], place="1")
    assert follower.seen[0] == ("added", "a", "")
    assert follower.places[0] == "8"


async def test_410_at_connect_starts_a_list(server, follower):
    server.watches = [says_json(failed(410, "too old", "Expired"), 410), streams(then="hang")]
    server.lists = [lists(backup("a"), rv="260")]
    await follower.until(lambda f: f.places[-1:] == ["260"], place="1")
    assert len(server.requests) == 2


async def test_repeated_410s_are_delayed(server, follower):
    server.watches = [streams(event("ADDED", backup("a", rv="8")), TOO_OLD)]
    server.lists = [lists(backup("a", rv="8"), rv="260")]
    await follower.until(lambda f: len(f.slept) >= 5, place="1")
    assert follower.slept[-1] > follower.slept[0]


async def test_410_between_two_pages_begins_the_list_again(server, follower):
    server.lists = [
        lists(backup("a"), backup("b"), rv="100", token="old"),
        says_json(failed(410, "The provided continue parameter is too old", "Expired"), 410),
        lists(backup("b"), rv="105"),
    ]
    server.watches = [streams(then="hang")]
    await follower.until(lambda f: f.places[-1:] == ["105"])
    assert ("gone", "a", None) in follower.seen


async def test_an_unreadable_version_starts_a_list(server, follower):
    message = 'resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax'
    server.watches = [says_json(failed(500, message), 500), streams(then="hang")]
    server.lists = [lists(rv="260")]
    await follower.until(lambda f: f.places[-1:] == ["260"], place="abc")


BAD_STARTS = {
    "502 with a page": says("<html><h1>Bad gateway</h1><p>secret-page</p></html>", 502, "text/html"),
    "200 and nothing": streams(),
    "200 with a page": says("<html>maintenance</html>", 200, "text/html"),
    "429 in plain text": says("Too many requests, please try again later.", 429, "text/plain", Retry_After="1"),
    "401": says_json(failed(401, "Unauthorized", "Unauthorized"), 401),
    "403": says_json(failed(403, "backups.velero.io is forbidden", "Forbidden"), 403),
    "404 of the resource": says("404 page not found", 404, "text/plain"),
    "ERROR no reason given": streams(event("ERROR", {"kind": "Status"})),
    "ERROR without anything": streams(b'{"type":"ERROR","object":{}}\n'),
    "no object": streams(b'{"type":"ADDED"}\n'),
    "not JSON": streams(b"<html>\n<body>\n"),
    "a list": streams(b"[1,2]\n"),
    "an unknown type": streams(b'{"type":"RENAMED","object":{}}\n'),
    "nested to death": streams(b"[" * 100_000 + b"\n"),
    "half a line": streams(b'{"type":"ADDED","object":{"metada'),
    "cut": streams(b'{"type":"ADDED","object":{"metada', then="cut"),
}


@pytest.mark.parametrize("bad", BAD_STARTS.values(), ids=BAD_STARTS.keys())
async def test_a_bad_watch_is_retried_from_the_same_version(server, follower, bad):
    server.watches = [bad, bad, bad, streams(event("ADDED", backup("a", rv="8")), then="hang")]
    await follower.until(saw(("added", "a", "")), place="7")
    assert server.watched_from == ["7"] * 4 or server.watched_from == ["7"] * 7  # a 401 is tried twice
    assert len(follower.slept) == 3
    assert follower.places == ["8"]
    assert "secret" not in follower.board.get("Backup").reason


@pytest.mark.parametrize("bad", BAD_STARTS.values(), ids=BAD_STARTS.keys())
async def test_a_bad_list_is_retried(server, follower, bad):
    server.lists = [bad, lists(backup("a"), rv="100")]
    server.watches = [streams(then="hang")]
    await follower.until(lambda f: f.places[-1:] == ["100"])
    assert len(follower.slept) == 1


async def test_errors_that_only_an_administrator_can_fix_are_retried_rarely(server, follower):
    server.watches = [BAD_STARTS["403"], BAD_STARTS["403"], streams(bookmark("8"), then="hang")]
    await follower.until(
        lambda f: f.places == ["8"],
        place="7",
        pace=ReflectorTimes(lasting_error_delay=60.0, backoff_base=0.01, batch_seconds=0.005),
    )
    assert all(30.0 <= seconds <= 60.0 for seconds in follower.slept)


async def test_the_board_names_what_is_wrong_and_since_when(server, follower):
    server.lists = [BAD_STARTS["404 of the resource"]]
    batches = follower.reflector().batches()
    waiting = asyncio.ensure_future(anext(batches))
    while len(follower.slept) < 2:
        await asyncio.sleep(0.01)
    health = follower.board.get("Backup")
    assert health.condition is Condition.MISSING
    assert "Cluster prod has no backups resource." in health.reason
    assert follower.board.degraded() == (health,)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_retry_after_is_a_minimum(server, follower):
    server.watches = [BAD_STARTS["429 in plain text"], streams(bookmark("8"), then="hang")]
    await follower.until(lambda f: f.places == ["8"], place="7")
    assert follower.slept[0] >= 1.0


async def test_a_silent_stream_is_resumed_at_once_without_a_list(server, follower):
    server.watches = [
        streams(event("ADDED", backup("a", rv="8")), then="hang"),
        streams(event("ADDED", backup("b", rv="9")), then="hang"),
    ]
    await follower.until(saw(("added", "b", "")), place="7")
    assert server.watched_from == ["7", "8"]
    assert follower.slept == []


async def test_repeated_silence_starts_a_list(server, follower):
    """An API server sends nothing for a version ahead of its own (a cluster restored from a backup of etcd)."""
    server.watches = [streams(then="hang")] * 3 + [streams(bookmark("51"), then="hang")]
    server.lists = [lists(backup("a"), rv="50")]
    await follower.until(lambda f: f.places[-1:] == ["51"], place="999999")
    assert server.watched_from == ["999999"] * 3 + ["50"]


async def test_a_broken_connection_is_resumed_at_the_last_version(server, follower):
    server.watches = [
        streams(event("ADDED", backup("a", rv="8")), b'{"type":"MODIFIED","obj', then="cut"),
        streams(event("MODIFIED", backup("a", "InProgress", rv="9")), then="hang"),
    ]
    await follower.until(saw(("modified", "a", "InProgress")), place="7")
    assert server.watched_from == ["7", "8"]


async def test_a_line_that_is_too_long_starts_a_list(server, follower):
    server.watches = [streams(b'{"type":"ADDED","object":{"x":"' + b"x" * 5_000_000 + b'"}}\n'), streams(then="hang")]
    server.lists = [lists(rv="100")]
    await follower.until(lambda f: f.places[-1:] == ["100"], place="7")


async def test_bookmarks_keep_a_stream_alive_and_advance_the_version(server, follower):
    async def slowly(request):
        response = await streams(bookmark("8"))(request)
        for rv in ("9", "10"):
            await asyncio.sleep(0.15)
            await response.write(bookmark(rv))
        await asyncio.sleep(0.15)
        return response

    server.watches = [slowly, streams(then="hang")]
    await follower.until(lambda f: f.places[-1:] == ["10"], place="7")
    assert len(server.requests) == 1


async def test_a_burst_arrives_in_batches(server, follower):
    burst = b"".join(event("ADDED", backup(f"b{n}", rv=str(n))) for n in range(1000))
    server.watches = [streams(burst, then="hang")]
    await follower.until(lambda f: len(f.seen) == 1000, place="7")
    assert len(follower.places) < 50
    assert follower.places[-1] == "999"


async def test_objects_without_an_identity_are_skipped(server, follower):
    anonymous = {"kind": "Backup", "metadata": {"resourceVersion": "8"}}
    server.watches = [streams(event("ADDED", anonymous), event("ADDED", backup("a", rv="9")), then="hang")]
    await follower.until(saw(("added", "a", "")), place="7")
    assert len(follower.seen) == 1


async def test_a_thousand_410s_lose_no_terminal_state(server, follower):
    """Every backup's end is seen, whichever list or watch it fell into."""
    finished: dict[str, dict] = {}

    async def listing(request):
        return await lists(*finished.values(), rv=str(1000 + len(finished)))(request)

    async def watching(request):
        name = f"b{len(finished)}"
        finished[name] = backup(name, "Completed", rv=str(2000 + len(finished)))
        pieces = [TOO_OLD] if len(finished) % 3 else [event("ADDED", finished[name]), TOO_OLD]
        return await streams(*pieces)(request)

    server.lists, server.watches = [listing], [watching]
    pace = ReflectorTimes(backoff_base=0.0001, backoff_cap=0.0002, batch_seconds=0.001)
    await follower.until(lambda f: len(f.known) >= 200, place="1", pace=pace)
    assert {name for _, name, _ in follower.seen} >= {f"b{n}" for n in range(199)}


async def test_a_real_stream(server, follower):
    """As recorded from a real API server while a real Velero ran."""
    recorded = [json.loads(line) for line in (RECORDINGS / "backups.jsonl").read_text().splitlines()]
    first, *rest = recorded
    events = [event(one["type"], one["object"]) for one in rest if one["type"] in {"ADDED", "MODIFIED", "DELETED"}]
    server.lists = [says_json(first["object"])]
    server.watches = [streams(*events, then="hang")]
    last = json.loads(events[-1])["object"]["metadata"]["resourceVersion"]
    await follower.until(lambda f: f.places[-1:] == [last])
    phases = [phase for _, _, phase in follower.seen]
    assert {"", "Queued", "ReadyToStart", "InProgress", "Finalizing", "Completed"} <= set(phases)
    assert len(follower.seen) == len(events) + len(first["object"]["items"])
