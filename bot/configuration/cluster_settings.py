"""Builds the connection settings of a cluster from the settings file."""

from __future__ import annotations

from functools import cache

from bot.configuration import settings
from velero.cluster import ClusterSettings
from velero.connection import SERVICE_ACCOUNT, Access, Direct, InCluster, Kubeconfig
from velero.reflector import ReflectorTimes


def cluster_settings(one: settings.Cluster, watching: settings.Watching) -> ClusterSettings:
    times = ReflectorTimes(lasting_error_delay=watching.denied_retry_interval)
    return ClusterSettings(one.name, access(one), one.velero_namespace, one.object_store_hosts, times)


def access(one: settings.Cluster) -> Access:
    if one.url:
        return Direct(one.url, token_file=one.token_file, ca_file=one.ca_file)
    if one.kubeconfig or one.context:
        return Kubeconfig(str(one.kubeconfig or ""), one.context)
    return InCluster()


def bot_namespace(one: settings.Cluster) -> str:
    """Namespace of the bot in this cluster; empty if it runs elsewhere or its namespace isn't known."""
    return one.bot_namespace or (pod_namespace() if one.in_cluster else "")


@cache
def pod_namespace() -> str:
    """A pod's namespace never changes, so the file is read once. Empty outside a pod."""
    try:
        return (SERVICE_ACCOUNT / "namespace").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
