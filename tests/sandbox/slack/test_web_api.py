"""The Web API refuses what Slack refuses, with Slack's words."""

from datetime import timedelta

import pytest
from slack_sdk.errors import SlackApiError

from sandbox.slack.rates import BURST_OF_POSTS


async def refused(call) -> dict:
    with pytest.raises(SlackApiError) as caught:
        await call
    return caught.value.response.data


async def error_of(call) -> str:
    return (await refused(call))["error"]


@pytest.fixture
def ops(slack) -> str:
    return slack.workspace.channel("ops").id


def section(text: str, **more) -> dict:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **more}


async def test_the_token_says_who_the_bot_is(slack, client):
    who = await client.auth_test()
    assert who["user_id"] == slack.workspace.bot.id
    assert who["bot_id"] == slack.workspace.bot_id
    assert "chat:write" in who.headers["X-OAuth-Scopes"]


@pytest.mark.parametrize(
    ("token", "error"), [("", "not_authed"), ("xoxb-other", "invalid_auth"), ("xapp-1", "not_allowed_token_type")]
)
async def test_a_wrong_token(client, ops, token, error):
    client.token = token
    assert await error_of(client.chat_postMessage(channel=ops, text="x")) == error


@pytest.mark.parametrize("trouble", ["token_revoked", "account_inactive"])
async def test_a_token_that_was_taken_away(slack, client, trouble):
    slack.site.token_trouble = trouble
    assert await error_of(client.auth_test()) == trouble


async def test_a_missing_scope_is_named(slack, client, ops):
    slack.site.scopes.discard("channels:history")
    answer = await refused(client.conversations_history(channel=ops))
    assert (answer["error"], answer["needed"]) == ("missing_scope", "channels:history")
    assert "chat:write" in answer["provided"]


async def test_unknown_methods_are_told(client):
    assert await error_of(client.api_call("chat.postEverything")) == "unknown_method"


async def test_a_message_lands_where_people_read_it(slack, client, ops):
    sent = await client.chat_postMessage(
        channel=ops, text="hello", metadata={"event_type": "e", "event_payload": {"id": "n1"}}
    )
    assert slack.workspace.posted_with_metadata("n1")[0].ts == sent["ts"]
    assert slack.person("ada").was_told("hello")


async def test_the_oracle_counts_what_stands(slack, client, ops):
    for notice in ("n1", "n2", "n2"):
        await client.chat_postMessage(
            channel=ops, text="x", metadata={"event_type": "e", "event_payload": {"id": notice}}
        )
    twice = slack.workspace.posted_with_metadata("n2")
    assert slack.workspace.metadata_ids() == {"n1": 1, "n2": 2}
    await client.chat_delete(channel=ops, ts=twice[1].ts)
    assert slack.workspace.metadata_ids() == {"n1": 1, "n2": 1}
    assert len(slack.workspace.posted_with_metadata("n2", deleted=True)) == 2


async def test_by_name_and_to_a_person(slack, client):
    assert (await client.chat_postMessage(channel="#ops", text="x"))["channel"] == slack.workspace.channel("ops").id
    direct = await client.chat_postMessage(channel=slack.person("ada").id, text="psst")
    assert direct["channel"].startswith("D")
    assert not slack.person("grace").was_told("psst")


async def test_timestamps_are_unique_and_rise(client, ops):
    stamps = [(await client.chat_postMessage(channel=ops, text="x"))["ts"] for _ in range(20)]
    assert stamps == sorted(set(stamps))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"text": ""}, "no_text"),
        ({"text": "x", "blocks": "nonsense"}, "invalid_blocks_format"),
        ({"text": "x", "blocks": [{"type": "nonsense"}]}, "invalid_blocks"),
        ({"text": "x", "thread_ts": "1.000001"}, "thread_not_found"),
        ({"text": "x", "metadata": {"event_type": "e"}}, "invalid_metadata_format"),
    ],
)
async def test_content_that_is_not_taken(slack, client, ops, content, error):
    assert await error_of(client.api_call("chat.postMessage", json={"channel": ops, **content})) == error
    assert slack.messages("#ops") == []


async def test_blocks_that_are_too_long_together(client, ops):
    assert (
        await error_of(client.chat_postMessage(channel=ops, text="x", blocks=[section("x" * 3000)] * 5))
        == "msg_blocks_too_long"
    )


async def test_text_is_cut_on_post_and_refused_on_update(slack, client, ops):
    sent = await client.chat_postMessage(channel=ops, text="x" * 50_000)
    assert len(slack.messages("#ops")[0].text) == 40_000
    assert await error_of(client.chat_update(channel=ops, ts=sent["ts"], text="x" * 4001)) == "msg_too_long"


