"""Builds the connection settings of a cluster from the settings file."""

from __future__ import annotations

from functools import cache

from bot.configuration.connections import Cluster
from bot.configuration.settings import Watching
from velero.cluster import ClusterSettings
from velero.connection import SERVICE_ACCOUNT, Access, Direct, InCluster, Kubeconfig
from velero.reflector import ReflectorTimes


def cluster_settings(cluster: Cluster, watching: Watching) -> ClusterSettings:
    times = ReflectorTimes(lasting_error_delay=watching.denied_retry_interval)
    return ClusterSettings(cluster.name, access(cluster), cluster.velero_namespace, cluster.object_store_hosts, times)


def access(cluster: Cluster) -> Access:
    if cluster.url:
        return Direct(cluster.url, token_file=cluster.token_file, ca_file=cluster.ca_file)
    if cluster.kubeconfig or cluster.context:
        return Kubeconfig(str(cluster.kubeconfig or ""), cluster.context)
    return InCluster()


def bot_namespace(cluster: Cluster) -> str:
    """Return the bot's namespace in this cluster; empty if it runs elsewhere or its namespace isn't known."""
    return cluster.bot_namespace or (pod_namespace() if cluster.in_cluster else "")


@cache
def pod_namespace() -> str:
    """Return the pod's namespace; empty outside a pod. It never changes, so the file is read once."""
    try:
        return (SERVICE_ACCOUNT / "namespace").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
