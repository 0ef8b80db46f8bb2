"""What the reach of a manifest and a decision stand on besides the manifest itself. All of it was read by others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from policy.scope import Labels


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """`labels` has every live namespace as key. `policies` are resource policies (ConfigMap name → parsed document),
    `modifiers` resource modifiers in the same way; one that is not here was not read.

    `own_configmaps` are those that the plan makes itself, from text that the person gave.
    """

    labels: Labels = field(default_factory=dict)
    default_location: str = ""
    velero_namespace: str = "velero"
    bot_namespace: str = ""
    policies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    modifiers: Mapping[str, Any] = field(default_factory=dict)
    own_configmaps: frozenset[str] = frozenset()
    powerful_kinds: tuple[str, ...] = ()

    @property
    def live_namespaces(self) -> frozenset[str]:
        return frozenset(self.labels)


@dataclass(frozen=True, slots=True)
class BackupFacts:
    """A backup as a source: its object, and Velero's list of what is in it (`v1/Pod` → `["ns/name"]`) where known."""

    manifest: Mapping[str, Any] = field(default_factory=dict)
    contents: Mapping[str, Sequence[str]] | None = None
