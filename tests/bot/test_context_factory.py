"""What settings say of a cluster reaches the plans that are made for it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.configuration import cluster_settings
from bot.configuration.settings_file import parse
from bot.context_factory import ContextFactory
from domain.actor import Actor, ActorKind, Origin, Way
from operations.request import CommandRequest

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
