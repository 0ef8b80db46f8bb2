"""Batches of lines, over a real connection."""

import asyncio
from contextlib import aclosing

import pytest

from domain.errors import Unauthenticated, Unreachable
from tests.velero.conftest import failed, says, says_json, streams
from velero.api import StreamEnd
from velero.kinds import BACKUP
from velero.line_batches import batch_lines

PATH = BACKUP.path("velero")


async def gathered(api, silence: float = 1.0, **limits) -> tuple[list[list[bytes]], StreamEnd]:
    async with api.stream(PATH, {}, silence=silence) as lines:
        async with aclosing(batch_lines(lines, **limits)) as batches:
            found = [batch async for batch in batches]
        return found, lines.end


async def test_lines_that_arrive_together_are_one_batch(server, api):
    server.watches = [streams(b"1\n2\n", b"3\n")]
    found, end = await gathered(api, within=0.05)
    assert [line for batch in found for line in batch] == [b"1\n", b"2\n", b"3\n"]
    assert len(found) == 1
    assert end is StreamEnd.CLOSED


async def test_a_batch_has_at_most_its_size(server, api):
    server.watches = [streams(b"x\n" * 25)]
    found, _ = await gathered(api, size=10)
    assert [len(batch) for batch in found] == [10, 10, 5]


async def test_a_single_line_is_not_held_back(server, api):
    server.watches = [streams(b"1\n", then="hang")]
    async with api.stream(PATH, silence=5.0) as lines, aclosing(batch_lines(lines, within=0.01)) as batches:
        async with asyncio.timeout(1):
            assert await anext(batches) == [b"1\n"]


async def test_an_incomplete_last_line_is_dropped(server, api):
    server.watches = [streams(b"1\n2")]
    found, end = await gathered(api)
    assert found == [[b"1\n"]]
    assert end is StreamEnd.CUT


async def test_silence_ends_the_stream(server, api):
    server.watches = [streams(b"1\n", then="hang")]
    found, end = await gathered(api, silence=0.1, within=0.01)
    assert found == [[b"1\n"]]
    assert end is StreamEnd.SILENT


async def test_a_slow_consumer_slows_the_server(server, api):
    """The queue limits how many lines wait, however many are sent."""
    server.watches = [streams(*[b"x" * 1000 + b"\n"] * 5000)]
    async with api.stream(PATH, silence=5.0) as lines, aclosing(batch_lines(lines, size=10, within=0.01)) as batches:
        await anext(batches)
        await asyncio.sleep(0.05)
        total = 10
        async for batch in batches:
            total += len(batch)
    assert total == 5000


async def test_leaving_early_closes_the_connection(server, api):
    server.watches = [streams(b"1\n", then="hang")]
    async with api.stream(PATH, silence=5.0) as lines, aclosing(batch_lines(lines)) as batches:
        await anext(batches)
    assert len(asyncio.all_tasks()) <= 3


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (says_json(failed(401, "Unauthorized", "Unauthorized"), 401), Unauthenticated),
        (says("<html>", 200, "text/html"), Unreachable),
        (says("x", 500, "text/plain"), Unreachable),
    ],
)
async def test_a_failed_start_raises(server, api, answer, error):
    server.watches = [answer]
    with pytest.raises(error):
        await gathered(api)
