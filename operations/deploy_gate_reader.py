"""Reads the backups that the deploy gate judges, of namespaces that the actor may see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches

from commands.deploy_gate import GateRequest, GateVerdict, candidates, covers_namespace, judge
from domain.actor import Actor
from domain.decision import Outcome
from domain.errors import ClusterError, DownloadError, NotFound, Refused, ResourceVersionExpired
from operations.request import Policy
from policy.decide import may_ask
from policy.visible import view_for
from velero.artifacts.volumes import Volume
from velero.cluster import Cluster
from velero.resources.backups import Backup
from velero.resources.namespaces import Namespace

VERB = "backup.get"


class DeployGateReader:
    def __init__(
        self, clusters: Mapping[str, Cluster], policy: Callable[[], Policy], now: Callable[[], datetime]
    ) -> None:
        self._clusters = clusters
        self._policy = policy
        self._now = now

    async def judge(self, actor: Actor, cluster: str, request: GateRequest) -> GateVerdict:
        """Raises NotFound, Refused and ClusterError."""
        where = self._cluster(cluster)
        await self._check_allowed(actor, where, request.namespaces)
        found = await self._backups(where, request.namespaces)
        names = candidates(found, request, self._now())
        volumes = {name: await _volumes(where, name) for name in names}
        return judge(found, request, self._now(), volumes)

    def _cluster(self, name: str) -> Cluster:
        if name not in self._clusters:
            names = tuple(self._clusters)
            near = tuple(get_close_matches(name, names, n=3)) or names
            raise NotFound(f"Cluster `{name}` doesn't exist." if name else "Cluster is missing.", nearest=near)
        return self._clusters[name]

    async def _check_allowed(self, actor: Actor, cluster: Cluster, namespaces: Sequence[str]) -> None:
        rules = self._policy().rules
        decision = may_ask(rules, actor, VERB, cluster.name, writes=False)
        if decision.outcome is Outcome.DENY:
            raise Refused(decision.text or "You don't have permission to do this.")
        live = {each.meta.name: each for each in await cluster.namespaces.list()}
        seen = view_for(rules, actor, cluster.name, VERB, {name: each.meta.labels for name, each in live.items()})
        for name in namespaces:
            if name not in live or not seen.covers_namespace(name):
                near = get_close_matches(name, seen.visible_names(live), n=3)
                raise NotFound(f"Namespace `{name}` doesn't exist in {cluster.name}.", nearest=tuple(near))
            _check_not_excluded(live[name], cluster)

    async def _backups(self, cluster: Cluster, namespaces: Sequence[str]) -> list[Backup]:
        """Reads page by page, so that of many backups only those with one of these namespaces stay in memory."""
        try:
            return await _backups_with(cluster, namespaces)
        except ResourceVersionExpired:
            return await _backups_with(cluster, namespaces)


def _check_not_excluded(namespace: Namespace, cluster: Cluster) -> None:
    if namespace.excluded:
        raise Refused(
            f"Namespace {namespace.meta.name} in {cluster.name} is excluded from all backups.",
            why="It has the label velero.io/exclude-from-backup.",
        )


async def _backups_with(cluster: Cluster, namespaces: Sequence[str]) -> list[Backup]:
    return [
        backup
        async for page in cluster.backups.pages()
        for backup in page.values
        if any(covers_namespace(backup, name) for name in namespaces)
    ]


async def _volumes(cluster: Cluster, backup: str) -> tuple[Volume, ...] | None:
    try:
        return await cluster.artifacts.volumes(backup)
    except (DownloadError, ClusterError):
        return None
