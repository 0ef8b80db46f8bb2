"""Faults on demand: what the caller sees, and what was committed all the same."""

import asyncio
import random

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError

from sandbox.slack.faults import Fault


@pytest.fixture
def ops(slack) -> str:
    return slack.workspace.channel("ops").id


@pytest.mark.parametrize(
    ("fault", "status"), [(Fault.RATE_LIMITED, 429), (Fault.SERVER_ERROR, 500), (Fault.UNAVAILABLE, 503)]
)
async def test_refused_and_not_committed(slack, client, ops, fault, status):
    slack.faults.add(fault, "chat.postMessage", seconds=7)
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=ops, text="x")
    assert caught.value.response.status_code == status
    assert slack.messages("#ops") == []
    await client.chat_postMessage(channel=ops, text="the next one passes")


async def test_retry_after_is_told(slack, client, ops):
    slack.faults.add(Fault.RATE_LIMITED, seconds=7)
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=ops, text="x")
    assert caught.value.response.headers["Retry-After"] == "7"


async def test_any_error_code(slack, client, ops):
    slack.faults.refuse("is_archived", "chat.*", times=None)
    for _ in range(2):
        with pytest.raises(SlackApiError, match="is_archived"):
            await client.chat_postMessage(channel=ops, text="x")
    slack.faults.clear()
    await client.chat_postMessage(channel=ops, text="x")


async def test_only_where_the_rule_looks(slack, client, ops):
    slack.faults.refuse("fatal_error", when=lambda args: args.get("text") == "bad")
    await client.chat_postMessage(channel=ops, text="good")
    with pytest.raises(SlackApiError, match="fatal_error"):
        await client.chat_postMessage(channel=ops, text="bad")


@pytest.mark.parametrize(("fault", "committed"), [(Fault.DROP, 0), (Fault.COMMIT_THEN_RESET, 1)])
async def test_a_cut_connection(slack, client, ops, fault, committed):
    slack.faults.add(fault, "chat.postMessage")
    with pytest.raises(aiohttp.ClientError):
        await client.chat_postMessage(channel=ops, text="x")
    assert len(slack.messages("#ops")) == committed


@pytest.mark.parametrize(("fault", "committed"), [(Fault.HANG, 0), (Fault.COMMIT_THEN_HANG, 1)])
async def test_no_answer(slack, client, ops, fault, committed):
    slack.faults.add(fault, "chat.postMessage")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.chat_postMessage(channel=ops, text="x"), 0.05)
    assert len(slack.messages("#ops")) == committed


async def test_503_after_the_commit(slack, client, ops):
    slack.faults.add(Fault.COMMIT_THEN_503, "chat.postMessage")
    with pytest.raises(SlackApiError):
        await client.chat_postMessage(channel=ops, text="x")
    assert len(slack.messages("#ops")) == 1


async def test_a_late_commit(slack, client, ops):
    slack.faults.add(Fault.LATE_COMMIT, "chat.postMessage", seconds=0.02)
    with pytest.raises(aiohttp.ClientError):
        await client.chat_postMessage(channel=ops, text="x")
    assert slack.messages("#ops") == []
    await slack.eventually(lambda: slack.messages("#ops"))


async def test_slow(slack, client, ops):
    slack.faults.add(Fault.SLOW, "chat.postMessage", seconds=0.05)
    begun = asyncio.get_running_loop().time()
    await client.chat_postMessage(channel=ops, text="x")
    assert asyncio.get_running_loop().time() - begun >= 0.05


async def test_a_mix_of_faults_at_random(slack, client, ops):
    slack.faults.mix("chat.postMessage", {Fault.SERVER_ERROR: 0.5}, random.Random(4))
    outcomes = []
    for _ in range(40):
        try:
            await client.chat_postMessage(channel=ops, text="x")
            outcomes.append("ok")
        except SlackApiError:
            outcomes.append("failed")
    assert 10 < outcomes.count("ok") < 30
    assert outcomes.count("ok") == len(slack.messages("#ops"))


async def test_events_are_sent_again_until_they_arrive(slack, bot):
    seen = []

    async def count(request, call_next):
        seen.append(request.headers.get("x-slack-retry-num"))
        await call_next()

    slack.events.retry_after = (0, 0, 0)
    bot.app.use(count)
    answer = await slack.person("ada").mentions("@velero hello", in_="#ops")  # no listener: 404 each time
    await slack.eventually(lambda: len(slack.journal.of("event.retried")) == 3)
    assert answer.error == "dispatch_failed"
    assert [one and one[0] for one in seen] == [None, "1", "2", "3"]


async def test_events_doubled_and_shuffled(slack, bot):
    texts = []

    @bot.app.event("app_mention")
    async def mentioned(event):
        texts.append(event["text"][-1])

    ada = slack.person("ada")
    slack.events.copies = 2
    await ada.mentions("@velero 1", in_="#ops")
    slack.events.copies = 1
    slack.events.hold()
    await ada.mentions("@velero 2", in_="#ops")
    await ada.mentions("@velero 3", in_="#ops")
    assert texts == ["1", "1"]
    await slack.events.release(reverse=True)
    assert texts == ["1", "1", "3", "2"]
