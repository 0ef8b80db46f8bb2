"""Block Kit is checked as strictly as Slack does it, each fault named by its pointer."""

import pytest
from slack_sdk.errors import SlackApiError

from sandbox.slack.blockkit.check import check_blocks, check_view


def plain(text: str) -> dict:
    return {"type": "plain_text", "text": text}


def marked(text: str) -> dict:
    return {"type": "mrkdwn", "text": text}


def section(text: str = "x", **more) -> dict:
    return {"type": "section", "text": marked(text), **more}


def button(**more) -> dict:
    return {"type": "button", "text": plain("Go"), **more}


def actions(*elements: dict) -> dict:
    return {"type": "actions", "elements": list(elements)}


def option(value: str = "v", text: str = "V", **more) -> dict:
    return {"text": plain(text), "value": value, **more}


def select(*options: dict, **more) -> dict:
    return {"type": "static_select", "action_id": "s", "options": list(options), **more}


def table(rows: int = 1, columns: int = 1, text: str = "x") -> dict:
    return {"type": "table", "rows": [[{"type": "raw_text", "text": text}] * columns] * rows}


def rich(*elements: dict) -> dict:
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": list(elements)}]}


GOOD = [
    section(),
    section(fields=[marked("a"), plain("b")]),
    section(accessory=button(action_id="a", value="1", style="danger")),
    section(accessory={"type": "overflow", "options": [option()], "action_id": "o"}),
    section(accessory={"type": "image", "image_url": "https://example.com/x.png", "alt_text": "x"}),
    {"type": "divider"},
    {"type": "header", "text": plain("x" * 150)},
    {"type": "context", "elements": [marked("x"), plain("y")]},
    actions(button(), select(option("1"), option("2"))),
    actions({"type": "datepicker", "initial_date": "2026-01-31"}, {"type": "timepicker", "initial_time": "02:30"}),
    actions({"type": "checkboxes", "options": [option()], "action_id": "c"}),
    {"type": "markdown", "text": "# x"},
    rich({"type": "text", "text": "x", "style": {"bold": True}}, {"type": "link", "url": "https://example.com"}),
    table(100, 20),
    {
        "type": "input",
        "label": plain("x"),
        "element": {"type": "plain_text_input", "action_id": "a", "max_length": 3000},
    },
]


@pytest.mark.parametrize("block", GOOD, ids=lambda block: block["type"])
def test_taken(block):
    assert list(check_blocks([block])) == []


