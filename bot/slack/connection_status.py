"""Checks periodically whether Slack accepts the bot token, and reads the bot's own ids."""

from __future__ import annotations

import asyncio

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

CHECK_INTERVAL_S = 300.0
RETRY_INTERVAL_S = 10.0


class ConnectionStatus:
    """`fault` is empty once Slack has responded; `user` is the bot's own id, `team` its workspace."""

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
        """Return the bot's own workspace, reading it if it isn't known yet; empty if Slack doesn't respond."""
        if not self.team:
            await self.round()
        return self.team

    async def link(self, channel: str, ts: str) -> str:
        """Return the URL of a message; empty if Slack doesn't return it."""
        try:
            answer = await self._client.chat_getPermalink(channel=channel, message_ts=ts)
        except (SlackApiError, aiohttp.ClientError, TimeoutError, OSError):
            return ""
        return str(answer.get("permalink") or "")
