"""The settings: one TOML file, secrets by environment or file. Every field says its unit and its default.

Values are checked here; where a fault stands in the file is `settings_file`'s business.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from bot.setting_values import (
    ClusterName,
    Listening,
    Namespace,
    Network,
    PublicUrl,
    RequestPath,
    Seconds,
    SenderName,
    ServerUrl,
    SlackApi,
    SlashCommand,
    Zone,
)

ENV = "VELERO_CHATOPS_"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)


def secret(value: SecretStr | None, file: Path | None, name: str) -> str:
    """From the environment first, then the file, then what the settings hold. Empty when there is none."""
    if given := os.environ.get(ENV + name):
        return given.strip()
    if file is not None:
        return file.read_text(encoding="utf-8").strip()
    return value.get_secret_value().strip() if value else ""


class Slack(_Part):
    transport: Literal["http", "socket"] = "http"
    """How commands come in. socket needs no open port."""
    api_url: SlackApi = "https://slack.com/api/"
    """Base of the Web API; government Slack has another."""
    request_path: RequestPath = "/slack/events"
    public_url: PublicUrl = ""
    """Where Slack reaches the bot; only the manifest needs it."""
    bot_token_file: Path | None = None
    signing_secret_file: Path | None = None
    signing_secret_previous_file: Path | None = None
    """Accepted beside the current one while a secret is being replaced."""
    app_token_file: Path | None = None
    teams: tuple[str, ...] = ()
    """Workspaces whose people may ask; empty: the bot's own."""
    command: SlashCommand = "/velero"
    aliases: dict[SlashCommand, Literal["backup", "restore", "schedule"]] = {
        "/backup": "backup",
        "/restore": "restore",
        "/schedule": "schedule",
    }
    """Further commands and the noun that each begins with."""
    response_hosts: tuple[str, ...] = ()
    """Hosts of response addresses beside Slack's own."""
    external_people: bool = False
    """Guests and people of shared channels may ask."""
    files: bool = True
    posts_per_minute: int = Field(default=300, ge=1)
    """New messages in the whole workspace; Slack takes several hundred."""
    posts_per_channel: int = Field(default=5, ge=1)
    """New messages in one channel within five seconds; Slack takes one a second and short bursts."""

    def bot_token(self) -> str:
        return secret(None, self.bot_token_file, "SLACK_BOT_TOKEN")

    def signing_secrets(self) -> tuple[str, ...]:
        current = secret(None, self.signing_secret_file, "SLACK_SIGNING_SECRET")
        previous = secret(None, self.signing_secret_previous_file, "SLACK_SIGNING_SECRET_PREVIOUS")
        return tuple(value for value in (current, previous) if value)

    def app_token(self) -> str:
        return secret(None, self.app_token_file, "SLACK_APP_TOKEN")


class Cluster(_Part):
    name: ClusterName
    in_cluster: bool = False
    """Use the service account of the pod."""
    kubeconfig: Path | None = None
    context: str = ""
    url: ServerUrl = ""
    """API server, with token_file and ca_file, instead of a kubeconfig."""
    token_file: Path | None = None
    ca_file: Path | None = None
    velero_namespace: Namespace = "velero"
    velero_timezone: Zone = "UTC"
    """Zone of the Velero server's process: what its cron expressions mean."""
    object_store_hosts: tuple[str, ...] = ()
    """host or host:port from which logs and results may be read; empty: none. A store with an authority of its own: caCert of its location."""
    channels: tuple[str, ...] = ()
    """Channels whose commands mean this cluster."""
    server_version: str = ""
    """Velero's version where its server does not tell it."""

    @model_validator(mode="after")
    def _one_way_in(self) -> Cluster:
        ways = [self.in_cluster, bool(self.url), bool(self.kubeconfig or self.context)]
        if sum(ways) > 1:
            raise ValueError("in_cluster, url and kubeconfig/context exclude each other")
        return self


class Channel(_Part):
    """What a channel is for. `namespaces` is its scope: what files and lists may go into it; '*' is everything."""

    id: str
    name: str = ""
    cluster: str = ""
    namespaces: tuple[str, ...] = ("*",)


class Match(_Part):
    """All that is given must fit; globs."""

    clusters: tuple[str, ...] = ("*",)
    namespaces: tuple[str, ...] = ("*",)
    schedules: tuple[str, ...] = ("*",)
    labels: dict[str, str] = {}
    events: tuple[str, ...] = ("*",)
    severities: tuple[Literal["info", "warning", "failure", "security", "recovery"], ...] = ()


