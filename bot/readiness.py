"""Builds the readiness report. The bot is ready if the store works, Slack has responded once and no essential loop fails.

A problem of a cluster only makes that cluster degraded.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.health import SelfHealth
from bot.http import Readiness
from bot.metrics import READY
from bot.slack.connection_status import ConnectionStatus
from bot.slack.socket import SocketMode
from store.writer import Store
from velero.cluster import Cluster


def build_readiness(
    store: Store,
    connection_status: ConnectionStatus,
    socket: SocketMode | None,
    clusters: Mapping[str, Cluster],
    health: SelfHealth,
) -> Readiness:
    blocking, degraded = health.summary()
    parts = {
        **blocking,
        "store": str(store.fault or ""),
        "slack": "" if connection_status.user else connection_status.fault,
    }
    if socket is not None:
        parts["slack socket"] = socket.fault
    degraded_parts = {
        name: one.health.reason or "not checked yet" for name, one in clusters.items() if not one.health.ok
    }
    degraded_parts |= degraded
    if connection_status.fault:
        degraded_parts["slack"] = connection_status.fault
    readiness = Readiness(parts, degraded_parts)
    READY.set(1 if readiness.ready else 0)
    return readiness
