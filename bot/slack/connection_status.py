"""Whether Slack takes our token, and who we are there."""

from __future__ import annotations

import asyncio

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

CHECK_INTERVAL_S = 300.0
RETRY_INTERVAL_S = 10.0


class ConnectionStatus:
    """`fault` is empty once Slack has answered; `user` is the bot's own id, `team` its workspace."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self.user = ""
        self.team = ""
        self.fault = "not checked yet"

    async def round(self) -> float:
        try:
            answer = await asyncio.wait_for(self._client.auth_test(), 10)
        except (SlackApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
            code = error.response.get("error") if isinstance(error, SlackApiError) else type(error).__name__
            self.fault = f"Slack: {code}"
            return RETRY_INTERVAL_S
        self.user = str(answer.get("user_id") or "")
        self.team = str(answer.get("team_id") or "")
        self.fault = ""
        return CHECK_INTERVAL_S

    async def home(self) -> str:
        """The bot's own workspace; asked for where Slack has not told it yet, empty where it does not answer."""
        if not self.team:
            await self.round()
        return self.team

    async def link(self, channel: str, ts: str) -> str:
        """To a message; empty where Slack does not say."""
        try:
            answer = await self._client.chat_getPermalink(channel=channel, message_ts=ts)
        except (SlackApiError, aiohttp.ClientError, TimeoutError, OSError):
            return ""
        return str(answer.get("permalink") or "")
