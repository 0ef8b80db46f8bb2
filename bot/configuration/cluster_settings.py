"""Settings → how each cluster is reached."""

from __future__ import annotations

from bot.configuration import settings
from velero.cluster import ClusterSettings
from velero.connection import Access, Direct, InCluster, Kubeconfig
from velero.reflector import ReflectorTimes


def cluster_settings(one: settings.Cluster, watching: settings.Watching) -> ClusterSettings:
    pace = ReflectorTimes(lasting_error_delay=watching.refused_every)
    return ClusterSettings(one.name, access(one), one.velero_namespace, one.object_store_hosts, pace)


def access(one: settings.Cluster) -> Access:
    if one.url:
        return Direct(one.url, token_file=one.token_file, ca_file=one.ca_file)
    if one.kubeconfig or one.context:
        return Kubeconfig(str(one.kubeconfig or ""), one.context)
    return InCluster()