CONFIRM = {"title": plain("Sure?"), "text": plain("x" * 301)}
BAD = [
    (section("x" * 3001), "must be less than 3001 characters", "/blocks/0/text/text"),
    (section(""), "must be more than 0 characters", "/blocks/0/text/text"),
    ({"type": "section"}, "missing one of the required fields: text, fields", "/blocks/0"),
    (section(fields=[marked("x")] * 11), "no more than 10 items allowed", "/blocks/0/fields"),
    (section(fields=[marked("x" * 2001)]), "must be less than 2001 characters", "/blocks/0/fields/0/text"),
    (section(colour="red"), "invalid additional property: colour", "/blocks/0"),
    (section(block_id="x" * 256), "must be less than 256 characters", "/blocks/0/block_id"),
    ({"type": "header", "text": plain("x" * 151)}, "must be less than 151 characters", "/blocks/0/text/text"),
    ({"type": "header", "text": marked("x")}, "unsupported type: mrkdwn", "/blocks/0/text/type"),
    ({"type": "context", "elements": []}, "no less than 1 items allowed", "/blocks/0/elements"),
    ({"type": "context", "elements": [marked("x")] * 11}, "no more than 10 items allowed", "/blocks/0/elements"),
    (actions(*[button()] * 26), "no more than 25 items allowed", "/blocks/0/elements"),
    (actions({"type": "plain_text_input"}), "unsupported type: plain_text_input", "/blocks/0/elements/0/type"),
    (actions(button(text=plain("x" * 76))), "must be less than 76 characters", "/blocks/0/elements/0/text/text"),
    (actions(button(value="x" * 2001)), "must be less than 2001 characters", "/blocks/0/elements/0/value"),
    (actions(button(style="loud")), "must be one of: primary, danger", "/blocks/0/elements/0/style"),
    (actions(button(url="javascript:alert(1)")), "must be a valid URL", "/blocks/0/elements/0/url"),
    (actions(button(confirm=CONFIRM)), "must be less than 301 characters", "/blocks/0/elements/0/confirm/text/text"),
    (actions(button(action_id="a"), button(action_id="a")), 'action_id "a" already exists', "/blocks/0"),
    (actions(select(*[option(str(n)) for n in range(101)])), "no more than 100 items allowed", "/blocks/0/elements/0/options"),
    (actions(select(option("x" * 151))), "must be less than 151 characters", "/blocks/0/elements/0/options/0/value"),
    (actions(select(option(text="x" * 76))), "must be less than 76 characters", "/blocks/0/elements/0/options/0/text/text"),
    (actions(select(option(), option())), "option values must be unique", "/blocks/0/elements/0/options"),
    (actions(select(option(), initial_option=option("w"))), "initial option must match one of the options", "/blocks/0/elements/0"),
    (actions({"type": "overflow", "options": [option(str(n)) for n in range(6)]}), "no more than 5 items allowed", "/blocks/0/elements/0/options"),
    (actions({"type": "datepicker", "initial_date": "tomorrow"}), "must be a valid date", "/blocks/0/elements/0/initial_date"),
    (table(101), "no more than 100 items allowed", "/blocks/0/rows"),
    (table(1, 21), "no more than 20 items allowed", "/blocks/0/rows/0"),
    (table(text=""), "must be more than 0 characters", "/blocks/0/rows/0/0/text"),
    ({"type": "table", "rows": [*table(1, 1)["rows"], *table(1, 2)["rows"]]}, "all rows must have the same number of cells", "/blocks/0/rows"),
    ({"type": "markdown", "text": "x" * 12_001}, "must be less than 12001 characters", "/blocks/0/text"),
    (rich({"type": "text", "text": ""}), "must be more than 0 characters", "/blocks/0/elements/0/elements/0/text"),
    ({"type": "alert", "text": plain("x")}, "block type alert is not supported in a message", "/blocks/0/type"),
    ({"type": "hologram"}, "unsupported type: hologram", "/blocks/0/type"),
    ({}, "missing required field: type", "/blocks/0"),
    ("text", "missing required field: type", "/blocks/0"),
    ({"type": "image", "image_url": "https://example.com"}, "missing required field: alt_text", "/blocks/0"),
]  # fmt: skip


@pytest.mark.parametrize(("block", "message", "pointer"), BAD, ids=lambda value: str(value)[:40])
def test_refused(block, message, pointer):
    assert f"[ERROR] {message} [json-pointer:{pointer}]" in [str(p) for p in check_blocks([block])]


def test_fifty_blocks_in_a_message_a_hundred_in_a_form():
    blocks = [{"type": "divider"}] * 51
    assert [p.message for p in check_blocks(blocks)] == ["no more than 50 items allowed"]
    assert list(check_blocks(blocks, "modal")) == []
    assert [p.code for p in check_blocks(blocks * 2, "home")] == ["too_many"]


def test_the_same_block_id_twice():
    assert [p.code for p in check_blocks([section(block_id="a"), section(block_id="a")])] == ["duplicate_id"]


def test_markdown_is_counted_over_the_whole_message():
    assert [p.code for p in check_blocks([{"type": "markdown", "text": "x" * 7000}] * 2)] == ["too_long"]


@pytest.mark.parametrize("kind", ["table", "markdown"])
def test_blocks_that_stand_in_messages_only(kind):
    view = {"type": "home", "blocks": [table() if kind == "table" else {"type": kind, "text": "x"}]}
    assert [p.message for p in check_view(view)] == [f"block type {kind} is not supported in a home"]


async def test_the_web_api_tells_every_fault(slack, client):
    ops = slack.workspace.channel("ops").id
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=ops, text="x", blocks=[section("x" * 3001), {"type": "?"}])
    assert caught.value.response["error"] == "invalid_blocks"
    assert len(caught.value.response["response_metadata"]["messages"]) == 2


async def test_one_table_a_message(slack, client):
    ops = slack.workspace.channel("ops").id
    await client.chat_postMessage(channel=ops, text="x", blocks=[table()])
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=ops, text="x", blocks=[table(), table()])
    assert "only_one_table_allowed" in caught.value.response["errors"][0]


async def test_validation_without_a_token(client):
    client.token = None
    assert (await client.api_call("blocks.validate", json={"blocks": [section()]}))["ok"]
    with pytest.raises(SlackApiError) as caught:
        await client.api_call("blocks.validate", json={"blocks": [{"type": "?"}]})
    assert caught.value.response["errors"] == [
        {"code": "unsupported_type", "message": "unsupported type: ?", "pointer": "/blocks/0/type"}
    ]
