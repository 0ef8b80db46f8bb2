"""What the policy needs to know of a cluster, out of the facts that were read."""

from __future__ import annotations

from commands.checks import chosen_location
from commands.facts import Facts
from commands.policy.facts import ClusterFacts
from commands.situation import Situation


def cluster_facts(facts: Facts, situation: Situation) -> ClusterFacts:
    location = chosen_location({}, facts)
    return ClusterFacts(
        labels={item["metadata"]["name"]: item["metadata"].get("labels") or {} for item in facts.all("namespaces")},
        default_location=location["metadata"]["name"] if location else "",
        velero_namespace=situation.namespace,
        bot_namespace=situation.cluster.bot_namespace,
        powerful_kinds=situation.powerful_kinds,
    )
