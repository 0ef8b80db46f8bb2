"""User groups: cached for plans, read from Slack for votes, and not read again for each command."""

import asyncio
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.identity import Identity
from sandbox.slack.emulator import SlackEmulator
from sandbox.slack.faults import Fault

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
GROUP = ["approvers"]


class Desk:
    def __init__(self, slack, client) -> None:
        self.slack, self.now = slack, START
        self.identity = Identity(client, dict, self.teams, lambda: self.now)
        self.ada, self.bob = (slack.workspace.user(name).id for name in ("ada", "bob"))

    async def teams(self):
        return (self.slack.workspace.team_id,)

    @property
    def asked(self) -> int:
        return len(self.slack.called("usergroups.list"))

    async def members(self, *voters):
        directory = await self.identity.directory(GROUP, voters)
        return {each.id for each in directory.groups.get("approvers", ())} if directory.known else None


@pytest.fixture
async def desk():
    slack = SlackEmulator(signing_secret="s", bot_token="xoxb-1")
    for name in ("ada", "bob"):
        slack.workspace.add_user(name)
    slack.workspace.add_group("approvers", ["ada", "bob"])
    await slack.start()
    async with aiohttp.ClientSession() as session:
        yield Desk(slack, AsyncWebClient(token="xoxb-1", base_url=slack.api_url, session=session, retry_handlers=[]))
    await slack.stop()


async def test_plans_ask_once_a_minute_however_many_there_are(desk):
    for _ in range(40):
        assert await desk.members() == {desk.ada, desk.bob}
    assert desk.asked == 1
    desk.now += timedelta(seconds=61)
    await desk.members()
    assert desk.asked == 2


async def test_an_event_that_says_so_makes_them_ask_again(desk):
    await desk.members()
    desk.slack.workspace.set_group_users("approvers", ["ada"])
    assert await desk.members() == {desk.ada, desk.bob}
    desk.identity.forget()
    assert await desk.members() == {desk.ada}


async def test_a_vote_is_never_judged_by_what_was_known_before_it(desk):
    await desk.members(desk.bob)
    desk.slack.workspace.set_group_users("approvers", ["ada"])
    assert await desk.members(desk.bob) == {desk.ada}
    assert desk.asked == 2


async def test_votes_at_the_same_moment_share_two_calls(desk):
    votes = await asyncio.gather(*(desk.members(desk.ada) for _ in range(30)))
    assert votes == [{desk.ada, desk.bob}] * 30
    assert desk.asked <= 2


async def test_while_slack_does_not_say_plans_go_by_memory_and_votes_wait(desk):
    await desk.members()
    desk.slack.faults.add(Fault.SERVER_ERROR, "usergroups.list", times=None)
    desk.now += timedelta(minutes=5)
    assert await desk.members() == {desk.ada, desk.bob}
    assert await desk.members(desk.ada) is None
    desk.now += timedelta(minutes=6)
    assert await desk.members() is None


async def test_a_vote_whose_wait_was_given_up_leaves_the_next_one_its_own_call(desk):
    rule = desk.slack.faults.add(Fault.HANG, "usergroups.list", times=None)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(desk.members(desk.ada), 0.05)
    desk.slack.faults.rules.remove(rule)
    assert await desk.members(desk.ada) == {desk.ada, desk.bob}


async def test_what_changed_while_slack_answered_is_not_remembered(desk):
    slow = desk.slack.faults.add(Fault.SLOW, "usergroups.list", seconds=0.1)
    asking = asyncio.create_task(desk.members())
    while slow.times:
        await asyncio.sleep(0)
    desk.identity.forget()
    await asking
    await desk.members()
    assert desk.asked == 2


async def test_a_workspace_without_groups_has_none_and_that_is_known(desk):
    desk.slack.workspace.paid_plan = False
    assert await desk.members() == set()
    assert await desk.members(desk.ada) == set()
