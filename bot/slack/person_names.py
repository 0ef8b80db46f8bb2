"""What somebody is called in this workspace: id, handle, names and e-mail address are one person."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

DIRECTORY_MAX_AGE = timedelta(minutes=10)
MAX_PAGES = 25
PAGE_SIZE = 200
LOOKUP_TIMEOUT_S = 2.0
"""Seconds; without an answer the name is taken as it was written."""

Profile = Mapping[str, Any]


class PersonDirectory:
    def __init__(self, client: AsyncWebClient, now: Callable[[], datetime]) -> None:
        self._client = client
        self._now = now
        self._known: dict[str, frozenset[str]] = {}
        self._asked_at: datetime | None = None
        self._lock = asyncio.Lock()

    async def names(self, who: str) -> frozenset[str]:
        """All names of everybody who has this one; nothing for somebody unknown, or while Slack doesn't answer."""
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_S), self._lock:
                if self._asked_at is None or self._now() - self._asked_at >= DIRECTORY_MAX_AGE:
                    await self._learn()
        except (SlackApiError, aiohttp.ClientError, TimeoutError, OSError):
            pass
        wanted = who.casefold()
        found = (names for names in self._known.values() if wanted in {name.casefold() for name in names})
        return frozenset().union(*found)

    async def _learn(self) -> None:
        known: dict[str, frozenset[str]] = {}
        cursor = ""
        for _ in range(MAX_PAGES):
            answer = await self._client.users_list(limit=PAGE_SIZE, cursor=cursor)
            known |= {str(each.get("id")): names_of(each) for each in answer.get("members") or ()}
            cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                break
        self._known, self._asked_at = known, self._now()


def names_of(user: Profile) -> frozenset[str]:
    profile = user.get("profile") or {}
    said = [user.get("id"), user.get("name"), user.get("real_name")]
    said += [profile.get(key) for key in ("real_name", "display_name", "email")]
    return frozenset(str(name) for name in said if name)
