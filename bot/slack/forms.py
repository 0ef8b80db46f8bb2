"""Forms: opened inside the listener from memory, since a trigger lives three seconds; checked purely when sent.

A form asks for what a click cannot carry: the typed name before something is destroyed, a reason for a rejection.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.clock import utc_now
from bot.slack import shortcuts
from bot.slack.payloads import Received
from domain.actor import Actor
from domain.errors import UserError
from domain.json_types import Json
from velero.documents import MESSAGE_BOUNDS, BadDocument, read_json

log = logging.getLogger(__name__)


FAULTS = (SlackApiError, aiohttp.ClientError, TimeoutError, OSError)

TYPED = "typed:"
"""Action ids of buttons that ask for a typed name first; the value holds the command line and the word."""
REASONED = "reason:"
"""Action ids of buttons that ask for a reason first."""
IDENTIFY_WITHIN = 0.8
"""Seconds until a form opens without the names of clusters: its trigger lives three."""
WORD, REASON = "word", "reason"


class Forms:
    """`clusters`: those that a form offers to whom `identify` (user, team) knows; guests see none of their names."""

    def __init__(
        self,
        client: AsyncWebClient,
        clusters: Callable[[], Sequence[str]] = tuple,
        identify: Callable[[str, str], Awaitable[Actor]] | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._client = client
        self._clusters = clusters
        self._identify = identify
        self._now = now

    def opens(self, received: Received) -> bool:
        return received.action.startswith((TYPED, REASONED)) or received.action in shortcuts.FORMS

    async def open(self, received: Received) -> None:
        """Two seconds at the most: the trigger is worth nothing afterwards."""
        view = await self._view(received)
        try:
            await asyncio.wait_for(self._client.views_open(trigger_id=received.trigger, view=view), 2.0)
        except FAULTS as error:
            log.warning("a form could not be opened: %s", error)
            await self.say(received, "The form couldn't be opened. Try again.")

    async def _view(self, received: Received) -> Json:
        if received.action in shortcuts.FORMS:
            return shortcuts.view(received, await self._offered(received), self._now())
        return typed_view(received) if received.action.startswith(TYPED) else reason_view(received)

    async def _offered(self, received: Received) -> Sequence[str]:
        if self._identify is None:
            return ()
        try:
            async with asyncio.timeout(IDENTIFY_WITHIN):
                await self._identify(received.user, received.team)
        except (UserError, TimeoutError):
            return ()
        return self._clusters()

    async def say(self, received: Received, text: str) -> None:
        try:
            if received.channel:
                await self._client.chat_postEphemeral(channel=received.channel, user=received.user, text=text)
            else:
                await self._client.chat_postMessage(channel=received.user, text=text)
        except FAULTS as error:
            log.warning("could not say %s", error)

    def errors(self, received: Received) -> Mapping[str, str] | None:
        """Block id → what is wrong with it; None when it may be taken."""
        values = received.extra.get("values") or {}
        about = metadata(received.value)
        if received.action == TYPED and values.get(WORD, "").strip() != about.get("word"):
            return {WORD: f"Type exactly: {about.get('word')}"}
        if received.action == REASONED and not values.get(REASON, "").strip():
            return {REASON: "Enter a reason."}
        return shortcuts.form_errors(received)

    def closing(self, title: str, text: str) -> Json:
        return {
            "type": "modal",
            "title": _plain(title),
            "close": _plain("Close"),
            "blocks": [{"type": "section", "text": {"type": "plain_text", "text": text}}],
        }

    async def options(self, _body: Mapping[str, Any]) -> Sequence[Json]:
        return []


def metadata(value: str) -> dict[str, str]:
    try:
        found = read_json(value, MESSAGE_BOUNDS)
    except BadDocument:
        return {}
    return {str(key): str(item) for key, item in found.items()} if isinstance(found, dict) else {}


def _carried(received: Received, **more: str) -> str:
    return json.dumps(
        {
            **metadata(received.value),
            "channel": received.channel,
            "thread": received.thread,
            "message": received.message,
            **more,
        }
    )


def typed_view(received: Received) -> Json:
    word = metadata(received.value).get("word", "")
    label = f"Type {word} to confirm"
    text = f"You can't undo this: `{metadata(received.value).get('line', '')}`"
    return {
        "type": "modal",
        "callback_id": TYPED,
        "private_metadata": _carried(received),
        "title": _plain("Confirm deletion"),
        "submit": _plain("Delete"),
        "close": _plain("Cancel"),
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": text}}, _input(WORD, label, multiline=False)],
    }


def reason_view(received: Received) -> Json:
    return {
        "type": "modal",
        "callback_id": REASONED,
        "private_metadata": _carried(received, action=received.action.removeprefix(REASONED)),
        "title": _plain("Reject request"),
        "submit": _plain("Reject"),
        "close": _plain("Cancel"),
        "blocks": [_input(REASON, "Reason", multiline=True)],
    }


def _input(block: str, label: str, *, multiline: bool) -> Json:
    element: Json = {"type": "plain_text_input", "action_id": block, "multiline": multiline, "max_length": 1000}
    return {"type": "input", "block_id": block, "label": _plain(label), "element": element}


def _plain(text: str) -> Json:
    return {"type": "plain_text", "text": text[:2000]}
