"""Facts that the reach of a manifest and a decision depend on, besides the manifest. The caller reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from policy.scope import Labels


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """`labels` has every live namespace as a key. `policies` are resource policies (ConfigMap name → parsed document) and
    `modifiers` resource modifiers; a missing one wasn't read.

    `own_configmaps` are those that the plan creates itself, from the requester's text.
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
    """The backup that a restore reads: its object and, if known, Velero's list of contents (`v1/Pod` → `["ns/name"]`)."""

    manifest: Mapping[str, Any] = field(default_factory=dict)
    contents: Mapping[str, Sequence[str]] | None = None
