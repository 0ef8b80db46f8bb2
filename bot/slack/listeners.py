"""Bolt listeners: they store the request in the inbox and acknowledge it; they never run a command.

Forms are opened here, from memory, because a trigger id expires after 3 s. `process_before_response` saves the 10 ms
that Bolt would poll for the acknowledgement. `guard_listener` lets no exception out: one right after `ack()` would
lose the acknowledgement.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.intake import Intake, IntakeResult, Queueing, queueing_of
from bot.metrics import ACK_SECONDS
from bot.slack import payloads, shortcuts
from bot.slack.forms import Forms
from bot.slack.payloads import Received

log = logging.getLogger(__name__)

Body = dict[str, Any]
Ack = Callable[..., Awaitable[Any]]
Listener = Callable[[Body], Awaitable[Mapping[str, Any]]]

ANY_ID = re.compile(".*")
LISTENER_TIMEOUT_S = 2.6


class Listeners:
    """`aliases` maps a slash command to the noun that it stands for; empty for the main command."""

    def __init__(
        self,
        intake: Intake,
        forms: Forms,
        aliases: Mapping[str, str],
        bot_user: Callable[[], str],
        cluster_of: Callable[[str], str],
        forget_person: Callable[[str], None],
    ) -> None:
        self._intake = intake
        self._forms = forms
        self._aliases = aliases
        self._bot_user = bot_user
        self._cluster_of = cluster_of
        self._forget_person = forget_person

    def register(self, app: AsyncApp) -> None:
        app.command(ANY_ID)(guard_listener(self.command))
        app.action(ANY_ID)(guard_listener(self.action))
        app.view(ANY_ID)(guard_listener(self.form))
        app.view_closed(ANY_ID)(guard_listener(self.ignore))
        app.shortcut(ANY_ID)(guard_listener(self.shortcut))
        app.options(ANY_ID)(guard_listener(self.options))
        app.event(ANY_ID)(guard_listener(self.event))

    async def slash(self, body: Body) -> Mapping[str, Any]:
        """Handle a slash command without Bolt (docs/adr/0009): the same listener behind the same guard."""
        return await listener_response(self.command, body)

    async def command(self, body: Body) -> Mapping[str, Any]:
        lead = self._aliases.get(str(body.get("command", "")), "")
        received = payloads.command(body, lead)
        if form := shortcuts.find_shortcut(received):
            channel_cluster = {shortcuts.CLUSTER: self._cluster_of(received.channel)}
            await self._forms.open(replace(received, action=form, extra=channel_cluster))
            return {}
        accepted = await self._accept(received)
        return {"text": accepted.text, "response_type": "ephemeral"} if accepted.text else {}

    async def action(self, body: Body) -> Mapping[str, Any]:
        received = payloads.action(body)
        if self._forms.opens(received):
            await self._forms.open(received)
            return {}
        accepted = await self._accept(received)
        if accepted.text:
            await self._forms.say(received, accepted.text)
        return {}

    async def form(self, body: Body) -> Mapping[str, Any]:
        received = shortcuts.form_values(payloads.form(body))
        if (errors := self._forms.errors(received)) is not None:
            return {"response_action": "errors", "errors": errors}
        accepted = await self._accept(received)
        if accepted.text:
            return {"response_action": "update", "view": self._forms.closing("Nothing was done", accepted.text)}
        return {}

    async def event(self, body: Body) -> Mapping[str, Any]:
        event = body.get("event") or {}
        kind = str(event.get("type", ""))
        if kind in {"subteam_members_changed", "subteam_updated", "user_change"}:
            user = event.get("user")
            self._forget_person(str(user.get("id", "")) if isinstance(user, dict) else "")
        elif kind in {"app_mention", "message"}:
            received = payloads.mention(body, self._bot_user())
            if received is not None:
                await self._accept_or_reply(received)
        elif kind == "app_home_opened":
            await self._accept(payloads.home(body))
        return {}

    async def _accept_or_reply(self, received: Received) -> None:
        """Accept a request whose acknowledgement Slack doesn't show; a refusal is sent as a private message."""
        accepted = await self._accept(received)
        if accepted.text:
            await self._forms.say(received, accepted.text)

    async def shortcut(self, body: Body) -> Mapping[str, Any]:
        received = payloads.shortcut(body)
        if self._forms.opens(received):
            await self._forms.open(received)
        elif received.action in shortcuts.handled_callback_ids():
            await self._accept_or_reply(received)
        return {}

    async def options(self, body: Body) -> Mapping[str, Any]:
        return {"options": await self._forms.options(body)}

    async def ignore(self, _body: Body) -> Mapping[str, Any]:
        return {}

    async def _accept(self, received: Received) -> IntakeResult:
        person = f"{received.team}/{received.user}"
        queueing = Queueing(person=person)
        if received.line:
            queueing = queueing_of(received.line, received.lead, self._cluster_of(received.channel), person)
        return await self._intake.accept(
            received.key, received.kind, received.stored(), queueing=queueing, response_url=received.response_url
        )


def guard_listener(listener: Listener) -> Callable[..., Awaitable[None]]:
    """Wrap a listener so that Slack gets exactly one acknowledgement in time."""

    async def run(ack: Ack, body: Body) -> None:
        await ack(**await listener_response(listener, body))

    return run


async def listener_response(listener: Listener, body: Body) -> Mapping[str, Any]:
    """Return the body of the acknowledgement. Never raises."""
    started = time.perf_counter()
    try:
        async with asyncio.timeout(LISTENER_TIMEOUT_S):
            return await listener(body)
    except TimeoutError:
        return {"text": "The bot took too long to respond. The command may have run: check before you retry."}
    except Exception:  # answered here: it must not reach Bolt's runner
        log.exception("a listener failed")
        return {"text": "Internal error. Nothing was done."}
    finally:
        ACK_SECONDS.observe(time.perf_counter() - started)


def build_bolt_app(client: AsyncWebClient) -> AsyncApp:
    """Build the Bolt app without its signature check: the HTTP server checks signatures, with two secrets during a rotation."""
    return AsyncApp(
        client=client,
        request_verification_enabled=False,
        process_before_response=True,
        ssl_check_enabled=False,
        ignoring_self_events_enabled=True,
    )