IDLE: Mapping[str, frozenset[str]] = {
    "slack": frozenset({"url", "secret_file", "allow_addresses", "timeout"}),
    "webhook": frozenset({"channels", "mention"}),
    "alertmanager": frozenset({"channels", "mention", "secret_file"}),
}
"""Settings without effect, by kind of route."""


class Route(_Part):
    """Where news goes. Without a match it takes everything that is not a routine success of a schedule."""

    name: str = ""
    kind: Literal["slack", "webhook", "alertmanager"] = "slack"
    match: Match = Match()
    channels: tuple[str, ...] = ()
    mention: tuple[str, ...] = ()
    """User or user-group ids, or 'here', said with failures only."""
    routine: bool = False
    """Take routine successes of schedules too."""
    url: ServerUrl = ""
    secret_file: Path | None = None
    allow_addresses: tuple[Network, ...] = ()
    """Networks that a webhook may reach although they are private: CIDR."""
    timeout: Seconds = 15.0

    @model_validator(mode="after")
    def _reachable(self) -> Route:
        """What would do nothing is refused as well as what is missing."""
        if self.kind == "slack" and not self.channels:
            raise ValueError("a route of kind slack needs channels")
        if self.kind != "slack" and not (self.name and self.url):
            raise ValueError(f"a route of kind {self.kind} needs a name and a url with http or https")
        if idle := sorted(IDLE[self.kind] & self.model_fields_set):
            raise ValueError(f"{', '.join(idle)}: without effect in a route of kind {self.kind}")
        return self

    def secret(self) -> str:
        return secret(None, self.secret_file, f"WEBHOOK_SECRET_{self.name.upper().replace('-', '_')}")


class Sender(_Part):
    """A pipeline that may ask by webhook."""

    name: SenderName
    secret_file: Path | None = None
    secret_previous_file: Path | None = None
    token_file: Path | None = None
    """Bearer token for reading operations."""
    groups: tuple[str, ...] = ()
    channel: str = ""
    """Where its cards go."""
    per_minute: int = Field(default=60, ge=1)
    callback_addresses: tuple[Network, ...] = ()

    def secrets(self) -> tuple[str, ...]:
        key = f"SENDER_SECRET_{self.name.upper().replace('-', '_').replace('.', '_')}"
        values = (secret(None, self.secret_file, key), secret(None, self.secret_previous_file, key + "_PREVIOUS"))
        return tuple(value for value in values if value)

    def token(self) -> str:
        return secret(None, self.token_file, f"SENDER_TOKEN_{self.name.upper().replace('-', '_').replace('.', '_')}")


class App(_Part):
    name: str
    cluster: str = ""
    namespaces: tuple[str, ...] = ()
    selector: str = ""
    template: dict[str, Any] = {}


class Approvals(_Part):
    channel: str = ""
    """Where approvals are asked for; empty: where the command was given."""
    expires: Seconds = 3600.0
    """How long an approval is asked where its rule does not say."""
    remind_after: float = Field(default=0.5, gt=0, lt=1)
    window: Seconds = 900.0
    """How long after the last vote it may start."""
    start_deadline: Seconds = 1800.0
    """A restore that waits longer in Velero's queue is withdrawn."""
    safety_backup: bool = False
    """Whether a restore is preceded by a backup of what it overwrites, where neither a rule nor the command says it."""
    powerful_kinds: tuple[str, ...] = ()
    """Kinds (`plural.group`) that grant rights or act on the whole cluster, beside those that are known to."""
    break_glass_per_day: int = Field(default=3, ge=1)
    """How often one person may break the glass within 24 hours."""


class Schedules(_Part):
    skip_margin: Seconds = 90.0
    """A run nearer than this is not promised to be skipped."""
    grace: Seconds = 300.0
    """How late a run may be before it counts as missed: Velero's tick of 60 s and its queue."""
    watch: bool = True
    stale_after: float = Field(default=3.0, gt=1)
    """Periods without a good backup until it is told."""


class Delivery(_Part):
    timeout: Seconds = 10.0
    quarantine: Seconds = 90.0
    """How long a doubtful message is left alone before history is read."""
    read_gap: Seconds = 10.0
    sweep: Seconds = 900.0
    hurry: Seconds = 10.0
    """How soon a doubtful approval request or failure is sent again without looking: late is worse than twice."""
    history: bool = True
    """Read history to tell what arrived. Without it: at least once."""
    enrich: Seconds = 3.0
    """How long a failure notice waits for Velero's results file."""
    queued_too_long: Seconds = 300.0
    finalizing_too_long: Seconds = 300.0
    card_interval: Seconds = 2.0


