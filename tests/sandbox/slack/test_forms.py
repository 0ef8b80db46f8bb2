"""Forms and the home page: opened by a trigger, filled in, answered."""

import pytest
from slack_sdk.errors import SlackApiError

from sandbox.slack.journal import NotSeen

CLUSTERS = [{"text": {"type": "plain_text", "text": name.upper()}, "value": name} for name in ("north", "south")]


def plain(text: str) -> dict:
    return {"type": "plain_text", "text": text}


def field(block: str, element: dict, **more) -> dict:
    return {"type": "input", "block_id": block, "label": plain(block.capitalize()), "element": element, **more}


def form(title: str = "New backup", *extra: dict, **more) -> dict:
    blocks = [
        field("name", {"type": "plain_text_input", "action_id": "name"}),
        field(
            "cluster",
            {"type": "static_select", "action_id": "cluster", "options": CLUSTERS, "initial_option": CLUSTERS[0]},
        ),
        *extra,
    ]
    return {
        "type": "modal",
        "callback_id": "new",
        "title": plain(title),
        "submit": plain("Go"),
        "blocks": blocks,
        **more,
    }


@pytest.fixture
def opens(bot):
    """The bot opens this view upon /velero."""

    def prepare(view: dict) -> None:
        @bot.app.command("/velero")
        async def velero(ack, client, body):
            await client.views_open(trigger_id=body["trigger_id"], view=view)
            await ack()

    return prepare


def answers(bot, **ack_with) -> list[dict]:
    seen = []

    @bot.app.view("new")
    async def submitted(ack, view):
        seen.append(view["state"]["values"])
        await ack(**ack_with)

    return seen


async def test_a_form_is_filled_in_and_sent(slack, bot, opens):
    opens(form())
    seen = answers(bot)
    ada = slack.person("ada")
    await ada.says("/velero backup create", in_="#ops")
    await ada.submits(values={"Name": "shop-1", "cluster": "SOUTH"})

    assert seen[0]["name"]["name"] == {"type": "plain_text_input", "value": "shop-1"}
    assert seen[0]["cluster"]["cluster"]["selected_option"] == CLUSTERS[1]
    assert ada.form is None


async def test_what_is_not_touched_keeps_its_first_value(slack, bot, opens):
    opens(form())
    seen = answers(bot)
    await slack.person("ada").says("/velero backup create", in_="#ops")
    await slack.person("ada").submits(values={"name": "x"})
    assert seen[0]["cluster"]["cluster"]["selected_option"] == CLUSTERS[0]


async def test_a_form_with_a_hole_is_not_sent(slack, bot, opens):
    opens(form())
    seen = answers(bot)
    await slack.person("ada").says("/velero backup create", in_="#ops")
    with pytest.raises(NotSeen, match="Name"):
        await slack.person("ada").submits()
    assert seen == []


async def test_errors_stand_at_their_fields(slack, bot, opens):
    opens(form())
    answers(bot, response_action="errors", errors={"name": "There is one already."})
    await slack.person("ada").says("/velero backup create", in_="#ops")
    await slack.person("ada").submits(values={"name": "x"})
    assert slack.person("ada").form.errors == {"name": "There is one already."}


async def test_errors_at_no_field_are_trouble(slack, bot, opens):
    opens(form())
    answers(bot, response_action="errors", errors={"nowhere": "?"})
    await slack.person("ada").says("/velero backup create", in_="#ops")
    await slack.person("ada").submits(values={"name": "x"})
    assert slack.person("ada").form.trouble


async def test_an_answer_may_replace_the_form(slack, bot, opens):
    opens(form())
    done = {"type": "modal", "title": plain("Under way"), "blocks": [{"type": "divider"}]}
    answers(bot, response_action="update", view=done)
    await slack.person("ada").says("/velero backup create", in_="#ops")
    await slack.person("ada").submits(values={"name": "x"})
    assert slack.person("ada").form.title == "Under way"


async def test_forms_are_stacked_three_deep(slack, bot, opens):
    opens(form("one"))
    answers(bot, response_action="push", view=form("more"))
    ada = slack.person("ada")
    await ada.says("/velero backup create", in_="#ops")
    for _ in range(3):
        await ada.submits(values={"name": "x"})
    assert len(slack.site.views.stacks[ada.id]) == 3
    assert ada.form.trouble
    await ada.closes()
    assert len(slack.site.views.stacks[ada.id]) == 2


async def test_closing_is_told_where_it_was_asked_for(slack, bot, opens):
    closed = []

    @bot.app.view_closed("new")
    async def gone(ack, body):
        closed.append(body["is_cleared"])
        await ack()

    opens(form(notify_on_close=True))
    await slack.person("ada").says("/velero backup create", in_="#ops")
    await slack.person("ada").closes(everything=True)
    assert closed == [True]


