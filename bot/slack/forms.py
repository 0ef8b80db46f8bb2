"""Opens and validates forms: those of the shortcuts, the typed name before a deletion, and the reason for a rejection.

A trigger id expires after three seconds, so a form is opened inside the listener, from memory.
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
from notifier.render.answers import TYPED
from notifier.render.escape import inline_code
from velero.documents import MESSAGE_BOUNDS, BadDocument, read_json

log = logging.getLogger(__name__)


SLACK_ERRORS = (SlackApiError, aiohttp.ClientError, TimeoutError, OSError)

REASONED = "reason:"
"""Prefix of the action ids of buttons that ask for a reason first."""
IDENTITY_TIMEOUT_S = 0.8
"""After this time a form opens without cluster names: its trigger expires after three seconds."""
WORD, REASON = "word", "reason"


class Forms:
    """`clusters` are offered to people that `identify` (user, team) accepts; guests see no cluster names."""

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
        """Take at most two seconds: the trigger expires after three."""
        view = await self._view(received)
        try:
            await asyncio.wait_for(self._client.views_open(trigger_id=received.trigger, view=view), 2.0)
        except SLACK_ERRORS as error:
            log.warning("a form can't be opened: %s", error)
            await self.say(received, "The form couldn't be opened. Try again.")

    async def _view(self, received: Received) -> Json:
        if received.action in shortcuts.FORMS:
            return shortcuts.view(received, await self._offered(received), self._now())
        return typed_view(received) if received.action.startswith(TYPED) else reason_view(received)

    async def _offered(self, received: Received) -> Sequence[str]:
        if self._identify is None:
            return ()
        try:
            async with asyncio.timeout(IDENTITY_TIMEOUT_S):
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
        except SLACK_ERRORS as error:
            log.warning("a private message can't be sent: %s", error)

    def errors(self, received: Received) -> Mapping[str, str] | None:
        """Return the errors by block id; None if the form is valid."""
        values = received.extra.get("values") or {}
        word = metadata(received.value).get(WORD)
        if received.action == TYPED and values.get(WORD, "").strip() != word:
            return {WORD: f"Type exactly: {word}"}
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


def _private_metadata(received: Received, **more: str) -> str:
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
    about = metadata(received.value)
    word, line = about.get(WORD, ""), about.get("line", "")
    element: Json = {"type": "plain_text_input", "action_id": WORD, "max_length": 1000}
    warning = {"type": "mrkdwn", "text": f"You can't undo this: {inline_code(line)}"}
    return {
        "type": "modal",
        "callback_id": TYPED,
        "private_metadata": _private_metadata(received),
        "title": _plain("Confirm deletion"),
        "submit": _plain("Delete"),
        "close": _plain("Cancel"),
        "blocks": [
            {"type": "section", "text": warning},
            {"type": "input", "block_id": WORD, "label": _plain(f"Type {word} to confirm"), "element": element},
        ],
    }


def reason_view(received: Received) -> Json:
    return {
        "type": "modal",
        "callback_id": REASONED,
        "private_metadata": _private_metadata(received, action=received.action.removeprefix(REASONED)),
        "title": _plain("Reject request"),
        "submit": _plain("Reject"),
        "close": _plain("Cancel"),
        "blocks": [_reason_input()],
    }


def _reason_input() -> Json:
    element: Json = {"type": "plain_text_input", "action_id": REASON, "multiline": True, "max_length": 1000}
    hint = _plain("The requester sees this. It is shown in the audit log.")
    return {"type": "input", "block_id": REASON, "label": _plain("Reason"), "hint": hint, "element": element}


def _plain(text: str) -> Json:
    return {"type": "plain_text", "text": text[:2000]}
