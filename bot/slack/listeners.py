"""The Bolt app: listeners only persist and acknowledge. A form is opened here, from memory, because a trigger lives 3 s.

`process_before_response` saves the 10 ms that Bolt would poll for the acknowledgement. Nothing is raised past
`guarded`: an exception right after `ack()` would lose it.
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

ANYTHING = re.compile(".*")
LIMIT = 2.6


class Listeners:
    """`aliases` maps a slash command to the noun that it begins with; '' for the main one."""

    def __init__(
        self,
        intake: Intake,
        forms: Forms,
        aliases: Mapping[str, str],
        bot_user: Callable[[], str],
        cluster_of: Callable[[str], str],
        changed: Callable[[str], None],
    ) -> None:
        self._intake = intake
        self._forms = forms
        self._aliases = aliases
        self._bot_user = bot_user
        self._cluster_of = cluster_of
        self._changed = changed

    def register(self, app: AsyncApp) -> None:
        app.command(ANYTHING)(guard_listener(self.command))
        app.action(ANYTHING)(guard_listener(self.action))
        app.view(ANYTHING)(guard_listener(self.form))
        app.view_closed(ANYTHING)(guard_listener(self.nothing))
        app.shortcut(ANYTHING)(guard_listener(self.shortcut))
        app.options(ANYTHING)(guard_listener(self.options))
        app.event(ANYTHING)(guard_listener(self.event))

    async def slash(self, body: Body) -> Mapping[str, Any]:
        """A slash command without Bolt around it (docs/adr/0009): the same listener behind the same guard."""
        return await listener_response(self.command, body)

    async def command(self, body: Body) -> Mapping[str, Any]:
        lead = self._aliases.get(str(body.get("command", "")), "")
        received = payloads.command(body, lead)
        if form := shortcuts.find_shortcut(received):
            here = {shortcuts.CLUSTER: self._cluster_of(received.channel)}
            await self._forms.open(replace(received, action=form, extra=here))
            return {}
        taken = await self._take(received)
        return {"text": taken.text, "response_type": "ephemeral"} if taken.text else {}

    async def action(self, body: Body) -> Mapping[str, Any]:
        received = payloads.action(body)
        if self._forms.opens(received):
            await self._forms.open(received)
            return {}
        taken = await self._take(received)
        if taken.text:
            await self._forms.say(received, taken.text)
        return {}

    async def form(self, body: Body) -> Mapping[str, Any]:
        received = shortcuts.form_values(payloads.form(body))
        if (wrong := self._forms.errors(received)) is not None:
            return {"response_action": "errors", "errors": wrong}
        taken = await self._take(received)
        if taken.text:
            return {"response_action": "update", "view": self._forms.closing("Nothing was done", taken.text)}
        return {}

    async def event(self, body: Body) -> Mapping[str, Any]:
        event = body.get("event") or {}
        kind = str(event.get("type", ""))
        if kind in {"subteam_members_changed", "subteam_updated", "user_change"}:
            user = event.get("user")
            self._changed(str(user.get("id", "")) if isinstance(user, dict) else "")
        elif kind in {"app_mention", "message"}:
            received = payloads.mention(body, self._bot_user())
            if received is not None:
                await self._heard(received)
        elif kind == "app_home_opened":
            await self._take(payloads.home(body))
        return {}

    async def _heard(self, received: Received) -> None:
        """The acknowledgement of an event is shown to nobody: what was not taken is said in words of its own."""
        taken = await self._take(received)
        if taken.text:
            await self._forms.say(received, taken.text)

    async def shortcut(self, body: Body) -> Mapping[str, Any]:
        received = payloads.shortcut(body)
        if self._forms.opens(received):
            await self._forms.open(received)
        elif received.action in shortcuts.known():
            await self._heard(received)
        return {}

    async def options(self, body: Body) -> Mapping[str, Any]:
        return {"options": await self._forms.options(body)}

    async def nothing(self, _body: Body) -> Mapping[str, Any]:
        return {}

    async def _take(self, received: Received) -> IntakeResult:
        person = f"{received.team}/{received.user}"
        queueing = Queueing(person=person)
        if received.line:
            queueing = queueing_of(received.line, received.lead, self._cluster_of(received.channel), person)
        return await self._intake.accept(
            received.key, received.kind, received.stored(), queueing=queueing, response_url=received.response_url
        )


def guard_listener(listener: Listener) -> Callable[..., Awaitable[None]]:
    """The Bolt listener wrapper: whatever happens, Slack gets one acknowledgement in time."""

    async def run(ack: Ack, body: Body) -> None:
        await ack(**await listener_response(listener, body))

    return run


async def listener_response(listener: Listener, body: Body) -> Mapping[str, Any]:
    """What is said in the acknowledgement. Never raises."""
    began = time.perf_counter()
    try:
        async with asyncio.timeout(LIMIT):
            return await listener(body)
    except TimeoutError:
        return {"text": "The bot took too long to respond. The command may have run: check before you retry."}
    except Exception:  # a fault in a listener is told, and never reaches Bolt's runner
        log.exception("a listener failed")
        return {"text": "Internal error. Nothing was done."}
    finally:
        ACK_SECONDS.observe(time.perf_counter() - began)


def build_bolt_app(client: AsyncWebClient) -> AsyncApp:
    """Signatures are checked at the door, with two secrets; Bolt knows one."""
    return AsyncApp(
        client=client,
        request_verification_enabled=False,
        process_before_response=True,
        ssl_check_enabled=False,
        ignoring_self_events_enabled=True,
    )
