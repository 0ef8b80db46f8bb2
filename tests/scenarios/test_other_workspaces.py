"""People of other workspaces, in a shared channel or with the same app installed: nothing runs for them."""

import json

import pytest

from bot.slack import payloads
from domain.errors import Refused
from sandbox.slack import payloads as sent
from tests.scenarios.product import House

CREATE = "backup create b1 --include-namespaces shop"
ELSEWHERE = "T999999999"


@pytest.fixture
async def shared(house: House) -> House:
    """Grace, who may back up and restore, is of another workspace; `#ops` is shared with it."""
    await house.backed_up("b0")
    await house.grace.says(f"/velero {CREATE.replace('b1', 'b9')}")
    await house.sees("#ops", "backup create b9", "Completed")
    await house.quiet()
    house.slack.workspace.channel("#ops").is_ext_shared = True
    house.slack.workspace.change_user("grace", team_id=ELSEWHERE)
    house.bot.identity.forget()
    return house


async def slash(house):
    await house.grace.says(f"/velero {CREATE}")


async def mention(house):
    await house.grace.mentions(f"@velero {CREATE}")


async def thread(house):
    await house.grace.mentions("@velero delete --confirm", thread=house.card("backup create b9"))


async def direct(house):
    await house.grace.writes(f"{CREATE} --cluster prod")


async def button(house):
    await house.grace.clicks("View logs", on=house.card("backup create b9"))


async def form(house):
    await house.grace.clicks("Delete backup…", on=house.card("backup create b9"))
    await house.grace.submits(values={"word": "b9"})


@pytest.mark.parametrize("way", [slash, mention, thread, direct, button, form])
async def test_they_may_not_act(shared, way):
    await way(shared)
    await shared.eventually(lambda: refusals(shared))
    await shared.quiet()
    assert {one["metadata"]["name"] for one in shared.prod.all("backups")} == {"b0", "b9"}
    assert shared.prod.all("deletebackuprequests") == []


def refusals(house):
    return [
        entry
        for entry in house.slack.journal.entries
        if "Members of other workspaces can't run commands." in str(entry)
    ]


async def test_their_home_shows_nothing(shared):
    view = await shared.grace.opens_home()
    assert "Members of other workspaces can't run commands." in json.dumps(view.blocks)


async def test_ours_who_come_by_another_workspace_s_installation_are_refused_too(house):
    """The profile is ours, the request is not."""
    assert (await house.bot.identity.actor(house.grace.id, "T000000001")).id == house.grace.id
    with pytest.raises(Refused, match="Members of other workspaces can't run commands"):
        await house.bot.identity.actor(house.grace.id, ELSEWHERE)


def received(house, team: str):
    """What each of Slack's doors gives of one person."""
    site, user, channel = house.slack.site, house.grace.user, house.slack.workspace.channel("#ops")
    house.slack.workspace.change_user("grace", team_id=team)
    user = house.grace.user
    envelope = sent.event(site, {"type": "app_mention", "user": user.id, "team": team, "text": "x", "ts": "1.0"})
    yield payloads.command(sent.slash_command(site, user, channel, "/velero", "status"), "")
    yield payloads.mention(envelope, "U000000001")
    yield payloads.mention(envelope | {"event": envelope["event"] | {"user_team": team, "team": "T1"}}, "U000000001")
    yield payloads.mention(envelope | {"team_id": team, "event": envelope["event"] | {"team": None}}, "U000000001")
    yield payloads.home(sent.home_opened(site, user) | {"team_id": team})
    yield payloads.action(sent.global_shortcut(site, user, "x"))
    yield payloads.form(sent.global_shortcut(site, user, "x"))


async def test_every_intake_passes_the_persons_workspace(house):
    assert {one.team for one in received(house, ELSEWHERE)} == {ELSEWHERE}


def test_with_a_grid_the_organisation_is_no_workspace():
    body = {"user": {"id": "W1", "team_id": "E1"}, "team": {"id": "T1"}}
    assert (payloads.action(body).team, payloads.form(body).team) == ("T1", "T1")


async def test_no_one_is_admitted_until_slack_names_the_bots_workspace(house):
    house.bot.connection_status.team = ""
    house.faults.refuse("internal_error", "auth.test", times=None)
    answer = await house.grace.says(f"/velero {CREATE}")
    await answer.reply("Your identity can't be verified right now. Nothing was done.")
    assert house.prod.all("backups") == []
    house.faults.clear()
    await house.grace.says(f"/velero {CREATE}")
    await house.sees("#ops", "backup create b1", "Completed")