async def test_channels_the_bot_cannot_post_to(slack, client):
    vault = slack.workspace.channel("vault")
    vault.members.discard(slack.workspace.bot.id)
    assert await error_of(client.chat_postMessage(channel=vault.id, text="x")) == "channel_not_found"
    assert await error_of(client.chat_postMessage(channel="C404", text="x")) == "channel_not_found"

    lounge = slack.workspace.channel("lounge")
    await client.chat_postMessage(channel=lounge.id, text="public channels take it")
    slack.site.scopes.discard("chat:write.public")
    assert await error_of(client.chat_postMessage(channel=lounge.id, text="x")) == "not_in_channel"
    await client.conversations_join(channel=lounge.id)
    await client.chat_postMessage(channel=lounge.id, text="now it does")

    lounge.is_archived = True
    assert await error_of(client.chat_postMessage(channel=lounge.id, text="x")) == "is_archived"


async def test_an_update_with_text_alone_takes_the_blocks_away(slack, client, ops):
    sent = await client.chat_postMessage(
        channel=ops, text="a", blocks=[section("a")], metadata={"event_type": "e", "event_payload": {"id": "n"}}
    )
    await client.chat_update(channel=ops, ts=sent["ts"], text="b")
    (message,) = slack.messages("#ops")
    assert (message.text, message.blocks) == ("b", ())
    assert message.metadata["event_payload"] == {"id": "n"}


async def test_what_cannot_be_updated_or_deleted(slack, client, ops):
    theirs = slack.workspace.post(ops, slack.person("ada").id, "mine")
    assert await error_of(client.chat_update(channel=ops, ts=theirs.ts, text="x")) == "cant_update_message"
    assert await error_of(client.chat_delete(channel=ops, ts=theirs.ts)) == "cant_delete_message"

    shown = await client.chat_postEphemeral(channel=ops, user=slack.person("ada").id, text="psst")
    assert await error_of(client.chat_update(channel=ops, ts=shown["message_ts"], text="x")) == "message_not_found"

    mine = await client.chat_postMessage(channel=ops, text="x")
    await client.chat_delete(channel=ops, ts=mine["ts"])
    assert await error_of(client.chat_update(channel=ops, ts=mine["ts"], text="x")) == "message_not_found"

    slack.workspace.edit_window = -1
    mine = await client.chat_postMessage(channel=ops, text="x")
    assert await error_of(client.chat_update(channel=ops, ts=mine["ts"], text="y")) == "edit_window_closed"


async def test_an_ephemeral_is_seen_by_one_and_stands_in_no_history(slack, client, ops):
    await client.chat_postEphemeral(channel=ops, user=slack.person("ada").id, text="only you")
    assert slack.person("ada").was_told("only you")
    assert not slack.person("grace").was_told("only you")
    assert (await client.conversations_history(channel=ops))["messages"] == []
    assert (
        await error_of(client.chat_postEphemeral(channel=ops, user=slack.person("mallory").id, text="x"))
        == "user_not_in_channel"
    )


async def test_history_is_paged_newest_first_without_replies(slack, client, ops):
    stamps = [(await client.chat_postMessage(channel=ops, text=str(n)))["ts"] for n in range(5)]
    await client.chat_postMessage(channel=ops, text="reply", thread_ts=stamps[0])
    await client.chat_postMessage(channel=ops, text="both", thread_ts=stamps[0], reply_broadcast=True)

    first = await client.conversations_history(channel=ops, limit=4)
    rest = await client.conversations_history(channel=ops, limit=4, cursor=first["response_metadata"]["next_cursor"])
    assert [m["text"] for m in first["messages"]] == ["both", "4", "3", "2"]
    assert [m["text"] for m in rest["messages"]] == ["1", "0"]
    assert (first["has_more"], rest["has_more"]) == (True, False)
    assert rest["messages"][1]["reply_count"] == 2


async def test_oldest_and_latest_are_outside_unless_inclusive(client, ops):
    stamps = [(await client.chat_postMessage(channel=ops, text=str(n)))["ts"] for n in range(4)]
    window = {"channel": ops, "oldest": stamps[0], "latest": stamps[3]}
    assert [m["text"] for m in (await client.conversations_history(**window))["messages"]] == ["2", "1"]
    assert len((await client.conversations_history(**window, inclusive=True))["messages"]) == 4


async def test_metadata_is_shown_only_when_asked_for(client, ops):
    metadata = {"event_type": "e", "event_payload": {"id": "n"}}
    await client.chat_postMessage(channel=ops, text="x", metadata=metadata)
    assert "metadata" not in (await client.conversations_history(channel=ops))["messages"][0]
    assert (await client.conversations_history(channel=ops, include_all_metadata=True))["messages"][0][
        "metadata"
    ] == metadata


async def test_history_may_lag(slack, client, ops):
    slack.site.history_lag = timedelta(hours=1)
    await client.chat_postMessage(channel=ops, text="x")
    assert (await client.conversations_history(channel=ops))["messages"] == []


async def test_a_thread_starts_with_its_parent(client, ops):
    root = await client.chat_postMessage(channel=ops, text="root")
    await client.chat_postMessage(channel=ops, text="one", thread_ts=root["ts"])
    story = await client.conversations_replies(channel=ops, ts=root["ts"])
    assert [m["text"] for m in story["messages"]] == ["root", "one"]
    assert await error_of(client.conversations_replies(channel=ops, ts="1.000001")) == "thread_not_found"
    await client.chat_delete(channel=ops, ts=story["messages"][1]["ts"])
    assert len((await client.conversations_replies(channel=ops, ts=root["ts"]))["messages"]) == 1


