"""Settings of a cluster reach the context of its plans."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from bot.configuration import cluster_settings
from bot.configuration.settings_file import parse
from bot.context_factory import ContextFactory
from commands.planning.facts import ObjectNeed
from domain.actor import Actor, ActorKind, Origin, Way
from operations.request import CommandRequest
from store.tables.observed import Observed
from tracking.follower import ClusterMemory
from velero.cluster import Cluster, ClusterSettings
from velero.connection import Direct

ADA = Actor(ActorKind.PERSON, "U1", "ada")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def planned_for(cluster: str):
    settings, rules = parse(f'[[clusters]]\nname = "prod"\n{cluster}\n', "s.toml")

    async def actor(_user: str) -> Actor:
        return ADA

    factory = ContextFactory(lambda: settings, {}, {}, lambda: NOW, lambda: rules, actor)
    request = CommandRequest("key", "backup get", ADA, Origin(Way.SLASH))
    return factory.plan_context(request, "prod", "").cluster


def test_the_bots_namespace_is_the_one_in_the_settings():
    assert planned_for('kubeconfig = "k"\nbot_namespace = "chatops"').bot_namespace == "chatops"


@pytest.mark.parametrize(("cluster", "namespace"), [("in_cluster = true", "pod"), ('kubeconfig = "k"', "")])
def test_in_its_own_cluster_it_is_the_namespace_of_its_pod(cluster, namespace, tmp_path, monkeypatch):
    (tmp_path / "namespace").write_text("pod\n")
    monkeypatch.setattr(cluster_settings, "SERVICE_ACCOUNT", tmp_path)
    cluster_settings.pod_namespace.cache_clear()
    try:
        assert planned_for(cluster).bot_namespace == namespace
    finally:
        cluster_settings.pod_namespace.cache_clear()


async def objects_made(known: int, *, summary: bool) -> int:
    """How many objects the cached backups of a cluster become."""
    settings, rules = parse('[[clusters]]\nname = "prod"\nkubeconfig = "k"\n', "s.toml")
    cluster, memory = (
        Cluster(ClusterSettings("prod", Direct("http://nowhere")), now=lambda: NOW, random=Random(1)),
        ClusterMemory(),
    )

    async def actor(_user: str) -> Actor:
        return ADA

    factory = ContextFactory(lambda: settings, {"prod": cluster}, {"prod": memory}, lambda: NOW, lambda: rules, actor)
    need = ObjectNeed("backups", summary=summary)
    for number in range(known):
        at = (NOW - timedelta(hours=number)).strftime("%Y-%m-%dT%H:%M:%SZ")
        facts = {"started": at, "namespaces": ["shop"], "schedule": f"s{number % 20}"}
        memory.put("Backup", Observed(f"u{number}", f"b{number}", "Completed", NOW, facts))
    memory.put("Backup", Observed("stuck", "stuck", "InProgress", NOW, {"started": "2025-01-01T00:00:00Z"}))
    memory.put("Backup", Observed("rare", "rare", "Completed", NOW, {"started": "2025-01-02T00:00:00Z"}))
    assert await factory.cached("prod", need) is None
    memory.in_step.add("Backup")
    cluster.board.record_ok("Backup")
    assert await factory.cached("prod", replace(need, resource="restores")) is None
    made = await factory.cached("prod", need)
    await cluster.close()
    assert {"b0", "b23", "stuck", "rare"} <= {one["metadata"]["name"] for one in made}
    return len(made)


async def test_a_summary_does_not_grow_with_the_known_backups():
    assert await objects_made(500, summary=True) == await objects_made(5_000, summary=True) == 28
    assert await objects_made(1_500, summary=False) == 1_502
