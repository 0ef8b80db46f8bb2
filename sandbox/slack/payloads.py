"""The bodies of Slack's requests to an app, field by field."""

from __future__ import annotations

import secrets

from domain.json_types import Json
from sandbox.slack.records import Channel, Message, User
from sandbox.slack.shown import channel_json, message_json
from sandbox.slack.site import Site
from sandbox.slack.views import View
from sandbox.slack.words import Control

VERIFICATION_TOKEN = "a-token-nobody-should-trust"


def channel_name(channel: Channel) -> str:
    if channel.is_im:
        return "directmessage"
    return "privategroup" if channel.is_private else channel.name


def slash_command(site: Site, user: User, channel: Channel, command: str, text: str) -> dict[str, str]:
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": user.team_id,
        "team_domain": site.workspace.domain,
        "channel_id": channel.id,
        "channel_name": channel_name(channel),
        "user_id": user.id,
        "user_name": user.name,
        "command": command,
        "text": text,
        "api_app_id": site.workspace.app_id,
        "is_enterprise_install": "false",
        "response_url": site.base_url + site.hooks.new("commands", user.id, channel.id),
        "trigger_id": site.triggers.new(user.id),
    }


def _interaction(site: Site, kind: str, user: User) -> Json:
    return {
        "type": kind,
        "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": user.team_id},
        "api_app_id": site.workspace.app_id,
        "token": VERIFICATION_TOKEN,
        "team": {"id": user.team_id, "domain": site.workspace.domain},
        "enterprise": None,
        "is_enterprise_install": False,
    }


def _on_message(site: Site, message: Message) -> Json:
    channel = site.workspace.channels[message.channel]
    container: Json = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": channel.id,
        "is_ephemeral": message.ephemeral_for is not None,
    }
    if message.thread_ts:
        container["thread_ts"] = message.thread_ts
    shown: Json = {"container": container, "channel": {"id": channel.id, "name": channel_name(channel)}}
    if message.ephemeral_for is None:  # Slack never sends the content of an ephemeral message back.
        shown["message"] = message_json(site.workspace, message)
    return shown


def _on_view(site: Site, view: View) -> Json:
    return {"container": {"type": "view", "view_id": view.id}, "view": site.views.json(view)}


def block_actions(site: Site, user: User, on: Message | View, control: Control, chosen: Json) -> Json:
    payload = _interaction(site, "block_actions", user)
    if isinstance(on, View):
        payload |= _on_view(site, on) | {"trigger_id": site.triggers.new(user.id, on.id)}
    else:
        hook = site.hooks.new("actions", user.id, on.channel, on.ts)
        payload |= _on_message(site, on)
        payload |= {"trigger_id": site.triggers.new(user.id), "response_url": site.base_url + hook}
    payload["state"] = {"values": on.values if isinstance(on, View) else {}}
    payload["actions"] = [_action(site, control, chosen)]
    return payload


def _action(site: Site, control: Control, chosen: Json) -> Json:
    element = control.element
    kept: Json = {
        name: element[name] for name in ("text", "value", "style", "confirm", "placeholder") if name in element
    }
    if element["type"] != "button":
        kept.pop("text", None)
    return {
        "type": element["type"],
        "action_id": control.action_id,
        "block_id": control.block["block_id"],
        **kept,
        **chosen,
        "action_ts": site.workspace.stamp(),
    }


def view_submission(site: Site, user: User, view: View) -> Json:
    return {
        **_interaction(site, "view_submission", user),
        "trigger_id": site.triggers.new(user.id, view.id),
        "view": site.views.json(view),
        "response_urls": [],
    }


def view_closed(site: Site, user: User, view: View, *, cleared: bool) -> Json:
    return {**_interaction(site, "view_closed", user), "view": site.views.json(view), "is_cleared": cleared}


def block_suggestion(site: Site, user: User, on: Message | View, control: Control, typed: str) -> Json:
    place = _on_view(site, on) if isinstance(on, View) else _on_message(site, on)
    return {
        **_interaction(site, "block_suggestion", user),
        **place,
        "action_id": control.action_id,
        "block_id": control.block["block_id"],
        "value": typed,
    }


def message_shortcut(site: Site, user: User, message: Message, callback_id: str) -> Json:
    channel = site.workspace.channels[message.channel]
    return {
        **_interaction(site, "message_action", user),
        "callback_id": callback_id,
        "trigger_id": site.triggers.new(user.id),
        "response_url": site.base_url + site.hooks.new("app", user.id, message.channel),
        "message_ts": message.ts,
        "channel": {"id": channel.id, "name": channel_name(channel)},
        "message": message_json(site.workspace, message),
        "action_ts": site.workspace.stamp(),
    }


def global_shortcut(site: Site, user: User, callback_id: str) -> Json:
    return {
        **_interaction(site, "shortcut", user),
        "callback_id": callback_id,
        "trigger_id": site.triggers.new(user.id),
        "action_ts": site.workspace.stamp(),
    }


def event(site: Site, body: Json, channel: Channel | None = None) -> Json:
    workspace = site.workspace
    mine = {
        "enterprise_id": None,
        "team_id": workspace.team_id,
        "user_id": workspace.bot.id,
        "is_bot": True,
        "is_enterprise_install": False,
    }
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": workspace.team_id,
        "api_app_id": workspace.app_id,
        "event": body,
        "type": "event_callback",
        "event_id": "Ev" + secrets.token_hex(5).upper(),
        "event_time": int(site.now().timestamp()),
        "authorizations": [mine],
        "is_ext_shared_channel": bool(channel and channel.is_ext_shared),
        "event_context": secrets.token_hex(12),
    }


def said(site: Site, message: Message, kind: str) -> Json:
    """Return an `app_mention`, or a `message` in a direct message; an edited one names its editor."""
    channel = site.workspace.channels[message.channel]
    body = message_json(site.workspace, message) | {
        "type": kind,
        "channel": channel.id,
        "event_ts": message.edited or message.ts,
        "client_msg_id": secrets.token_hex(16),
    }
    if kind == "message":
        body["channel_type"] = "im" if channel.is_im else "group" if channel.is_private else "channel"
    return event(site, body, channel)


def home_opened(site: Site, user: User, tab: str = "home") -> Json:
    body: Json = {
        "type": "app_home_opened",
        "user": user.id,
        "channel": site.workspace.direct(user.id).id,
        "tab": tab,
        "event_ts": site.workspace.stamp(),
    }
    if home := site.views.homes.get(user.id):
        body["view"] = site.views.json(home)
    return event(site, body)


def joined(site: Site, user: User, channel: Channel) -> Json:
    body = {
        "type": "member_joined_channel",
        "user": user.id,
        "channel": channel.id,
        "channel_type": "G" if channel.is_private else "C",
        "team": site.workspace.team_id,
        "event_ts": site.workspace.stamp(),
    }
    return event(site, body, channel)


def renamed(site: Site, channel: Channel) -> Json:
    return event(site, {"type": "channel_rename", "channel": channel_json(site.workspace, channel)}, channel)
