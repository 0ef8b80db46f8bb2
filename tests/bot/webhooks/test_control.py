"""The control socket, and the terminal commands that go through it."""

import asyncio
import stat
import sys
from pathlib import Path

import pytest

from bot.control import SOCKET_NAME, Control, call_running_bot
from domain.errors import NotFound, Refused
from tests.bot.webhooks.pipelines import SECRET
from tests.bot.webhooks.receiver import Receiver

ROUTE = """
[[routes]]
name = "ops-hook"
kind = "webhook"
url = "{url}"
secret_file = "{secret}"
allow_addresses = ["127.0.0.0/8"]
"""


async def asked(data_dir, do, **arguments):
    return await asyncio.to_thread(call_running_bot, data_dir, do, **arguments)


async def echo(given):
    return {"heard": given.get("word")}


async def no(_given):
    raise NotFound("There is no such thing.", nearest=("that", "this"))


@pytest.fixture
async def control(tmp_path):
    made = Control(tmp_path, {"echo": echo, "no": no})
    await made.start()
    yield tmp_path
    await made.stop()


async def test_it_answers(control):
    assert (await asked(control, "echo", word="ü" * 1000))["heard"] == "ü" * 1000


async def test_only_its_owner_may_ask(control):
    assert stat.S_IMODE((control / SOCKET_NAME).stat().st_mode) == 0o600


async def test_a_refusal_keeps_its_words(control):
    with pytest.raises(Refused) as fault:
        await asked(control, "no")
    assert (fault.value.text, fault.value.nearest) == ("There is no such thing.", ("that", "this"))


async def test_an_unknown_action_is_answered_with_the_known_ones(control):
    with pytest.raises(Refused) as fault:
        await asked(control, "ech")
    assert "echo" in fault.value.nearest


@pytest.mark.parametrize("line", [b"\n", b"nonsense\n", b"[]\n", b'{"do": 3}\n', b"x" * 200_000 + b"\n", b""])
async def test_nonsense_does_not_end_it(control, line):
    reader, writer = await asyncio.open_unix_connection(str(control / SOCKET_NAME))
    writer.write(line)
    writer.write_eof()
    await reader.read()
    writer.close()
    assert (await asked(control, "echo", word="a"))["heard"] == "a"


async def test_what_a_dead_one_left_is_replaced(control):
    again = Control(control, {"echo": echo})
    await again.start()
    assert (await asked(control, "echo", word="b"))["heard"] == "b"
    await again.stop()


async def test_a_long_path_is_no_obstacle(tmp_path):
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    made = Control(deep, {"echo": echo})
    await made.start()
    assert (await asked(deep, "echo", word="c"))["heard"] == "c"
    await made.stop()


async def test_a_missing_bot_is_reported(tmp_path):
    with pytest.raises(Refused, match="No running bot uses the data directory"):
        await asked(tmp_path, "echo")


class Terminal:
    async def run(self, pipeline, *arguments):
        data = pipeline.house.bot.settings.data_dir
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", *arguments, "--data-dir", str(data)),
            env={"PYTHONPATH": str(Path.cwd())},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await process.communicate()
        return process.returncode, out.decode()

    async def dead(self, pipeline):
        async with asyncio.timeout(10):
            while not (found := await pipeline.house.store.read(lambda tx: tx.notices.dead_letters())):
                await pipeline.house.store.committed(pipeline.house.store.commits)
        return found


class TestTerminal(Terminal):
    @pytest.fixture
    async def receiver(self):
        made = await Receiver().start()
        yield made
        await made.stop()

    @pytest.fixture
    def routes(self, receiver, tmp_path):
        (tmp_path / "hook-secret").write_text(SECRET)
        return ROUTE.format(url=receiver.url, secret=tmp_path / "hook-secret")

    async def test_a_receiver_is_tested(self, pipeline, receiver):
        code, out = await self.run(pipeline, "webhook", "test", "ops-hook")
        assert (code, "The receiver accepted the test. (HTTP 204" in out) == (0, True)
        assert b"receiver.tested" in receiver.calls[0].body

    async def test_a_test_that_fails_is_1(self, pipeline, receiver):
        receiver.answers = [500]
        code, out = await self.run(pipeline, "webhook", "test", "ops-hook")
        assert (code, "returned HTTP 500" in out) == (1, True)

    async def test_an_unknown_one_is_told_with_the_nearest(self, pipeline):
        code, out = await self.run(pipeline, "webhook", "test", "ops-hok")
        assert (code, "Did you mean ops-hook?" in out) == (1, True)

    async def test_what_failed_is_listed_and_sent_again(self, pipeline, receiver):
        receiver.answers = [410]
        pipeline.house.prod.velero.script("b1", outcome="fails")
        await pipeline.house.backed_up("b1")
        await receiver.got()
        (dead, *_) = await self.dead(pipeline)
        code, out = await self.run(pipeline, "notices", "failed")
        assert (code, dead.id in out, "webhook ops-hook" in out) == (0, True, True)
        receiver.answers = [204]
        assert (await self.run(pipeline, "webhook", "enable", "ops-hook"))[0] == 0
        code, out = await self.run(pipeline, "notices", "retry", dead.id)
        assert (code, "is queued again" in out) == (0, True)
        await receiver.until(lambda: [call.headers["webhook-id"] for call in receiver.calls].count(dead.id) == 2)

    async def test_in_chat_status_lists_the_same(self, pipeline, receiver):
        receiver.answers = [410]
        house = pipeline.house
        house.prod.velero.script("b1", outcome="fails")
        await house.backed_up("b1")
        await house.sees("#incidents", "Webhook receiver ops-hook is disabled", "410 Gone")
        failed = await self.dead(pipeline)
        await house.quiet()
        await house.ada.says("/velero status")
        (told,) = await house.eventually(lambda: [m for m in house.ada.sees("#ops") if "NOT DELIVERED" in m.full_text])
        (row,) = [line for line in told.full_text.splitlines() if line.startswith(failed[-1].id)]
        assert ("webhook ops-hook" in row, "410" in row) == (True, True)
        assert told.full_text.count(failed[-1].id) == 1

    async def test_what_is_not_failed_is_not_sent_again(self, pipeline):
        code, out = await self.run(pipeline, "notices", "retry", "nonsense")
        assert (code, "isn't among the failed ones" in out) == (1, True)


class TestSlackToo(Terminal):
    """The same list, whoever could not be reached."""

    @pytest.fixture
    def routes(self):
        return '[[routes]]\nname = "lost"\nchannels = ["C0NOWHERE"]\n'

    async def test_a_channel_that_is_not_there(self, pipeline):
        pipeline.house.prod.velero.script("b1", outcome="fails")
        await pipeline.house.backed_up("b1")
        (dead,) = await self.dead(pipeline)
        code, out = await self.run(pipeline, "notices", "failed")
        assert (code, out.splitlines()[0].split()[0]) == (0, dead.id)
        assert "slack C0NOWHERE  backup.failed" in out
        assert (await self.run(pipeline, "notices", "retry", dead.id))[0] == 0
        async with asyncio.timeout(10):
            while (await pipeline.house.store.read(lambda tx: tx.notices.get(dead.id))).attempts < 2:
                await pipeline.house.store.committed(pipeline.house.store.commits)
