"""conversations.*: channels, their members and messages."""

from __future__ import annotations

from domain.json_types import Json
from sandbox.slack.api.call import ApiError, Call, Method
from sandbox.slack.records import Channel, Message
from sandbox.slack.shown import channel_json, message_json


def info(call: Call) -> Json:
    channel = call.channel()
    call.need_scope(f"{channel.kind}:read")
    shown = channel_json(call.workspace, channel)
    if call.flag("include_num_members"):
        shown["num_members"] = len(channel.members)
    return {"ok": True, "channel": shown}


def list_channels(call: Call) -> Json:
    kinds = {_kind(name.strip()) for name in str(call.get("types", "public_channel")).split(",")}
    for kind in kinds:
        call.need_scope(f"{kind}:read")
    bot = call.workspace.bot.id
    seen = [c for c in call.workspace.channels.values() if c.kind in kinds and (not c.is_private or bot in c.members)]
    if call.flag("exclude_archived"):
        seen = [channel for channel in seen if not channel.is_archived]
    page, cursor = call.page(seen, 100)
    shown = [channel_json(call.workspace, channel) for channel in page]
    return {"ok": True, "channels": shown, "response_metadata": {"next_cursor": cursor}}


def _kind(name: str) -> str:
    kinds = {"public_channel": "channels", "private_channel": "groups", "im": "im", "mpim": "mpim"}
    if name not in kinds:
        raise ApiError("invalid_types")
    return kinds[name]


def members(call: Call) -> Json:
    channel = call.channel()
    call.need_scope(f"{channel.kind}:read")
    page, cursor = call.page(sorted(channel.members), 100)
    return {"ok": True, "members": page, "response_metadata": {"next_cursor": cursor}}


def open_direct(call: Call) -> Json:
    if call.get("channel"):
        return {"ok": True, "channel": {"id": call.channel().id}}
    users = str(call.need("users", "users_list_not_supplied")).split(",")
    if len(users) > 1:
        raise ApiError("too_many_users")
    user = call.workspace.users.get(users[0])
    if user is None:
        raise ApiError("user_not_found")
    if user.deleted:
        raise ApiError("user_disabled")
    return {"ok": True, "channel": {"id": call.workspace.direct(user.id).id}}


def join(call: Call) -> Json:
    channel = call.channel()
    if channel.is_private:
        raise ApiError("method_not_supported_for_channel_type")
    if channel.is_archived:
        raise ApiError("is_archived")
    channel.members.add(call.workspace.bot.id)
    return {"ok": True, "channel": channel_json(call.workspace, channel)}


def history(call: Call) -> Json:
    channel = _readable(call)
    seen = [m for m in channel.messages.values() if not m.is_reply or m.broadcast]
    return _page_of_messages(call, [m for m in reversed(seen) if _in_window(call, m)], 100)


def replies(call: Call) -> Json:
    channel = _readable(call)
    named = channel.messages.get(call.need("ts", "thread_not_found"))
    if named is None:
        raise ApiError("thread_not_found")
    root = named.thread_ts or named.ts
    story = [m for m in (channel.messages[ts] for ts in channel.threads.get(root, ())) if _in_window(call, m)]
    parent = [channel.messages[root]] if root in channel.messages else []
    return _page_of_messages(call, parent + story, 1000)


def _readable(call: Call) -> Channel:
    channel = call.member_channel()
    call.need_scope(f"{channel.kind}:history")
    return channel


def _in_window(call: Call, message: Message) -> bool:
    """Return whether a message is between oldest and latest, and already visible to readers."""
    if call.site.now() - message.committed < call.site.history_lag:
        return False
    oldest, latest, both = str(call.get("oldest", "0")), str(call.get("latest", "9" * 12)), call.flag("inclusive")
    try:
        low, high, at = float(oldest), float(latest), float(message.ts)
    except ValueError:
        raise ApiError("invalid_ts_oldest") from None
    return low <= at <= high if both else low < at < high


def _page_of_messages(call: Call, found: list[Message], usual: int) -> Json:
    page, cursor = call.page(found, usual, 999)
    metadata = call.flag("include_all_metadata")
    shown = [message_json(call.workspace, message, metadata=metadata) for message in page]
    answer: Json = {"ok": True, "messages": shown, "has_more": bool(cursor)}
    return {**answer, "response_metadata": {"next_cursor": cursor}} if cursor else answer


METHODS = {
    "conversations.info": Method(info, "", 50),
    "conversations.list": Method(list_channels, "", 20),
    "conversations.members": Method(members, "", 100),
    "conversations.open": Method(open_direct, "im:write", 50),
    "conversations.join": Method(join, "channels:join", 50),
    "conversations.history": Method(history, "", 50),
    "conversations.replies": Method(replies, "", 50),
}
