"""The page's end: one person's view as JSON, and what they do sent on to the bot; nobody else may ask."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

PAGE = Path(__file__).parents[3] / "sandbox/slack/page"


def plain(text: str) -> dict:
    return {"type": "plain_text", "text": text}


FORM = {
    "type": "modal",
    "callback_id": "new",
    "title": plain("New backup"),
    "submit": plain("Start"),
    "blocks": [
        {
            "type": "input",
            "block_id": "name",
            "label": plain("Name"),
            "element": {"type": "plain_text_input", "action_id": "name"},
        }
    ],
}
BUTTON = {"type": "button", "text": plain("Approve"), "action_id": "ok"}


class Browser:
    def __init__(self, slack, session: aiohttp.ClientSession, name: str) -> None:
        self.base, self.session, self.user = slack.base_url, session, slack.person(name).id

    async def state(self) -> dict:
        async with self.session.get(f"{self.base}/console/state", params={"user": self.user}) as answer:
            return await answer.json()

    async def does(self, deed: str, **body) -> dict:
        async with self.session.post(f"{self.base}/console/{deed}", json={"user": self.user, **body}) as answer:
            return await answer.json(content_type=None)


@pytest.fixture
async def ada(slack) -> AsyncIterator[Browser]:
    async with aiohttp.ClientSession() as session:
        yield Browser(slack, session, "ada")


@pytest.fixture
def ops(slack) -> str:
    return slack.workspace.channel("ops").id


async def test_a_command_typed_into_the_page(slack, bot, ada, ops):
    @bot.app.command("/velero")
    async def velero(ack, body):
        await ack(f"heard {body['text']}")

    assert "elapsed" in await ada.does("say", channel=ops, text="/velero status")
    (shown,) = (await ada.state())["channels"][0]["messages"]
    assert (shown["text"], shown["ephemeral"]) == ("heard status", True)


async def test_a_bot_that_does_not_answer_in_time_is_told(slack, bot, ada, ops):
    slack.ack_limit = 0.02
    done = asyncio.Event()

    @bot.app.command("/velero")
    async def velero(ack):
        await done.wait()
        await ack()

    told = await ada.does("say", channel=ops, text="/velero status")
    done.set()
    assert "didn't respond within 3 seconds" in told["trouble"]


async def test_a_button_pressed_on_the_page(slack, bot, ada, ops):
    pressed = []

    @bot.app.action("ok")
    async def approve(ack, body):
        pressed.append(body["user"]["username"])
        await ack()

    sent = await bot.client.chat_postMessage(
        channel=ops, text="?", blocks=[{"type": "actions", "block_id": "b", "elements": [BUTTON]}]
    )
    await ada.does("press", channel=ops, ts=sent["ts"], block="b", action="ok")
    assert pressed == ["ada"]
    assert "no longer" in (await ada.does("press", channel=ops, ts=sent["ts"], block="b", action="gone"))["trouble"]


async def test_a_form_on_the_page(slack, bot, ada, ops):
    values = []

    @bot.app.command("/velero")
    async def velero(ack, body, client):
        await client.views_open(trigger_id=body["trigger_id"], view=FORM)
        await ack()

    @bot.app.view("new")
    async def submitted(ack, view):
        values.append(view["state"]["values"]["name"]["name"]["value"])
        await ack()

    await ada.does("say", channel=ops, text="/velero backup create")
    form = (await ada.state())["form"]
    assert form["title"]["text"] == "New backup"
    assert (await ada.does("submit", view=form["id"], values={"name": None}))["trouble"] == "Required: Name"
    await ada.does("submit", view=form["id"], values={"name": "shop"})
    assert values == ["shop"]
    assert (await ada.state())["form"] is None


async def test_nobody_sees_what_is_not_theirs(slack, client, ada, ops):
    await client.chat_postEphemeral(channel=ops, user=ada.user, text="for ada")
    await client.chat_postMessage(channel=slack.workspace.channel("vault").id, text="for the vault")
    await client.chat_postMessage(channel=ada.user, text="in private")
    grace = Browser(slack, ada.session, "grace")

    def texts(state: dict) -> list[str]:
        return [message["text"] for channel in state["channels"] for message in channel["messages"]]

    assert sorted(texts(await ada.state())) == ["for ada", "for the vault", "in private"]
    assert texts(await grace.state()) == []


async def test_nobody_submits_anothers_form(slack, ada):
    view = slack.site.views.open(slack.person("grace").id, FORM)
    assert (await ada.does("submit", view=view.id, values={}))["trouble"] == "This form is closed."


async def test_changes_are_pushed(slack, ada, ops):
    async with ada.session.get(f"{slack.base_url}/console/changes") as stream:
        first = await stream.content.readline()
        await stream.content.readline()
        slack.workspace.post(ops, ada.user, "hello")
        second = await stream.content.readline()
    assert int(second.split()[1]) > int(first.split()[1])


async def test_a_file_is_handed_out_as_a_download(slack, client, ada, ops):
    await client.files_upload_v2(channel=ops, filename="x.html", content="<script>")
    (shown,) = (await ada.state())["channels"][0]["messages"]
    async with ada.session.get(slack.base_url + shown["files"][0]["url_private"]) as answer:
        assert answer.headers["Content-Disposition"] == "attachment"
        assert await answer.text() == "<script>"


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Host": "evil.example"}])
async def test_other_sites_have_no_say(slack, ada, ops, headers):
    body = {"user": ada.user, "channel": ops, "text": "/velero status"}
    async with ada.session.post(f"{slack.base_url}/console/say", json=body, headers=headers) as answer:
        assert answer.status == 403


async def test_the_page_is_served_with_a_policy(slack, ada):
    async with ada.session.get(slack.base_url) as answer:
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert "simulator" in await answer.text()
    async with ada.session.get(URL(f"{slack.base_url}/page/..%2Femulator.py", encoded=True)) as answer:
        assert answer.status == 404


@pytest.mark.parametrize("script", sorted(PAGE.glob("*.js")), ids=lambda path: path.name)
def test_the_page_builds_no_markup_from_text(script):
    source = script.read_text(encoding="utf-8")
    assert not any(way in source for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("))
