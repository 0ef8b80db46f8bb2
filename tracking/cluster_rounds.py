"""Runs one round of a loop for all clusters concurrently: one that hangs or fails doesn't delay the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from domain.errors import ClusterError
from velero.cluster import Cluster

log = logging.getLogger(__name__)

CLUSTER_TIMEOUT_S = 60.0
"""Seconds for one cluster; the next round continues with the rest."""


async def run_clusters(clusters: Iterable[Cluster], work: Callable[[Cluster], Awaitable[None]], what: str) -> None:
    """Errors that aren't a cluster's own are raised together, after all clusters are done. `what` is for the log."""
    outcomes = await asyncio.gather(*(_run(cluster, work, what) for cluster in clusters), return_exceptions=True)
    for outcome in outcomes:
        if outcome is not None and not isinstance(outcome, Exception):
            raise outcome
    errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    if errors:
        raise ExceptionGroup(f"{what} failed", errors)


async def _run(cluster: Cluster, work: Callable[[Cluster], Awaitable[None]], what: str) -> None:
    try:
        async with asyncio.timeout(CLUSTER_TIMEOUT_S):
            await work(cluster)
    except ClusterError as error:
        log.info("%s in %s: %s", what, cluster.name, error.text)
    except TimeoutError:
        log.warning("%s in %s: not finished within %g seconds", what, cluster.name, CLUSTER_TIMEOUT_S)
