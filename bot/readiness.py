"""What is ready and what is not. A cluster that is ill degrades itself only; Slack has to have answered once; a loop that everything needs has to go."""

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
    presence: ConnectionStatus,
    socket: SocketMode | None,
    clusters: Mapping[str, Cluster],
    health: SelfHealth,
) -> Readiness:
    blocking, degraded = health.summary()
    parts = {**blocking, "store": str(store.fault or ""), "slack": "" if presence.user else presence.fault}
    if socket is not None:
        parts["slack socket"] = socket.fault
    ill = {name: one.health.reason or "not checked yet" for name, one in clusters.items() if not one.health.ok}
    ill |= degraded
    if presence.fault:
        ill["slack"] = presence.fault
    found = Readiness(parts, ill)
    READY.set(1 if found.ready else 0)
    return found
