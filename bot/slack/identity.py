"""Slack id → Actor. Guests, strangers of shared channels, bots and deactivated people are refused; unknown is refused."""

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
"""Nobody of that name: one wrong id among the approvers keeps no vote waiting."""
NO_GROUPS = frozenset({"plan_upgrade_required", "missing_scope", "not_allowed_token_type"})
"""A workspace that has no user groups, as far as we may know."""


@dataclass(frozen=True, slots=True)
class _Kept:
    value: Any
    at: datetime


class Identity:
    """`groups` are those of the settings: name → user ids or e-mail addresses. `teams`: our own workspaces."""

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
        self._users: dict[str, _Kept] = {}
        self._handles: _Kept | None = None
        self._lock = asyncio.Lock()
        self._begun = 0
        """Calls for the user groups; `_told` holds the last that ended, and what it said."""
        self._told: tuple[int, Mapping[str, tuple[str, ...]] | None] = (0, None)
        self._changes = 0

    async def actor(self, user: str, team: str) -> Actor:
        """Raises Refused where this person may not ask at all, and Unsure where Slack does not say who it is."""
        profile = await self._profile(user)
        if fault := self._fault(profile, team, await self._home()):
            raise Refused(fault, why="Only members of this workspace can use the bot.")
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
        """With less than the usual freshness an older one is no answer, also where Slack asks for patience."""
        kept = self._users.get(user)
        if kept is not None and self._now() - kept.at < fresh:
            return dict(kept.value)
        try:
            answer = await self._client.users_info(user=user)
        except SlackApiError as error:
            if (
                kept is not None
                and fresh >= PROFILE_MAX_AGE
                and error.response.get("error") == "ratelimited"
                and self._now() - kept.at < PROFILE_MAX_STALE
            ):
                return dict(kept.value)
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
        self._users[user] = _Kept(profile, self._now())
        return profile

    async def _home(self) -> frozenset[str]:
        """The workspaces whose people may ask. Without knowing them nobody may."""
        known = frozenset(team for team in await self._teams() if team)
        if not known and not self._external:
            raise IdentityUnknown(
                "Your identity can't be verified right now. Nothing was done.",
                why="Slack doesn't report the bot's workspace.",
            )
        return known

    def _fault(self, profile: Json, team: str, home: frozenset[str]) -> str:
        """`team`: where the request says that they come from. It and their profile have to agree with us."""
        if not profile or profile.get("deleted"):
            return "Your Slack account is deactivated."
        if profile.get("is_bot") or profile.get("is_workflow_bot"):
            return "Bots and workflows can't run commands."
        if self._external:
            return ""
        if profile.get("is_restricted") or profile.get("is_ultra_restricted"):
            return "Guests can't run commands."
        said = {str(each) for each in (profile.get("team_id"), team) if each}
        if profile.get("is_stranger") or not said or not said <= home:
            return "Members of other workspaces can't run commands."
        return ""

    async def _handles_of(self, user: str) -> set[str]:
        found = await self._all_handles() or {}
        return {handle for handle, members in found.items() if user in members}

    async def _all_handles(self) -> Mapping[str, tuple[str, ...]] | None:
        """User groups by handle, from memory as long as they are fresh and no event said that they changed.

        None where they are not known and Slack does not tell them.
        """
        async with self._lock:
            if self._handles is None or self._now() - self._handles.at >= PROFILE_MAX_AGE:
                found = await self._ask_handles()
                if found is not None:
                    return found
            kept = self._handles
            return kept.value if kept is not None and self._now() - kept.at < PROFILE_MAX_STALE else None

    async def _ask_handles(self) -> Mapping[str, tuple[str, ...]] | None:
        """Under the lock. A workspace without user groups has none; that is no fault."""
        self._begun += 1
        call, changes = self._begun, self._changes
        try:
            answer: Any = await self._client.usergroups_list(include_users=True)
        except (SlackApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
            code = error.response.get("error") if isinstance(error, SlackApiError) else ""
            if code not in NO_GROUPS:
                self._told = (call, None)
                return None
            answer = {}
        groups = {
            str(each.get("handle", "")): tuple(each.get("users") or ()) for each in answer.get("usergroups") or []
        }
        self._told = (call, groups)
        # What a change overtook is an answer to those who asked, and nothing to remember.
        self._handles = _Kept(groups, self._now()) if changes == self._changes else None
        return groups

    async def _asked_now(self) -> Mapping[str, tuple[str, ...]] | None:
        """User groups by a call that began after this was asked; None where Slack does not answer it.

        Whoever asks while another call is under way shares the next one: a burst of votes costs two calls.
        """
        wanted = self._begun + 1
        async with self._lock:
            if self._told[0] < wanted:
                await self._ask_handles()
            return self._told[1]

    async def directory(self, names: Sequence[str], voters: Sequence[str] = ()) -> Directory:
        """Who is behind these approvers. With `voters`, of whom a vote counts, Slack is asked now: groups and profiles.

        Without, it is known from memory: enough people for a plan that nobody votes on yet. `known` is false where
        Slack cannot be asked.
        """
        wanted = set(names)
        if not wanted:
            return Directory()
        handles = await (self._asked_now() if voters else self._all_handles())
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
        home = await self._home()
        for name in dict.fromkeys(names):
            ident = await self._id_of(name)
            if ident:
                profile = await self._profile(ident, NO_CACHE if ident in voters else PROFILE_MAX_AGE)
                email = str((profile.get("profile") or {}).get("email") or "")
                found.append(Member(ident, email, active=not self._fault(profile, "", home)))
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
        """Something changed: ask again."""
        self._changes += 1
        self._handles = None
        if user:
            self._users.pop(user, None)
        else:
            self._users.clear()
