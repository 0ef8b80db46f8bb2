"""People, channels, messages and files as Slack's JSON shows them."""

from __future__ import annotations

from domain.json_types import Json
from sandbox.slack.records import Channel, File, Message, User
from sandbox.slack.workspace import Workspace


def user_json(user: User) -> Json:
    return {
        "id": user.id,
        "team_id": user.team_id,
        "name": user.name,
        "real_name": user.real_name,
        "deleted": user.deleted,
        "tz": user.tz,
        "is_bot": user.is_bot,
        "is_app_user": False,
        "is_restricted": user.is_restricted,
        "is_ultra_restricted": user.is_ultra_restricted,
        **({"is_stranger": True} if user.is_stranger else {}),
        "profile": {"display_name": user.name, "real_name": user.real_name, "email": user.email, "team": user.team_id},
    }


def channel_json(workspace: Workspace, channel: Channel) -> Json:
    shown: Json = {
        "id": channel.id,
        "is_channel": channel.kind == "channels",
        "is_group": channel.kind == "groups",
        "is_im": channel.is_im,
        "is_mpim": False,
        "is_private": channel.is_private,
        "is_archived": channel.is_archived,
        "is_ext_shared": channel.is_ext_shared,
        "is_shared": channel.is_ext_shared,
        "context_team_id": workspace.team_id,
    }
    if channel.is_im:
        return {**shown, "user": channel.user}
    member = workspace.bot.id in channel.members
    return {**shown, "name": channel.name, "name_normalized": channel.name, "is_member": member}


def message_json(workspace: Workspace, message: Message, *, metadata: bool = False) -> Json:
    shown: Json = {
        "type": "message",
        "user": message.user,
        "team": workspace.users[message.user].team_id if message.user in workspace.users else workspace.team_id,
        "ts": message.ts,
        "text": message.text,
    }
    if message.by_bot:
        shown |= {"bot_id": workspace.bot_id, "app_id": workspace.app_id}
    if message.is_reply and message.broadcast:
        shown["subtype"] = "thread_broadcast"
    if message.edited:
        shown["edited"] = {"user": message.user, "ts": message.edited}
    if message.files:
        shown["files"] = [file_json(workspace.files[one]) for one in message.files]
    if metadata and message.metadata:
        shown["metadata"] = message.metadata
    for name in ("blocks", "attachments"):
        if parts := getattr(message, name):
            shown[name] = list(parts)
    return shown | _thread(workspace, message) | _reactions(message)


def _thread(workspace: Workspace, message: Message) -> Json:
    if message.is_reply:
        return {"thread_ts": message.thread_ts}
    channel = workspace.channels[message.channel]
    replies = [channel.messages[ts] for ts in channel.threads.get(message.ts, ())]
    if not replies:
        return {}
    return {
        "thread_ts": message.ts,
        "reply_count": len(replies),
        "latest_reply": replies[-1].ts,
        "reply_users": sorted({m.user for m in replies}),
    }


def _reactions(message: Message) -> Json:
    names = dict.fromkeys(name for name, _ in message.reactions)
    users = {name: [user for one, user in message.reactions if one == name] for name in names}
    shown = [{"name": name, "users": found, "count": len(found)} for name, found in users.items()]
    return {"reactions": shown} if shown else {}


def file_json(file: File) -> Json:
    shares: Json = {}
    for channel, ts in file.shares:
        shares.setdefault(channel, []).append({"ts": ts})
    return {
        "id": file.id,
        "name": file.name,
        "title": file.title or file.name,
        "size": file.length,
        "user": file.user,
        "mode": "hosted",
        "url_private": f"/files/{file.id}/{file.name}",
        "shares": {"public": shares} if shares else {},
    }
