"""Collects the bot's own problems for /readyz, `status`, `doctor` and the log: failing loops, settings, failed items."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from datetime import datetime

from bot.configuration.misconfiguration import find_misconfiguration
from bot.configuration.settings import Settings
from bot.metrics import FAILED_ITEMS
from bot.supervise import Loop, Loops
from domain.counting import counted
from domain.problem import Problem
from store.scrub import scrub
from store.tables.failed_items import FailedItem, ItemKind
from store.tables.receivers import Disabled
from store.transaction import Transaction
from store.writer import Store

log = logging.getLogger(__name__)

CHECK_INTERVAL_S = 10.0
MAX_REASON_LENGTH = 200
BLOCKING_LOOPS = frozenset({"work", "tell", "send", "approvals", "steps"})
"""If one of these fails, commands aren't processed or no one is notified: the bot isn't ready."""
RETRY_COMMAND = "velero-chatops items retry ID"


class SelfHealth:
    """Checks settings and failed items in each round; loops on each call."""

    def __init__(
        self, store: Store, loops: Loops, settings: Callable[[], Settings], now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._loops = loops
        self._settings = settings
        self._now = now
        self._misconfigured: dict[Problem, datetime] = {}
        self._stored: tuple[Problem, ...] = ()

    async def round(self) -> float:
        settings = self._settings()
        found = await asyncio.to_thread(find_misconfiguration, settings)
        for problem in found:
            if problem not in self._misconfigured:
                log.error("%s: %s. Fix: %s", problem.part, problem.text, problem.fix)
        for problem in self._misconfigured.keys() - set(found):
            log.info("%s: fixed (%s)", problem.part, problem.text)
        now = self._now()
        self._misconfigured = {problem: self._misconfigured.get(problem, now) for problem in found}
        await self._read_store()
        return CHECK_INTERVAL_S

    async def _read_store(self) -> None:
        failed, disabled, counts = await self._store.read(_stored)
        self._stored = (*map(problem_of_item, failed), *map(problem_of_receiver, disabled))
        for kind in ItemKind:
            FAILED_ITEMS.labels(kind.value).set(counts.get(kind, 0))

    async def fresh(self) -> tuple[Problem, ...]:
        """Return the problems after reading the store retry."""
        await self._read_store()
        return self.problems()

    def problems(self) -> tuple[Problem, ...]:
        settled = (_since(problem, since) for problem, since in self._misconfigured.items())
        return (*self.loops(), *settled, *self._stored)

    def loops(self) -> tuple[Problem, ...]:
        return tuple(map(problem_of_loop, self._loops.failing()))

    def summary(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return (blocking, degraded) problems by part, for /readyz."""
        blocking, degraded = dict[str, str](), dict[str, str]()
        for problem in (*self.loops(), *(_since(*each) for each in self._misconfigured.items())):
            (blocking if problem.blocks else degraded)[problem.part] = _text_of(problem)
        for part, count in Counter(problem.part for problem in self._stored).items():
            degraded[part] = counted(count, "problem") + ": see `status`" if count > 1 else _text_of(self._named(part))
        return blocking, degraded

    def _named(self, part: str) -> Problem:
        return next(problem for problem in self._stored if problem.part == part)


def _stored(tx: Transaction) -> tuple[tuple[FailedItem, ...], tuple[Disabled, ...], dict[ItemKind, int]]:
    return tx.failed_items.all(), tx.receivers.all(), tx.failed_items.counts()


def _since(problem: Problem, since: datetime) -> Problem:
    return Problem(problem.part, problem.text, problem.fix, since, problem.cluster, problem.blocks)


def _text_of(problem: Problem) -> str:
    return f"since {problem.since:%Y-%m-%dT%H:%M:%SZ}: {problem.text}" if problem.since else problem.text


def problem_of_loop(loop: Loop) -> Problem:
    reason = scrub(loop.reason)[:MAX_REASON_LENGTH]
    fix = "The bot retries automatically. The log has the whole error."
    return Problem(f"loop {loop.name}", reason, fix, loop.failing_since, blocks=loop.name in BLOCKING_LOOPS)


def problem_of_item(item: FailedItem) -> Problem:
    """Name only the type of the error: its text may contain what not everyone may see. The log has it."""
    retry = f"next retry at {item.retry_at:%H:%M:%S} UTC" if item.retry_at else "no automatic retry"
    text = f"{item.subject}: {item.error_type} ({counted(item.failures, 'failure')}, {retry})"
    fix = f"`{RETRY_COMMAND.replace('ID', str(item.id))}` retries it. The log has the whole error."
    return Problem("failed item", text, fix, item.failed_since)


def problem_of_receiver(one: Disabled) -> Problem:
    fix = f"`velero-chatops webhook enable {one.address}`"
    return Problem(f"receiver {one.address}", f"disabled: {one.reason}", fix, one.at)