async def test_history_needs_membership(slack, client):
    assert (
        await error_of(client.conversations_history(channel=slack.workspace.channel("lounge").id)) == "not_in_channel"
    )


async def test_people_and_what_is_known_of_them(slack, client):
    slack.workspace.add_user("bob", is_restricted=True, is_stranger=True, team_id="T2")
    bob = (await client.users_info(user=slack.person("bob").id))["user"]
    assert (bob["is_restricted"], bob["is_stranger"], bob["team_id"]) == (True, True, "T2")
    assert (await client.users_lookupByEmail(email="ADA@example.com"))["user"]["name"] == "ada"
    assert await error_of(client.users_info(user="U404")) == "user_not_found"
    slack.site.scopes.discard("users:read.email")
    assert "email" not in (await client.users_info(user=slack.person("ada").id))["user"]["profile"]


async def test_user_groups(slack, client):
    group = slack.workspace.add_group("approvers", ["ada", "grace"])
    assert (await client.usergroups_list(include_users=True))["usergroups"][0]["users"] == list(group.users)
    slack.workspace.set_group_users("approvers", ["grace"])
    assert (await client.usergroups_users_list(usergroup=group.id))["users"] == [slack.person("grace").id]
    assert await error_of(client.usergroups_users_list(usergroup="S404")) == "no_such_subteam"
    slack.workspace.paid_plan = False
    assert await error_of(client.usergroups_list()) == "plan_upgrade_required"


async def test_channels_are_listed_by_type(slack, client):
    every = await client.conversations_list(types="public_channel,private_channel")
    assert [c["name"] for c in every["channels"]] == ["ops", "vault", "lounge"]
    assert [c["name"] for c in (await client.users_conversations())["channels"]] == ["ops"]
    assert (await client.conversations_info(channel=every["channels"][1]["id"]))["channel"]["is_private"] is True
    members = await client.conversations_members(channel=every["channels"][0]["id"], limit=2)
    assert len(members["members"]) == 2
    assert members["response_metadata"]["next_cursor"]


async def test_a_file_in_three_steps(slack, client, ops):
    root = await client.chat_postMessage(channel=ops, text="root")
    await client.files_upload_v2(
        channel=ops, filename="shop.log", content="line\n", initial_comment="log", thread_ts=root["ts"]
    )
    reply = slack.messages("#ops")[-1]
    file = slack.workspace.files[reply.files[0]]
    assert (reply.thread_ts, reply.text, file.content) == (root["ts"], "log", b"line\n")
    assert (await client.files_info(file=file.id))["file"]["name"] == "shop.log"


async def test_a_file_that_was_never_uploaded(client, ops):
    slot = await client.files_getUploadURLExternal(filename="x", length=3)
    answer = client.files_completeUploadExternal(files=[{"id": slot["file_id"]}], channel_id=ops)
    assert await error_of(answer) == "file_not_found"


async def test_reactions(slack, client, ops):
    sent = await client.chat_postMessage(channel=ops, text="x")
    await client.reactions_add(channel=ops, timestamp=sent["ts"], name="eyes")
    assert slack.messages("#ops")[0].reactions == (("eyes", slack.workspace.bot.id),)
    assert await error_of(client.reactions_add(channel=ops, timestamp=sent["ts"], name="eyes")) == "already_reacted"
    await client.reactions_remove(channel=ops, timestamp=sent["ts"], name="eyes")
    assert slack.messages("#ops")[0].reactions == ()


async def test_permalinks(client, ops):
    sent = await client.chat_postMessage(channel=ops, text="x")
    link = (await client.chat_getPermalink(channel=ops, message_ts=sent["ts"]))["permalink"]
    assert link.endswith(f"/archives/{ops}/p{sent['ts'].replace('.', '')}")


async def test_a_channel_takes_a_burst_and_then_one_a_second(slack, client, ops):
    slack.rates.posts_per_channel = BURST_OF_POSTS
    for _ in range(5):
        await client.chat_postMessage(channel=ops, text="x")
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(channel=ops, text="x")
    assert caught.value.response.status_code == 429
    assert 1 <= int(caught.value.response.headers["Retry-After"]) <= 5
    await client.chat_postMessage(channel=slack.workspace.channel("vault").id, text="other channels are free")


async def test_the_limits_of_every_method_are_in_force(slack, client):
    for _ in range(20):
        await client.usergroups_list()
    assert await error_of(client.usergroups_list()) == "ratelimited"
    slack.rates.enabled = False
    await client.usergroups_list()


async def test_every_call_is_kept(slack, client, ops):
    await client.chat_postMessage(channel=ops, text="x")
    assert [c.args["text"] for c in slack.called("chat.postMessage")] == ["x"]
