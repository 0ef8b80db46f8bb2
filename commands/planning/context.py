"""The context of a plan besides command and facts: the time, new ids, the requester, settings.

Planning is pure: everything that it depends on is an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from domain.actor import Actor, ActorKind, Origin, Way
from policy.rules import Rule

TERMINAL_ACTOR = Actor(ActorKind.TERMINAL, "terminal", "terminal")


@dataclass(frozen=True, slots=True)
class ClusterView:
    """The settings of a cluster and its observed versions."""

    name: str
    velero_namespace: str = "velero"
    velero_timezone: str = "UTC"
    server_version: str = ""
    """Velero's version."""
    kubernetes: str = ""
    """The version of the API server."""
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
    """The default cluster of the channel, for commands without --cluster."""
    actor: Actor = TERMINAL_ACTOR
    origin: Origin = field(default_factory=lambda: Origin(Way.TERMINAL))
    operation: str = ""
    timezone: str = "UTC"
    """The reader's time zone."""
    reason: str = ""
    applications: tuple[Application, ...] = ()
    platform_namespaces: tuple[str, ...] = ()
    presets: Mapping[str, str] = field(default_factory=dict)
    """Scope preset → Kubernetes selector on namespaces (`production` → `env=prod`)."""
    skip_margin: float = 90.0
    safety_backup: bool = False
    """Whether a restore starts with a safety backup unless a rule or the command says otherwise."""
    powerful_kinds: tuple[str, ...] = ()
    """Kinds that act on the whole cluster, in addition to the built-in list."""
    rules: tuple[Rule, ...] = ()
    usual: Mapping[str, float] = field(default_factory=dict)
    """Usual duration in seconds per schedule or namespace list."""

    @property
    def namespace(self) -> str:
        return self.cluster.velero_namespace

    def stamp(self) -> str:
        """The timestamp that Velero puts into names, in UTC."""
        return self.now.astimezone(UTC).strftime("%Y%m%d%H%M%S")
