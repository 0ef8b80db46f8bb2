"""Settings → how each cluster is reached."""

from __future__ import annotations

from bot import settings
from velero.cluster import ClusterSettings
from velero.connection import Access, Direct, InCluster, Kubeconfig
from velero.reflector import Pace


def cluster_settings(one: settings.Cluster, watching: settings.Watching) -> ClusterSettings:
    """Raises OSError where a token or certificate file cannot be read."""
    pace = Pace(lasting=watching.refused_every)
    return ClusterSettings(one.name, access(one), one.velero_namespace, one.object_store_hosts, pace)


def access(one: settings.Cluster) -> Access:
    if one.url:
        token = one.token_file.read_text(encoding="utf-8").strip() if one.token_file else ""
        ca = one.ca_file.read_text(encoding="utf-8") if one.ca_file else ""
        return Direct(one.url, token, ca)
    if one.kubeconfig or one.context:
        return Kubeconfig(str(one.kubeconfig or ""), one.context)
    return InCluster()
