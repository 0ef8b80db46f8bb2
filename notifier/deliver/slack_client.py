"""The Slack client of the process: every call takes a rate-limit token, and a 429 closes the bucket that it is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from domain.errors import NotAccepted
from notifier.deliver.outcome import classify_error
from notifier.deliver.rate_limit import RateLimiter, Token, held_token


class LimitedClient(AsyncWebClient):
    """Every method of the client goes through `api_call`, files and forms included."""

    def __init__(self, limiter: RateLimiter, **settings: Any) -> None:
        super().__init__(**settings)
        self.limiter = limiter

    async def api_call(self, api_method: str, **arguments: Any) -> AsyncSlackResponse:
        """Raises SlackApiError `ratelimited` if no token is free in time."""
        channel = channel_of(arguments)
        token = held_token(api_method) or await self._token(api_method, channel)
        try:
            return await super().api_call(api_method, **arguments)
        except SlackApiError as error:
            said = classify_error(error)
            if isinstance(said, NotAccepted) and said.code == "ratelimited":
                self.limiter.close(api_method, channel, said.retry_after or 1.0)
            raise
        finally:
            self.limiter.done(token)

    async def _token(self, api_method: str, channel: str) -> Token:
        try:
            return await self.limiter.token(api_method, channel)
        except NotAccepted as error:
            answer = AsyncSlackResponse(
                client=self,
                http_verb="POST",
                api_url=api_method,
                req_args={},
                data={"ok": False, "error": "ratelimited"},
                headers={"Retry-After": str(error.retry_after)},
                status_code=429,
            )
            raise SlackApiError(error.text, answer) from None  # type: ignore[no-untyped-call]


def channel_of(arguments: Mapping[str, Any]) -> str:
    for part in ("json", "data", "params"):
        given = arguments.get(part)
        if isinstance(given, Mapping) and given.get("channel"):
            return str(given["channel"])
    return ""
