"""`velero-chatops config check --live`: one table of what was found, with the mend for each; 1 if anything failed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from bot.clock import utc_now
from bot.configuration.cluster_settings import cluster_settings
from bot.configuration.settings import Settings
from bot.doctor import CheckGrade, CheckResult, of_settings, run_checks, worst_grade
from velero.cluster import Cluster

MARKS = {CheckGrade.OK: "ok", CheckGrade.WARNING: "warning", CheckGrade.FAILURE: "FAILURE"}


def live(settings: Settings) -> int:
    """Prints the table; gives the exit code. Raises OSError where a secret cannot be read."""
    findings = (*of_settings(settings), *asyncio.run(_examined(settings)))
    print(table(findings))
    return 1 if worst_grade(findings) is CheckGrade.FAILURE else 0


async def _examined(settings: Settings) -> tuple[CheckResult, ...]:
    async with AsyncExitStack() as stack:
        limits = aiohttp.ClientTimeout(total=10)
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=limits, trust_env=False))
        slack = settings.slack
        client = AsyncWebClient(token=slack.bot_token(), base_url=slack.api_url, session=session, retry_handlers=[])
        clusters = {}
        for one in settings.clusters:
            try:
                reached = cluster_settings(one, settings.watching)
            except OSError:
                continue  # `of_settings` names the file
            made = Cluster(reached, now=utc_now, random=random.Random())  # noqa: S311 - jitter
            stack.push_async_callback(made.close)
            clusters[one.name] = made
        return await run_checks(settings, client, clusters)


def table(findings: Sequence[CheckResult]) -> str:
    """Marks and parts in columns; the mend stands under what it mends."""
    parts = [f"{finding.cluster} {finding.part}".strip() for finding in findings]
    wide = max(map(len, parts), default=0)
    lines = []
    for part, finding in zip(parts, findings, strict=True):
        lines.append(f"{MARKS[finding.grade]:8} {part:{wide}}  {finding.text}")
        if finding.mend:
            lines.append(f"{'':8} {'':{wide}}  → {finding.mend}")
    counts = {grade: sum(finding.grade is grade for finding in findings) for grade in CheckGrade}
    lines.append(", ".join(f"{count} {grade}" for grade, count in counts.items()))
    return "\n".join(lines)
