"""App Home: the health of all clusters, published when someone opens it."""

from __future__ import annotations

import logging

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.identity import Identity
from bot.slack.payloads import from_stored
from domain.actor import Origin, Way
from domain.answer import Answer, Text, Tone
from domain.errors import ClusterError, UserError
from notifier.render.answers import render
from operations.pipeline import CommandPipeline
from operations.request import CommandRequest
from store.tables.inbox import Item

log = logging.getLogger(__name__)


class HomeProcessor:
    def __init__(self, client: AsyncWebClient, identity: Identity, pipeline: CommandPipeline) -> None:
        self._client = client
        self._identity = identity
        self._pipeline = pipeline

    async def process(self, item: Item) -> str:
        received = from_stored(item.payload, "")
        rendered = render(await self._status(received.user, received.team, item.key))
        view = {"type": "home", "blocks": [*rendered.blocks]}
        try:
            await self._client.views_publish(user_id=received.user, view=view)
        except (SlackApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("an App Home can't be published: %s", type(error).__name__)
            return "failed"
        return "done"

    async def _status(self, user: str, team: str, key: str) -> Answer:
        try:
            actor = await self._identity.actor(user, team)
            result = await self._pipeline.run(CommandRequest(key, "status", actor, Origin(Way.HOME)))
        except (UserError, ClusterError) as error:
            return Answer(error.text, (Text(error.why),) if error.why else (), Tone.BAD)
        return result.answer or Answer("No status available.")
