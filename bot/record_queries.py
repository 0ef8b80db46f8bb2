"""Reads the records that verbs need from the store: approval requests, failed notifications, rights, the audit log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from bot.doctor import CheckGrade, CheckResult
from commands.planning import pending_approvals
from commands.planning.facts import RecordsNeed, RecordTable
from commands.restore import conflicts, safety_backup
from domain.actor import Actor
from domain.problem import Problem
from policy.explain import list_rights
from policy.rules import Rule
from store.tables.audit import Audit, AuditRow
from store.writer import Store

MAX_LINKS_READ = 20
"""Approval requests whose message link is read from Slack for one answer."""
MAX_LINKS_CACHED = 1000
LINK_TIMEOUT_S = 1.5


class RecordQueries:
    def __init__(
        self,
        store: Store,
        rules: Callable[[], Sequence[Rule]],
        clusters: Collection[str],
        scope: Callable[[str], Sequence[str]],
        checks: Callable[[], Awaitable[Sequence[CheckResult]]],
        link: Callable[[str, str], Awaitable[str]],
        problems: Callable[[], Awaitable[Sequence[Problem]]],
        people: Callable[[str], Awaitable[Collection[str]]],
    ) -> None:
        self._problems = problems
        self._people = people
        self._checks = checks
        self._store = store
        self._rules = rules
        self._clusters = clusters
        self._scope = scope
        self._link = link
        self._links: dict[tuple[str, str], str] = {}

    def reader(self, actor: Actor, channel: str) -> Callable[[RecordsNeed], Any]:
        """Return the reader for one person in one channel: rights and subscriptions are theirs."""

        async def read(need: RecordsNeed) -> list[Any]:
            match need.table:
                case RecordTable.CONFIG_CHECKS:
                    return [*map(row_of_problem, await self._problems()), *map(row_of_check, await self._checks())]
                case RecordTable.PROBLEMS:
                    return list(await self._problems())
                case RecordTable.RIGHTS:
                    return list(list_rights(self._rules(), actor, tuple(self._clusters)))
                case RecordTable.CHANNEL_SCOPE:
                    return list(self._scope(channel))
                case RecordTable.OPEN_APPROVALS:
                    return await self._open_approvals(dict(need.query).get("cluster", ""))
                case _:
                    return await self._read_store(need, actor, channel)

        return read

    async def _open_approvals(self, cluster: str) -> list[pending_approvals.PendingApproval]:
        """Return the open approval requests, with the link to their message if Slack returns it in time."""
        rows = await self._store.read(lambda tx: pending_approvals.read_pending_approvals(tx, cluster))
        unknown = [
            row.message for row in rows[:MAX_LINKS_READ] if row.message != ("", "") and row.message not in self._links
        ]
        if len(self._links) > MAX_LINKS_CACHED:
            self._links.clear()
        try:
            async with asyncio.timeout(LINK_TIMEOUT_S):
                await asyncio.gather(*(self._read_link(*message) for message in unknown))
        except TimeoutError:
            pass
        return [replace(row, link=self._links.get(row.message, "")) for row in rows]

    async def _read_link(self, channel: str, ts: str) -> None:
        if link := await self._link(channel, ts):
            self._links[channel, ts] = link

    async def _read_store(self, need: RecordsNeed, actor: Actor, channel: str) -> list[Any]:
        query = dict(need.query)
        match need.table:
            case RecordTable.FAILED_NOTICES:
                return list(await self._store.read(lambda tx: tx.notices.dead_letters()))
            case RecordTable.AUDIT:
                return await self._search_audit(query)
            case RecordTable.PEOPLE:
                return sorted(await self._people(query.get("who", "")))
            case RecordTable.SCHEDULE_STATES:
                return list(await self._store.read(lambda tx: tx.schedules.all(query.get("cluster", ""))))
            case RecordTable.SAFETY_BACKUPS:
                of = query.get("cluster", ""), query.get("restore", "")
                return list(await self._store.read(lambda tx: safety_backup.safety_backups(tx, *of)))
            case RecordTable.OPEN_RESTORES:
                return await self._store.read(lambda tx: conflicts.read_pending_restores(tx, query.get("cluster", "")))
            case RecordTable.SUBSCRIPTIONS:
                who = channel if query.get("here") else actor.id
                return list(await self._store.read(lambda tx: tx.subscriptions.of(who)))
            case RecordTable.OPERATION_HISTORY:
                return list(await self._store.read(lambda tx: tx.audit.history_of(query.get("operation", ""))))
            case _:
                raise AssertionError(f"{need.table} is read elsewhere")

    async def _search_audit(self, query: Mapping[str, str]) -> list[AuditRow]:
        """Search page by page, newest first, so that other reads don't wait for a search through a long log."""
        limit, by = int(query.get("limit", "20")), query.get("by", "")
        search = partial(
            Audit.page,
            cluster=query.get("cluster", ""),
            by=by.split("\n") if by else (),
            subject=query.get("subject", ""),
        )
        found: list[AuditRow] = []
        before: int | None = None
        while before != 1 and len(found) < limit:
            page, before = await self._store.read(lambda tx: search(tx.audit, limit - len(found), before))  # noqa: B023
            found += page
        return found


def row_of_check(each: CheckResult) -> tuple[str, str, str, str]:
    """Return (cluster, part, state, fix) for `doctor`; an empty cluster means the bot itself."""
    return each.cluster, each.part, "ok" if each.grade is CheckGrade.OK else each.text, each.fix


def row_of_problem(each: Problem) -> tuple[str, str, str, str]:
    since = f" since {each.since:%Y-%m-%d %H:%M} UTC" if each.since else ""
    return each.cluster, each.part, f"{each.text}{since}", each.fix
