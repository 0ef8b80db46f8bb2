"""`velero-chatops config check --live`: a table of check results, each problem with its fix."""

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
from bot.doctor import CheckGrade, CheckResult, check_settings, run_checks, worst_grade
from domain.counting import counted
from velero.cluster import Cluster

GRADE_LABELS = {CheckGrade.OK: "ok", CheckGrade.WARNING: "warning", CheckGrade.FAILURE: "FAILURE"}


def live(settings: Settings) -> int:
    """Print the table and return the exit code. Raises OSError if a secret can't be read."""
    findings = (*check_settings(settings), *asyncio.run(_run_checks(settings)))
    print(table(findings))
    return 1 if worst_grade(findings) is CheckGrade.FAILURE else 0


async def _run_checks(settings: Settings) -> tuple[CheckResult, ...]:
    async with AsyncExitStack() as stack:
        limits = aiohttp.ClientTimeout(total=10)
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=limits, trust_env=False))
        slack = settings.slack
        client = AsyncWebClient(token=slack.bot_token(), base_url=slack.api_url, session=session, retry_handlers=[])
        clusters = {}
        for one in settings.clusters:
            try:
                connection = cluster_settings(one, settings.watching)
            except OSError:
                continue  # `check_settings` names the file
            cluster = Cluster(connection, now=utc_now, random=random.Random())  # noqa: S311 - jitter
            stack.push_async_callback(cluster.close)
            clusters[one.name] = cluster
        return await run_checks(settings, client, clusters)


def table(findings: Sequence[CheckResult]) -> str:
    """Return the results in columns; a fix stands under its problem."""
    parts = [f"{finding.cluster} {finding.part}".strip() for finding in findings]
    width = max(map(len, parts), default=0)
    lines = []
    for part, finding in zip(parts, findings, strict=True):
        lines.append(f"{GRADE_LABELS[finding.grade]:8} {part:{width}}  {finding.text}")
        if finding.fix:
            lines.append(f"{'':8} {'':{width}}  Fix: {finding.fix}")
    counts = {grade: sum(finding.grade is grade for finding in findings) for grade in CheckGrade}
    lines.append(
        f"{counts[CheckGrade.OK]} ok, {counted(counts[CheckGrade.WARNING], 'warning')}, {counted(counts[CheckGrade.FAILURE], 'failure')}"
    )
    return "\n".join(lines)