class Watching(_Part):
    look_every: Seconds = 30.0
    """How often a cluster is looked at as a whole, and its Velero asked whether it answers."""
    answer_within: Seconds = 5.0
    """How long Velero may take to answer. Two unanswered questions in a row are told."""
    refused_every: Seconds = 60.0
    """How often a kind that the cluster refuses or does not have is asked for again."""
    stalls_every: Seconds = 15.0
    """How often runs are looked through for those that do not move."""


class Store(_Part):
    ballast: int = 16 * 1024 * 1024
    """Bytes kept free for the day the disk is full."""
    keep_operations: Seconds = 400 * 86400.0
    keep_notices: Seconds = 90 * 86400.0
    keep_inbox: Seconds = 30 * 86400.0
    keep_inbox_rows: int = Field(default=100_000, ge=1)
    """Commands that are done and still known: the oldest go first, but none of the last hour."""


class Limits(_Part):
    """What one person, and everybody together, may send. What is over a limit is answered and not done."""

    commands_per_minute: int = Field(default=60, ge=1)
    """Commands, clicks and forms of one person within a minute."""
    waiting_per_person: int = Field(default=100, ge=1)
    """Commands of one person, or of one sender of webhooks, that may wait at once."""
    waiting: int = Field(default=10_000, ge=1)
    """Commands that may wait in all."""


class Audit(_Part):
    channel: str = ""
    """Where signed heads are published."""
    key_file: Path | None = None
    """Ed25519 private key, PEM; without it one is made in the data directory."""
    anchor_every: Seconds = 3600.0

    def key(self) -> str:
        return self.key_file.read_text(encoding="utf-8") if self.key_file else ""


class Scopes(_Part):
    """Selectors on namespaces behind the presets of --namespaces."""

    production: str = ""
    non_production: str = ""


class Settings(_Part):
    data_dir: Path = Path("data")
    listen: Listening = "127.0.0.1:8080"
    """Where Slack and pipelines reach the bot: host:port."""
    status_listen: Listening = "127.0.0.1:8081"
    """Where probes and Prometheus reach it: /healthz, /readyz, /metrics. These name clusters: never expose it to Slack's side."""
    timezone: Zone = "UTC"
    """For people whose Slack profile names none."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    slack: Slack = Slack()
    clusters: tuple[Cluster, ...] = ()
    channels: tuple[Channel, ...] = ()
    groups: dict[str, tuple[str, ...]] = {}
    """Groups of our own: name → user ids or e-mail addresses. Slack's user groups are known by handle."""
    rules: tuple[dict[str, Any], ...] = ()
    routes: tuple[Route, ...] = ()
    senders: tuple[Sender, ...] = ()
    applications: tuple[App, ...] = ()
    platform_namespaces: tuple[str, ...] = ()
    scopes: Scopes = Scopes()
    approvals: Approvals = Approvals()
    schedules: Schedules = Schedules()
    delivery: Delivery = Delivery()
    watching: Watching = Watching()
    store: Store = Store()
    limits: Limits = Limits()
    audit: Audit = Audit()

    def cluster(self, name: str) -> Cluster | None:
        return next((each for each in self.clusters if each.name == name), None)

    def channel(self, ident: str) -> Channel | None:
        return next((each for each in self.channels if each.id == ident), None)

    def cluster_of_channel(self, ident: str) -> str:
        """The channel's own cluster, or the only one there is; empty when it has to be named."""
        bound = self.channel(ident)
        if bound and bound.cluster:
            return bound.cluster
        named = [each.name for each in self.clusters if ident in each.channels]
        if named:
            return named[0]
        return self.clusters[0].name if len(self.clusters) == 1 else ""


Place = tuple[int | str, ...]


def disagreements(settings: Settings) -> list[tuple[Place, str]]:
    """Where parts of the settings contradict each other: place and words."""
    found: list[tuple[Place, str]] = []
    for table, key, names in (
        ("clusters", "name", [each.name for each in settings.clusters]),
        ("senders", "name", [each.name for each in settings.senders]),
        ("routes", "name", [each.name for each in settings.routes]),
        ("channels", "id", [each.id for each in settings.channels]),
    ):
        for at, name in enumerate(names):
            if name and name in names[:at]:
                found.append(((table, at, key), f"there is another with the {key} {name!r}"))
    known = tuple(each.name for each in settings.clusters)
    bound: list[tuple[Place, str]] = [
        (("channels", at, "cluster"), each.cluster) for at, each in enumerate(settings.channels)
    ]
    bound += [(("applications", at, "cluster"), each.cluster) for at, each in enumerate(settings.applications)]
    for place, name in bound:
        if name and name not in known:
            found.append((place, f"there is no cluster {name!r}; allowed: {', '.join(known) or 'none is listed'}"))
    return found
