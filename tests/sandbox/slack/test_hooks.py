"""Response URLs: five uses, thirty minutes, to one person unless told otherwise; and triggers' three seconds."""

from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from sandbox.slack.emulator import SlackEmulator
from sandbox.slack.triggers import Hooks, Triggers


@pytest.fixture
def urls(bot) -> list[str]:
    seen = []

    @bot.app.command("/velero")
    async def velero(ack, body):
        seen.append(body["response_url"])
        await ack()

    return seen


async def post(url: str, **body) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
        return response.status, await response.text()


async def test_an_answer_is_for_the_asker_alone(slack, bot, urls):
    await slack.person("ada").says("/velero status", in_="#lounge")
    assert await post(urls[0], text="fine") == (200, "ok")
    assert slack.person("ada").was_told("fine")
    assert not slack.person("mallory").was_told("fine")


async def test_or_for_all_even_where_the_bot_is_no_member(slack, bot, urls):
    await slack.person("ada").says("/velero status", in_="#lounge")
    await post(urls[0], text="fine", response_type="in_channel")
    assert slack.person("mallory").was_told("fine")


async def test_five_times(slack, bot, urls):
    await slack.person("ada").says("/velero status", in_="#ops")
    statuses = [(await post(urls[0], text="x"))[0] for _ in range(6)]
    assert statuses == [200] * 5 + [404]


async def test_one_made_up_elsewhere_is_accepted_and_noted(slack):
    assert await post(f"{slack.base_url}/response/1", text="x") == (200, "ok")
    assert slack.journal.of("hook.unknown")[0].data["body"] == {"text": "x"}


async def test_nothing_to_say(slack, bot, urls):
    await slack.person("ada").says("/velero status", in_="#ops")
    assert await post(urls[0], text="") == (400, "no_text")
    assert (await post(urls[0], text="x", blocks=[{"type": "?"}]))[1] == "invalid_blocks"


async def test_the_pressed_ephemeral_is_replaced_or_taken_away(slack, bot):
    url = []

    @bot.app.action("go")
    async def go(ack, body):
        assert "message" not in body
        url.append(body["response_url"])
        await ack()

    ada = slack.person("ada")
    go_button = {"type": "button", "text": {"type": "plain_text", "text": "Go"}, "action_id": "go"}
    blocks = [{"type": "actions", "elements": [go_button]}]
    ops = slack.workspace.channel("ops").id
    await bot.client.chat_postEphemeral(channel=ops, user=ada.id, text="menu", blocks=blocks)
    await ada.clicks("Go")
    await post(url[0], text="chosen", replace_original=True)
    assert [m.text for m in ada.sees("#ops")] == ["chosen"]
    await post(url[0], delete_original=True)
    assert ada.sees("#ops") == []


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def passes(self, **span: float) -> None:
        self.at += timedelta(**span)


def test_a_trigger_lives_three_seconds():
    clock = Clock()
    triggers = Triggers(clock)
    first, second = triggers.new("U1"), triggers.new("U1")
    clock.passes(seconds=3)
    assert triggers.use(first).user == "U1"
    clock.passes(seconds=0.1)
    assert triggers.use(second) == "expired_trigger_id"


def test_a_response_url_lives_thirty_minutes():
    clock = Clock()
    hooks = Hooks(clock)
    path = hooks.new("commands", "U1", "C1")
    clock.passes(minutes=30)
    assert hooks.use(path).user == "U1"
    clock.passes(seconds=1)
    assert hooks.use(path) == "expired_url"


async def test_the_journal_can_be_kept_in_a_file(tmp_path):
    slack = SlackEmulator(signing_secret="s", bot_token="b", journal_file=tmp_path / "journal")
    slack.workspace.add_channel("ops")
    await slack.stop()
    assert '"channel.added"' in (tmp_path / "journal").read_text()
