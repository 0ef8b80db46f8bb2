"""Converts facts into the cluster facts that the policy needs."""

from __future__ import annotations

from commands.planning.checks import chosen_location
from commands.planning.context import PlanContext
from commands.planning.facts import Facts
from policy.cluster_facts import ClusterFacts


def cluster_facts(facts: Facts, context: PlanContext) -> ClusterFacts:
    location = chosen_location({}, facts)
    return ClusterFacts(
        labels={item["metadata"]["name"]: item["metadata"].get("labels") or {} for item in facts.all("namespaces")},
        default_location=location["metadata"]["name"] if location else "",
        velero_namespace=context.namespace,
        bot_namespace=context.cluster.bot_namespace,
        powerful_kinds=context.powerful_kinds,
    )