async def test_a_silent_bot_leaves_the_form_standing(slack, bot, opens):
    opens(form())
    await slack.person("ada").says("/velero backup create", in_="#ops")
    slack.connect("http://127.0.0.1:1/")
    await slack.person("ada").submits(values={"name": "x"})
    assert "trouble connecting" in slack.person("ada").form.trouble


async def test_typed_text_survives_an_update_with_the_same_ids(slack, bot, opens):
    opens(form())
    ada = slack.person("ada")
    await ada.says("/velero backup create", in_="#ops")
    ada.fills(ada.form, {"name": "typed"})
    before = ada.form.hash
    await bot.client.views_update(view_id=ada.form.id, hash=before, view=form("Renewed"))
    assert ada.form.title == "Renewed"
    assert ada.form.values["name"]["name"]["value"] == "typed"
    with pytest.raises(SlackApiError, match="hash_conflict"):
        await bot.client.views_update(view_id=ada.form.id, hash=before, view=form("Stale"))


async def test_a_select_asks_the_bot_for_its_options(slack, bot, opens):
    asked = []

    @bot.app.options("backup")
    async def offer(ack, body):
        asked.append(body["value"])
        await ack(options=CLUSTERS)

    select = {"type": "external_select", "action_id": "backup", "min_query_length": 0}
    opens(form("Restore", field("backup", select)))
    seen = answers(bot)
    ada = slack.person("ada")
    await ada.says("/velero restore create", in_="#ops")
    offered = await ada.looks_up("backup", "no")
    await ada.submits(values={"name": "x", "backup": offered[0]})
    assert asked == ["no"]
    assert seen[0]["backup"]["backup"]["selected_option"] == CLUSTERS[0]


async def test_a_button_in_a_form_can_push_another(slack, bot, opens):
    @bot.app.action("more")
    async def more(ack, body, client):
        assert body["container"]["view_id"] == body["view"]["id"]
        await client.views_push(trigger_id=body["trigger_id"], view=form("Details"))
        await ack()

    button = {"type": "button", "text": plain("More"), "action_id": "more"}
    opens(form("New", {"type": "actions", "elements": [button]}))
    await slack.person("ada").says("/velero backup create", in_="#ops")
    await slack.person("ada").clicks("More")
    assert slack.person("ada").form.title == "Details"


@pytest.mark.parametrize(
    ("view", "told"),
    [
        (form() | {"submit": None}, "missing required field: submit"),
        (form("A title that is much longer than allowed"), "must be less than 25 characters"),
        (form("x", {"type": "table", "rows": []}), "not supported in a modal"),
        (form(private_metadata="x" * 3001), "must be less than 3001 characters"),
    ],
)
async def test_forms_that_are_not_taken(slack, client, view, told):
    trigger = slack.site.triggers.new(slack.person("ada").id)
    with pytest.raises(SlackApiError) as caught:
        await client.views_open(trigger_id=trigger, view=view)
    assert caught.value.response["error"] == "invalid_arguments"
    assert told in caught.value.response["response_metadata"]["messages"][0]


async def test_a_view_that_is_too_large(slack, client):
    blocks = [{"type": "section", "text": plain("x" * 3000)}] * 90
    with pytest.raises(SlackApiError, match="view_too_large"):
        await client.views_open(trigger_id="t", view={"type": "modal", "title": plain("x"), "blocks": blocks})


async def test_a_trigger_opens_one_view_and_only_soon(slack, client):
    ada = slack.person("ada").id
    trigger = slack.site.triggers.new(ada)
    await client.views_open(trigger_id=trigger, view=form())
    with pytest.raises(SlackApiError, match="exchanged_trigger_id"):
        await client.views_open(trigger_id=trigger, view=form())
    with pytest.raises(SlackApiError, match="invalid_trigger_id"):
        await client.views_open(trigger_id="made up", view=form())


async def test_a_home_page_is_published_for_whoever_opens_it(slack, bot):
    @bot.app.event("app_home_opened")
    async def home(event, client):
        blocks = [{"type": "header", "text": plain("All clusters are well")}]
        await client.views_publish(user_id=event["user"], view={"type": "home", "blocks": blocks})

    view = await slack.person("ada").opens_home()
    assert view.blocks[0]["text"]["text"] == "All clusters are well"


async def test_a_message_shortcut_opens_a_form(slack, bot):
    @bot.app.shortcut("status_here")
    async def shortcut(ack, body, client):
        await client.views_open(trigger_id=body["trigger_id"], view=form(body["message"]["text"]))
        await ack()

    ada = slack.person("ada")
    message = (await ada.mentions("it broke", in_="#ops")).message
    await ada.takes_shortcut("status_here", on=message)
    assert ada.form.title == "it broke"
