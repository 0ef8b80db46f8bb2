"""chat.*: post, edit and delete messages, or show one to a single person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from domain.json_types import Json
from sandbox.slack.api.call import ApiError, Call, Method, refuse_problems
from sandbox.slack.blockkit.check import check_blocks, tables
from sandbox.slack.records import Channel, Message
from sandbox.slack.shown import message_json
from sandbox.slack.views import named_blocks
from sandbox.slack.words import words

LONGEST_POST, LONGEST_UPDATE = 40_000, 4_000
MOST_ATTACHMENTS = 100
MOST_BLOCK_CHARACTERS = 12_000


def post_message(call: Call) -> Json:
    channel = _destination(call)
    _refuse_unpostable(call, channel)
    content = _content(call)
    thread = call.get("thread_ts")
    if thread is not None and thread not in channel.messages:
        raise ApiError("thread_not_found")
    content["text"] = content["text"][:LONGEST_POST]
    content["thread_ts"] = (channel.messages[thread].thread_ts or thread) if thread else None
    content |= {"metadata": _metadata(call), "broadcast": call.flag("reply_broadcast"), "by_bot": True}
    message = call.workspace.post(channel.id, call.workspace.bot.id, **content)
    shown = message_json(call.workspace, message, metadata=True)
    return {"ok": True, "channel": channel.id, "ts": message.ts, "message": shown}


def _destination(call: Call) -> Channel:
    """Find a channel by id, by #name, or by a person's id for their direct message."""
    given = str(call.need("channel", "channel_not_found"))
    if given in call.workspace.users:
        return call.workspace.direct(given)
    named = [c.id for c in call.workspace.channels.values() if c.name == given.removeprefix("#") and not c.is_im]
    return Call(call.site, {"channel": named[0] if named else given}).channel()


def _refuse_unpostable(call: Call, channel: Channel) -> None:
    if channel.is_archived:
        raise ApiError("is_archived")
    member = call.workspace.bot.id in channel.members
    if not member and (channel.is_private or "chat:write.public" not in call.site.scopes):
        raise ApiError("not_in_channel")
    if channel.is_im and call.workspace.users[channel.user].deleted:
        raise ApiError("channel_not_found")


def _content(call: Call) -> dict[str, Any]:
    """Return text, blocks and attachments after Slack's checks."""
    text, blocks, attachments = str(call.get("text", "")), call.get("blocks", []), call.get("attachments", [])
    if not text and not blocks and not attachments:
        raise ApiError("no_text")
    _check_content(blocks, attachments)
    return {"text": text, "blocks": tuple(named_blocks(blocks)), "attachments": tuple(attachments)}


def _check_content(blocks: Any, attachments: Any) -> None:
    if not isinstance(blocks, list):
        raise ApiError("invalid_blocks_format")
    if not isinstance(attachments, list):
        raise ApiError("invalid_attachments")
    if len(attachments) > MOST_ATTACHMENTS:
        raise ApiError("too_many_attachments")
    refuse_problems(check_blocks(blocks), "invalid_blocks")
    inner = [one.get("blocks") or [] for one in attachments if isinstance(one, dict)]
    for index, part in enumerate(inner):
        refuse_problems(check_blocks(part, at=f"/attachments/{index}/blocks"), "invalid_attachments")
    if sum(tables(part) for part in [blocks, *inner]) > 1:
        told = ["[ERROR] only_one_table_allowed"]
        raise ApiError("invalid_attachments", errors=told, response_metadata={"messages": told})
    _refuse_too_long(blocks)


def _refuse_too_long(blocks: list[Json]) -> None:
    """Undocumented: about 12,000 characters of text over all blocks (bolt-js issues 2509 and 2867)."""
    if sum(len(piece) for piece in words(blocks)) > MOST_BLOCK_CHARACTERS:
        raise ApiError("msg_blocks_too_long")


def _metadata(call: Call) -> Json | None:
    given = call.get("metadata")
    if given is None:
        return None
    if not isinstance(given, dict) or not isinstance(given.get("event_payload"), dict) or not given.get("event_type"):
        raise ApiError("invalid_metadata_format")
    if len(repr(given)) > 16_000:
        raise ApiError("metadata_too_large")
    return given


def update(call: Call) -> Json:
    message = _own_message(call, "cant_update_message")
    _refuse_late_edit(call, message)
    if len(str(call.get("text", ""))) > LONGEST_UPDATE:
        raise ApiError("msg_too_long")
    changes = _content(call)  # text without blocks takes the blocks away
    changes["edited"] = message.edited if changes["blocks"] else call.workspace.stamp()
    if (metadata := _metadata(call)) is not None:
        changes["metadata"] = metadata
    changed = call.workspace.update(message, **changes)
    shown = message_json(call.workspace, changed, metadata=True)
    return {"ok": True, "channel": message.channel, "ts": message.ts, "text": changed.text, "message": shown}


def _own_message(call: Call, error: str) -> Message:
    channel = call.channel()
    message = channel.messages.get(call.need("ts", "message_not_found"))
    if message is None:  # ephemerals are never found
        raise ApiError("message_not_found")
    if not message.by_bot:
        raise ApiError(error)
    if channel.is_archived:
        raise ApiError("is_archived" if error == "cant_update_message" else error)
    return message


def _refuse_late_edit(call: Call, message: Message) -> None:
    window = call.workspace.edit_window
    if window is not None and call.site.now() - message.committed > timedelta(seconds=window):
        raise ApiError("edit_window_closed")


def delete(call: Call) -> Json:
    message = _own_message(call, "cant_delete_message")
    call.workspace.delete(message)
    return {"ok": True, "channel": message.channel, "ts": message.ts}


def post_ephemeral(call: Call) -> Json:
    channel = call.channel()
    if channel.is_archived:
        raise ApiError("is_archived")
    if call.workspace.bot.id not in channel.members:
        raise ApiError("not_in_channel")
    if (reader := call.need("user", "user_not_in_channel")) not in channel.members:
        raise ApiError("user_not_in_channel")
    content = _content(call)
    content["thread_ts"] = call.get("thread_ts")
    message = call.workspace.post_ephemeral(channel.id, reader, content.pop("text"), by_bot=True, **content)
    return {"ok": True, "message_ts": message.ts}


def get_permalink(call: Call) -> Json:
    channel = call.channel()
    ts = str(call.need("message_ts", "message_not_found"))
    if ts not in channel.messages:
        raise ApiError("message_not_found")
    thread = channel.messages[ts].thread_ts
    link = f"{call.site.base_url}/archives/{channel.id}/p{ts.replace('.', '')}"
    return {"ok": True, "channel": channel.id, "permalink": link + (f"?thread_ts={thread}" if thread else "")}


METHODS = {
    "chat.postMessage": Method(post_message, "chat:write", 300),
    "chat.update": Method(update, "chat:write", 50),
    "chat.delete": Method(delete, "chat:write", 50),
    "chat.postEphemeral": Method(post_ephemeral, "chat:write", 100),
    "chat.getPermalink": Method(get_permalink, "", 600),
}
