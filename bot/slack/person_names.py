"""Finds all names of a person in the workspace: id, handle, names and email address."""

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
"""Without an answer in this time, the name is used as it was typed."""

Profile = Mapping[str, Any]


class PersonDirectory:
    def __init__(self, client: AsyncWebClient, now: Callable[[], datetime]) -> None:
        self._client = client
        self._now = now
        self._names_by_id: dict[str, frozenset[str]] = {}
        self._read_at: datetime | None = None
        self._lock = asyncio.Lock()

    async def names(self, who: str) -> frozenset[str]:
        """Return all names of the people who have this name; empty if it is unknown or Slack doesn't respond."""
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_S), self._lock:
                if self._read_at is None or self._now() - self._read_at >= DIRECTORY_MAX_AGE:
                    await self._read_people()
        except (SlackApiError, aiohttp.ClientError, TimeoutError, OSError):
            pass
        wanted = who.casefold()
        found = (names for names in self._names_by_id.values() if wanted in {name.casefold() for name in names})
        return frozenset().union(*found)

    async def _read_people(self) -> None:
        known: dict[str, frozenset[str]] = {}
        cursor = ""
        for _ in range(MAX_PAGES):
            answer = await self._client.users_list(limit=PAGE_SIZE, cursor=cursor)
            known |= {str(each.get("id")): names_of(each) for each in answer.get("members") or ()}
            cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                break
        self._names_by_id, self._read_at = known, self._now()


def names_of(user: Profile) -> frozenset[str]:
    profile = user.get("profile") or {}
    values = [user.get("id"), user.get("name"), user.get("real_name")]
    values += [profile.get(key) for key in ("real_name", "display_name", "email")]
    return frozenset(str(name) for name in values if name)
