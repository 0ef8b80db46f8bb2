"""Resolves Slack user ids to actors with their groups.

Refused are guests, members of other workspaces, bots and deactivated people. If Slack doesn't report who a person is,
nothing is assumed: IdentityUnknown. Profiles and user groups are cached for a minute; votes are always checked afresh.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from domain.actor import Actor, ActorKind, is_slack_user_id
from domain.errors import IdentityUnknown, Refused
from domain.json_types import Json
from domain.when import known_zone
from policy.directory import UNKNOWN, Directory, Member

PROFILE_MAX_AGE = timedelta(seconds=60)
NO_CACHE = timedelta(0)
PROFILE_MAX_STALE = timedelta(minutes=10)
UNKNOWN_USER_ERRORS = frozenset({"user_not_found", "users_not_found", "user_not_visible"})
"""No such user: a wrong id among the approvers doesn't block votes."""
NO_GROUPS = frozenset({"plan_upgrade_required", "missing_scope", "not_allowed_token_type"})
"""Errors of a workspace without user groups, or whose groups the bot may not read."""


@dataclass(frozen=True, slots=True)
class _Cached:
    value: Any
    at: datetime


class Identity:
    """`groups` are those of the settings: name → user ids or email addresses. `teams` are the bot's own workspaces."""

    def __init__(
        self,
        client: AsyncWebClient,
        groups: Callable[[], Mapping[str, Sequence[str]]],
        teams: Callable[[], Awaitable[Sequence[str]]],
        now: Callable[[], datetime],
        *,
        external: bool = False,
    ) -> None:
        self._client = client
        self._groups = groups
        self._teams = teams
        self._now = now
        self._external = external
        self._users: dict[str, _Cached] = {}
        self._handles: _Cached | None = None
        self._lock = asyncio.Lock()
        self._group_calls = 0
        """Number of calls for the user groups; `_last_groups` holds the last one that ended and its result."""
        self._last_groups: tuple[int, Mapping[str, tuple[str, ...]] | None] = (0, None)
        self._changes = 0

    async def actor(self, user: str, team: str) -> Actor:
        """Raises Refused for people who may not use the bot, IdentityUnknown if Slack doesn't report who it is."""
        profile = await self._profile(user)
        if reason := self._refusal_reason(profile, team, await self._own_teams()):
            raise Refused(reason, why="Only members of this workspace can use the bot.")
        return await self.actor_of_profile(user, profile)

    async def actor_of_profile(self, user: str, profile: Json) -> Actor:
        email = str((profile.get("profile") or {}).get("email") or "")
        handles = await self._handles_of(user)
        own = {name for name, members in self._groups().items() if user in members or (email and email in members)}
        return Actor(
            ActorKind.PERSON,
            user,
            str(profile.get("real_name") or profile.get("name") or user),
            team=str(profile.get("team_id") or ""),
            email=email,
            groups=frozenset(handles | own),
            timezone=known_zone(str(profile.get("tz") or "")),
        )

    async def _profile(self, user: str, fresh: timedelta = PROFILE_MAX_AGE) -> Json:
        """Return a profile that is at most `fresh` old. While Slack limits the rate, a stale one does, except for votes."""
        cached = self._users.get(user)
        if cached is not None and self._now() - cached.at < fresh:
            return dict(cached.value)
        try:
            answer = await self._client.users_info(user=user)
        except SlackApiError as error:
            if (
                cached is not None
                and fresh >= PROFILE_MAX_AGE
                and error.response.get("error") == "ratelimited"
                and self._now() - cached.at < PROFILE_MAX_STALE
            ):
                return dict(cached.value)
            if error.response.get("error") in UNKNOWN_USER_ERRORS:
                return {}
            raise IdentityUnknown(
                "Your identity can't be verified right now. Nothing was done.",
                why=f"Slack reports: {error.response.get('error')}.",
            ) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise IdentityUnknown(
                "Your identity can't be verified right now. Nothing was done.", why="Slack doesn't respond."
            ) from error
        profile = dict(answer.get("user") or {})
        self._users[user] = _Cached(profile, self._now())
        return profile

    async def _own_teams(self) -> frozenset[str]:
        """Return the workspaces whose members may use the bot. Raises IdentityUnknown if they aren't known."""
        known = frozenset(team for team in await self._teams() if team)
        if not known and not self._external:
            raise IdentityUnknown(
                "Your identity can't be verified right now. Nothing was done.",
                why="Slack doesn't report the bot's workspace.",
            )
        return known

    def _refusal_reason(self, profile: Json, team: str, home: frozenset[str]) -> str:
        """Return why a person is refused, or nothing. `team` is the workspace in the request: it and the profile must match."""
        if not profile or profile.get("deleted"):
            return "Your Slack account is deactivated."
        if profile.get("is_bot") or profile.get("is_workflow_bot"):
            return "Bots and workflows can't run commands."
        if self._external:
            return ""
        if profile.get("is_restricted") or profile.get("is_ultra_restricted"):
            return "Guests can't run commands."
        claimed = {str(each) for each in (profile.get("team_id"), team) if each}
        if profile.get("is_stranger") or not claimed or not claimed <= home:
            return "Members of other workspaces can't run commands."
        return ""

    async def _handles_of(self, user: str) -> set[str]:
        found = await self._all_handles() or {}
        return {handle for handle, members in found.items() if user in members}

    async def _all_handles(self) -> Mapping[str, tuple[str, ...]] | None:
        """Return user groups by handle, from memory while they are fresh and no event reported a change.

        None if they aren't known and Slack doesn't return them.
        """
        async with self._lock:
            if self._handles is None or self._now() - self._handles.at >= PROFILE_MAX_AGE:
                found = await self._read_handles()
                if found is not None:
                    return found
            cached = self._handles
            return cached.value if cached is not None and self._now() - cached.at < PROFILE_MAX_STALE else None

    async def _read_handles(self) -> Mapping[str, tuple[str, ...]] | None:
        """Call it under the lock. A workspace without user groups isn't an error."""
        self._group_calls += 1
        call, changes = self._group_calls, self._changes
        try:
            answer: Any = await self._client.usergroups_list(include_users=True)
        except (SlackApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
            code = error.response.get("error") if isinstance(error, SlackApiError) else ""
            if code not in NO_GROUPS:
                self._last_groups = (call, None)
                return None
            answer = {}
        groups = {
            str(each.get("handle", "")): tuple(each.get("users") or ()) for each in answer.get("usergroups") or []
        }
        self._last_groups = (call, groups)
        # What a change overtook is an answer to those who asked, and nothing to remember.
        self._handles = _Cached(groups, self._now()) if changes == self._changes else None
        return groups

    async def _read_handles_now(self) -> Mapping[str, tuple[str, ...]] | None:
        """User groups by a call that began after this was asked; None where Slack does not answer it.

        Callers that arrive during a call share the next one: a burst of votes costs two calls.
        """
        wanted = self._group_calls + 1
        async with self._lock:
            if self._last_groups[0] < wanted:
                await self._read_handles()
            return self._last_groups[1]

    async def directory(self, names: Sequence[str], voters: Sequence[str] = ()) -> Directory:
        """Resolve approvers to people. With `voters`, groups and their profiles are read from Slack now, for votes.

        Without voters the cache is enough. `known` is false if Slack can't be asked.
        """
        wanted = set(names)
        if not wanted:
            return Directory()
        handles = await (self._read_handles_now() if voters else self._all_handles())
        if handles is None:
            return UNKNOWN
        own = self._groups()
        groups = {name: (*handles.get(name.lstrip("@"), ()), *own.get(name, ())) for name in wanted}
        try:
            members = {name: await self._members(ids, voters) for name, ids in groups.items() if ids}
            people = await self._members([name for name in wanted if name not in members], voters)
        except Refused:
            return UNKNOWN
        return Directory(groups=members, people=people)

    async def _members(self, names: Sequence[str], voters: Sequence[str]) -> tuple[Member, ...]:
        found: list[Member] = []
        home = await self._own_teams()
        for name in dict.fromkeys(names):
            user_id = await self._id_of(name)
            if user_id:
                profile = await self._profile(user_id, NO_CACHE if user_id in voters else PROFILE_MAX_AGE)
                email = str((profile.get("profile") or {}).get("email") or "")
                found.append(Member(user_id, email, active=not self._refusal_reason(profile, "", home)))
        return tuple(found)

    async def _id_of(self, name: str) -> str:
        if "@" not in name.lstrip("@"):
            return name if is_slack_user_id(name) else ""
        try:
            answer = await self._client.users_lookupByEmail(email=name)
        except SlackApiError as error:
            if error.response.get("error") in UNKNOWN_USER_ERRORS:
                return ""
            raise IdentityUnknown(
                "The approvers can't be determined right now.", why="Slack doesn't return the user group."
            ) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise IdentityUnknown(
                "The approvers can't be determined right now.", why="Slack doesn't respond."
            ) from error
        return str((answer.get("user") or {}).get("id") or "")

    def forget(self, user: str = "") -> None:
        """Drop cached people and groups after a change."""
        self._changes += 1
        self._handles = None
        if user:
            self._users.pop(user, None)
        else:
            self._users.clear()
