"""What a plan may know beside the command and the facts: the time, fresh ids, settings. Everything is an argument."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from domain.actor import Actor, ActorKind, Origin, Way
from policy.rules import Rule

TERMINAL_ACTOR = Actor(ActorKind.TERMINAL, "terminal", "terminal")


@dataclass(frozen=True, slots=True)
class ClusterView:
    """What settings say of a cluster, and what was seen of it."""

    name: str
    velero_namespace: str = "velero"
    velero_timezone: str = "UTC"
    server_version: str = ""
    """Velero's."""
    kubernetes: str = ""
    bot_namespace: str = ""


@dataclass(frozen=True, slots=True)
class Application:
    """A named set of namespaces and a selector, with a backup template."""

    name: str
    namespaces: tuple[str, ...] = ()
    selector: str = ""
    template: Mapping[str, object] = field(default_factory=dict)
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class PlanContext:
    now: datetime
    new_id: Callable[[], str]
    cluster: ClusterView = field(default_factory=lambda: ClusterView(""))
    clusters: Mapping[str, ClusterView] = field(default_factory=dict)
    channel_cluster: str = ""
    """What the channel means without --cluster."""
    actor: Actor = TERMINAL_ACTOR
    origin: Origin = field(default_factory=lambda: Origin(Way.TERMINAL))
    operation: str = ""
    timezone: str = "UTC"
    """Of the reader."""
    reason: str = ""
    applications: tuple[Application, ...] = ()
    platform_namespaces: tuple[str, ...] = ()
    presets: Mapping[str, str] = field(default_factory=dict)
    """Scope preset → Kubernetes selector on namespaces (`production` → `env=prod`)."""
    skip_margin: float = 90.0
    safety_backup: bool = False
    """Whether a restore is preceded by a backup of what it overwrites unless a rule or the command says otherwise."""
    powerful_kinds: tuple[str, ...] = ()
    """Kinds that act on the whole cluster, beside those that are known to."""
    rules: tuple[Rule, ...] = ()
    usual: Mapping[str, float] = field(default_factory=dict)
    """Usual duration in seconds per schedule or namespace list."""

    @property
    def namespace(self) -> str:
        return self.cluster.velero_namespace

    def stamp(self) -> str:
        """Velero's own time stamp in names, in UTC."""
        return self.now.astimezone(UTC).strftime("%Y%m%d%H%M%S")
