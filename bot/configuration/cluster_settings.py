"""Builds the connection settings of a cluster from the settings file."""

from __future__ import annotations

from bot.configuration import settings
from velero.cluster import ClusterSettings
from velero.connection import Access, Direct, InCluster, Kubeconfig
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
