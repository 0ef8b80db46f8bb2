"""Reads Slack's payloads into `Received`: what the inbox stores, and the key that detects a replay.

Keys: for a command its trigger_id; for a click message, action, person and time; for a form its view id and a digest of
its values; for a mention channel and ts, so that an edited message doesn't run twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Received:
    """`kind`: command, mention, action, form, shortcut, home. `line` is the command line, if there is one."""

    kind: str
    key: str
    user: str
    team: str
    channel: str = ""
    thread: str = ""
    message: str = ""
    line: str = ""
    lead: str = ""
    action: str = ""
    value: str = ""
    response_url: str = ""
    trigger: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def stored(self) -> dict[str, Any]:
        """Return what the inbox stores: not the trigger, which expires in seconds, nor the response URL, stored separately."""
        kept = {
            name: getattr(self, name) for name in self.__slots__ if name not in {"response_url", "trigger", "extra"}
        }
        return {**kept, "extra": dict(self.extra)}


def from_stored(payload: Mapping[str, Any], response_url: str) -> Received:
    return Received(**{**payload, "response_url": response_url})


def command(body: Body, lead: str) -> Received:
    return Received(
        kind="command",
        key=f"cmd:{_text(body, 'trigger_id') or _digest(body)}",
        user=_text(body, "user_id"),
        team=_text(body, "team_id"),
        channel=_text(body, "channel_id"),
        line=_text(body, "text"),
        lead=lead,
        response_url=_text(body, "response_url"),
        trigger=_text(body, "trigger_id"),
    )


def mention(body: Body, bot_user: str) -> Received | None:
    """Read a mention of the bot or a direct message to it; None for edits, messages of bots and everything else."""
    event = body.get("event")
    if not isinstance(event, Mapping) or event.get("subtype") or event.get("bot_id") or not event.get("user"):
        return None
    text, ts = str(event.get("text", "")), str(event.get("ts", ""))
    mention_text = f"<@{bot_user}>"
    direct = event.get("channel_type") == "im"
    if event.get("type") == "message" and not direct:
        return None
    if mention_text in text:
        text = text.replace(mention_text, "", 1)
    elif text.startswith(f"<@{bot_user}|"):
        text = text.partition(">")[2]
    return Received(
        kind="mention",
        key=f"msg:{event.get('channel')}:{ts}",
        user=str(event["user"]),
        team=_team_of_event(body, event),
        channel=str(event.get("channel", "")),
        thread=str(event.get("thread_ts") or ("" if direct else ts)),
        message=ts,
        line=text.strip(),
    )


def action(body: Body) -> Received:
    first = _first(body.get("actions"))
    container, message = _map(body, "container"), _map(body, "message")
    ts = str(container.get("message_ts") or message.get("ts") or "")
    user, channel = _map(body, "user"), _map(body, "channel")
    place = ts or str(_map(body, "view").get("id", ""))
    return Received(
        kind="action",
        key=f"act:{place}:{first.get('action_id')}:{user.get('id')}:{first.get('action_ts') or _digest(body)}",
        user=str(user.get("id", "")),
        team=_team_of_person(body, user),
        channel=str(channel.get("id") or container.get("channel_id") or ""),
        thread=str(container.get("thread_ts") or message.get("thread_ts") or ts),
        message=ts,
        action=str(first.get("action_id", "")),
        value=_value_of(first),
        response_url=_text(body, "response_url"),
        trigger=_text(body, "trigger_id"),
    )


def form(body: Body) -> Received:
    view, user = _map(body, "view"), _map(body, "user")
    values = _map(_map(view, "state"), "values")
    digest = hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:16]
    return Received(
        kind="form",
        key=f"form:{view.get('id')}:{digest}",
        user=str(user.get("id", "")),
        team=_team_of_person(body, user),
        action=str(view.get("callback_id", "")),
        value=str(view.get("private_metadata", "")),
        trigger=_text(body, "trigger_id"),
        extra={"values": flatten_values(values)},
    )


def home(body: Body) -> Received:
    event = _map(body, "event")
    return Received("home", f"home:{body.get('event_id')}", str(event.get("user", "")), _team_of_event(body, event))


def _team_of_event(body: Body, event: Body) -> str:
    """Return the workspace of the author; the envelope's if the event has none."""
    return next((str(value) for value in (event.get("user_team"), event.get("team"), body.get("team_id")) if value), "")


def _team_of_person(body: Body, user: Body) -> str:
    """Return a person's own workspace. On Enterprise Grid it may be the organization: then the current workspace."""
    own = str(user.get("team_id") or "")
    return own if own.startswith("T") else str(_map(body, "team").get("id") or "")


def shortcut(body: Body) -> Received:
    """Read a shortcut: a global one opens a form, one on a message shows what it is about."""
    user, channel, message = _map(body, "user"), _map(body, "channel"), _map(body, "message")
    ts = str(body.get("message_ts") or message.get("ts") or "")
    callback = _text(body, "callback_id")
    return Received(
        kind="shortcut",
        key=f"cut:{ts}:{callback}:{user.get('id')}:{body.get('action_ts') or _digest(body)}",
        user=str(user.get("id", "")),
        team=_team_of_person(body, user),
        channel=str(channel.get("id") or ""),
        thread=str(message.get("thread_ts") or ""),
        message=ts,
        action=callback,
        response_url=_text(body, "response_url"),
        trigger=_text(body, "trigger_id"),
    )


def flatten_values(values: Body) -> dict[str, str]:
    """Return the values by block id; the bot's forms have one element per block."""
    found: dict[str, str] = {}
    for block, elements in values.items():
        for element in elements.values() if isinstance(elements, Mapping) else ():
            found[block] = _value_of(element)
    return found


def _value_of(element: Any) -> str:
    if not isinstance(element, Mapping):
        return ""
    option = element.get("selected_option")
    if isinstance(option, Mapping):
        return str(option.get("value", ""))
    options = element.get("selected_options")
    if isinstance(options, list):
        return ",".join(str(each.get("value", "")) for each in options if isinstance(each, Mapping))
    for name in (
        "value",
        "selected_user",
        "selected_channel",
        "selected_conversation",
        "selected_date",
        "selected_time",
    ):
        if element.get(name) is not None:
            return str(element[name])
    return ""


def _text(body: Body, name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


def _map(body: Body, name: str) -> Body:
    value = body.get(name)
    return value if isinstance(value, Mapping) else {}


def _first(items: Any) -> Body:
    return items[0] if isinstance(items, list) and items and isinstance(items[0], Mapping) else {}


def _digest(body: Body) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()[:32]
