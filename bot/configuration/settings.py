"""The settings: one TOML file, secrets by environment or file. Every field says its unit and its default.

Values are checked here; where a fault stands in the file is `settings_file`'s business.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bot.configuration.setting_values import (
    IDLE,
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
    secret,
)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)


class Slack(_Part):
    transport: Literal["http", "socket"] = "http"
    "How Slack delivers commands. `socket` needs no open port; `http` needs public_url and an ingress."
    api_url: SlackApi = "https://slack.com/api/"
    "Base URL of the Slack Web API. GovSlack uses a different one."
    request_path: RequestPath = "/slack/events"
    """Path at `listen` to which Slack sends commands, events and clicks."""
    public_url: PublicUrl = ""
    "Public URL of the bot. Only used in the app manifest."
    bot_token_file: Path | None = None
    """File with the bot token (xoxb-…), or VELERO_CHATOPS_SLACK_BOT_TOKEN."""
    signing_secret_file: Path | None = None
    """File with the signing secret; needed for http. Or VELERO_CHATOPS_SLACK_SIGNING_SECRET."""
    signing_secret_previous_file: Path | None = None
    "File with the previous signing secret, accepted during a rotation."
    app_token_file: Path | None = None
    """File with the app-level token (xapp-…); needed for socket. Or VELERO_CHATOPS_SLACK_APP_TOKEN."""
    teams: tuple[str, ...] = ()
    "IDs of workspaces whose members can use the bot. Default: only the bot's workspace."
    command: SlashCommand = "/velero"
    """The slash command."""
    aliases: dict[SlashCommand, Literal["backup", "restore", "schedule"]] = {
        "/backup": "backup",
        "/restore": "restore",
        "/schedule": "schedule",
    }
    "Additional slash commands, each a shortcut for one resource (backup, restore or schedule)."
    response_hosts: tuple[str, ...] = ()
    "Additional hosts allowed in Slack response URLs."
    external_people: bool = False
    "Allow guests and members of other workspaces to use the bot."
    files: bool = True
    """Upload logs and long lists as files, where a channel's scope allows it."""
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
    """What people call it in `--cluster` and in rules."""
    in_cluster: bool = False
    "Connect with the service account of the bot's pod."
    kubeconfig: Path | None = None
    """Kubeconfig file; empty with `context`: the usual one."""
    context: str = ""
    """Context of the kubeconfig; empty: its current one."""
    url: ServerUrl = ""
    "URL of the API server. Use with token_file and ca_file instead of a kubeconfig."
    token_file: Path | None = None
    """File with the bearer token for `url`."""
    ca_file: Path | None = None
    """File with the authority that signed the API server's certificate."""
    velero_namespace: Namespace = "velero"
    """Namespace of the Velero server."""
    velero_timezone: Zone = "UTC"
    "Time zone of the Velero server. Velero evaluates cron expressions in this zone."
    object_store_hosts: tuple[str, ...] = ()
    "Hosts (host or host:port) from which logs and results can be downloaded. Default: none. For a private CA, set caCert in the storage location."
    channels: tuple[str, ...] = ()
    "IDs of channels in which commands use this cluster by default."
    server_version: str = ""
    "Velero version, if the server doesn't report it."

    @model_validator(mode="after")
    def _one_way_in(self) -> Cluster:
        ways = [self.in_cluster, bool(self.url), bool(self.kubeconfig or self.context)]
        if sum(ways) > 1:
            raise ValueError("set only one of in_cluster, url, and kubeconfig/context")
        return self


class Channel(_Part):
    """What a channel is for. `namespaces` is its scope: what files and lists may go into it; '*' is everything."""

    id: str
    """Slack's id of the channel (C…)."""
    name: str = ""
    """For people who read this file; not used."""
    cluster: str = ""
    """Cluster that commands in this channel mean."""
    namespaces: tuple[str, ...] = ("*",)
    """Scope: what files and lists may show here; '*' is everything."""


class Match(_Part):
    """All that is given must fit; globs."""

    clusters: tuple[str, ...] = ("*",)
    """Names of clusters; globs."""
    namespaces: tuple[str, ...] = ("*",)
    """Namespaces that the notice is about; globs."""
    schedules: tuple[str, ...] = ("*",)
    """Names of schedules; globs."""
    labels: dict[str, str] = {}
    """Labels that the object has."""
    events: tuple[str, ...] = ("*",)
    """Kinds of notices, such as `backup.failed`; globs."""
    severities: tuple[Literal["info", "warning", "failure", "security", "recovery"], ...] = ()
    """Empty: all of them."""


class Route(_Part):
    """Where news goes. Without a match it takes everything that is not a routine success of a schedule."""

    name: str = ""
    """Needed for webhook and alertmanager: part of the variable that holds the secret."""
    kind: Literal["slack", "webhook", "alertmanager"] = "slack"
    """slack posts messages, webhook sends CloudEvents, alertmanager sends alerts."""
    match: Match = Match()
    """Which notices; empty: all that are not a schedule's routine success."""
    channels: tuple[str, ...] = ()
    """Slack channel ids; for kind slack."""
    mention: tuple[str, ...] = ()
    "User IDs, user group IDs or 'here'. Mentioned only for failures."
    routine: bool = False
    "Also send routine successes of schedules."
    url: ServerUrl = ""
    """Receiver; for webhook and alertmanager."""
    secret_file: Path | None = None
    """File with the webhook's signing secret, or VELERO_CHATOPS_WEBHOOK_SECRET_<NAME>."""
    allow_addresses: tuple[Network, ...] = ()
    "Private networks (CIDR) this route is allowed to connect to."
    timeout: Seconds = 15.0
    """Longest wait for the receiver: seconds, or a duration such as 15s."""

    @model_validator(mode="after")
    def _reachable(self) -> Route:
        """What would do nothing is refused as well as what is missing."""
        if self.kind == "slack" and not self.channels:
            raise ValueError("a route of kind slack needs channels")
        if self.kind != "slack" and not (self.name and self.url):
            raise ValueError(f"a route of kind {self.kind} needs a name and an http or https url")
        if idle := sorted(IDLE[self.kind] & self.model_fields_set):
            raise ValueError(f"{', '.join(idle)} has no effect in a route of kind {self.kind}")
        return self

    def secret(self) -> str:
        return secret(None, self.secret_file, f"WEBHOOK_SECRET_{self.name.upper().replace('-', '_')}")


class Sender(_Part):
    """A pipeline that may ask by webhook."""

    name: SenderName
    """What rules call it in `pipelines`."""
    secret_file: Path | None = None
    """File with its signing secret, or VELERO_CHATOPS_SENDER_SECRET_<NAME>."""
    secret_previous_file: Path | None = None
    "File with the previous signing secret, accepted during a rotation."
    token_file: Path | None = None
    "File with the bearer token for reading operations."
    groups: tuple[str, ...] = ()
    """Groups that it belongs to, for rules."""
    channel: str = ""
    "Channel for this sender's status messages."
    per_minute: int = Field(default=60, ge=1)
    """Requests that are taken from it in a minute."""
    callback_addresses: tuple[Network, ...] = ()
    """Private networks that its callbacks may go to: CIDR."""

    def secrets(self) -> tuple[str, ...]:
        key = f"SENDER_SECRET_{self.name.upper().replace('-', '_').replace('.', '_')}"
        values = (secret(None, self.secret_file, key), secret(None, self.secret_previous_file, key + "_PREVIOUS"))
        return tuple(value for value in values if value)

    def token(self) -> str:
        return secret(None, self.token_file, f"SENDER_TOKEN_{self.name.upper().replace('-', '_').replace('.', '_')}")


class App(_Part):
    name: str
    """What `--app` takes."""
    cluster: str = ""
    """Empty: it is on every cluster."""
    namespaces: tuple[str, ...] = ()
    """All of its namespaces."""
    selector: str = ""
    """Label selector of its objects."""
    template: dict[str, Any] = {}
    """Fields of Velero's BackupSpec, where the command says nothing else."""


class Approvals(_Part):
    channel: str = ""
    "Channel for approval requests. Default: the channel of the command."
    expires: Seconds = 3600.0
    "How long approval requests stay open if the rule doesn't set `expires`."
    remind_after: float = Field(default=0.5, gt=0, lt=1)
    """Share of the waiting time after which approvers are reminded; 0.5 is half."""
    window: Seconds = 900.0
    "Maximum time between the last vote and the start of the operation."
    start_deadline: Seconds = 1800.0
    "Maximum time an approved restore waits in Velero's queue before the bot deletes it."
    safety_backup: bool = False
    "Create a safety backup before each restore, unless a rule or the command decides otherwise."
    powerful_kinds: tuple[str, ...] = ()
    """Kinds (`plural.group`) that grant rights or act on the whole cluster, beside those that are known to."""
    break_glass_per_day: int = Field(default=3, ge=1)
    "How many times one person can use break-glass in 24 hours."


class Schedules(_Part):
    skip_margin: Seconds = 90.0
    "Runs that start within this time may not be skipped."
    grace: Seconds = 300.0
    "How late a run can start before it counts as missed. Allow for Velero's 60-second check and its queue."
    watch: bool = True
    """Tell of missed runs and of schedules without a recent good backup."""
    stale_after: float = Field(default=3.0, gt=1)
    "Number of intervals without a Completed backup before a notification is sent."


class Delivery(_Part):
    timeout: Seconds = 10.0
    """Longest wait for one call to Slack."""
    quarantine: Seconds = 90.0
    "After an unconfirmed message: wait this long before reading the channel history."
    read_gap: Seconds = 10.0
    """Shortest time between two reads of one channel's history."""
    sweep: Seconds = 900.0
    """How long after a message was sent again its channel is searched for a second copy."""
    hurry: Seconds = 10.0
    "Resend unconfirmed approval requests and failures after this time, without reading the history. They may arrive twice."
    history: bool = True
    "Read channel history to check what arrived. If false, messages may arrive more than once."
    enrich: Seconds = 3.0
    "How long a failure notification waits for Velero's list of errors."
    queued_too_long: Seconds = 300.0
    """A backup or restore that waits longer in Velero's queue is told."""
    finalizing_too_long: Seconds = 300.0
    """One that stays longer in Finalizing is told."""
    card_interval: Seconds = 2.0
    """Shortest time between two edits of one card."""


class Watching(_Part):
    look_every: Seconds = 30.0
    "How often each cluster and its Velero server are checked."
    answer_within: Seconds = 5.0
    "How long the Velero server has to respond. After two missed checks in a row, a notification is sent."
    refused_every: Seconds = 60.0
    "How often the bot retries resources it may not read or that don't exist."
    stalls_every: Seconds = 15.0
    "How often the bot looks for backups and restores that are stuck."


class Store(_Part):
    ballast: int = 16 * 1024 * 1024
    "Bytes reserved so that the bot can still write when the disk is full."
    keep_operations: Seconds = 400 * 86400.0
    """How long operations are kept after they end."""
    keep_notices: Seconds = 90 * 86400.0
    """How long delivered notices are kept."""
    keep_inbox: Seconds = 30 * 86400.0
    """How long handled requests are kept."""
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
    "Channel in which signed checkpoints of the audit log are published."
    key_file: Path | None = None
    "Ed25519 private key (PEM) that signs the audit log. Default: a key generated in the data directory."
    anchor_every: Seconds = 3600.0
    """How often the signed head of the audit log is published."""

    def key(self) -> str:
        return self.key_file.read_text(encoding="utf-8") if self.key_file else ""


class Scopes(_Part):
    """Selectors on namespaces behind the presets of --namespaces."""

    production: str = ""
    """Label selector on namespaces: what `--namespaces production` means."""
    non_production: str = ""
    """Label selector on namespaces: what `--namespaces non-production` means."""


class Settings(_Part):
    data_dir: Path = Path("data")
    """Directory of the database. One process holds it at a time."""
    listen: Listening = "127.0.0.1:8080"
    """Where Slack and pipelines reach the bot: host:port."""
    status_listen: Listening = "127.0.0.1:8081"
    """Where probes and Prometheus reach it: /healthz, /readyz, /metrics. These name clusters: never expose it to Slack's side."""
    timezone: Zone = "UTC"
    "Time zone for people whose Slack profile has none."
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """From which level on lines are logged."""
    slack: Slack = Slack()
    """How the bot talks to Slack."""
    clusters: tuple[Cluster, ...] = ()
    """Clusters whose Velero is driven. If there is only one, commands need not name it."""
    channels: tuple[Channel, ...] = ()
    """Channels with a cluster or a scope of their own."""
    groups: dict[str, tuple[str, ...]] = {}
    "Groups for rules: name → user IDs or email addresses. Slack user groups work by handle and needn't be listed."
    rules: tuple[dict[str, Any], ...] = ()
    """Who may do what; the first rule that matches decides. See deploy/policies.example.toml."""
    routes: tuple[Route, ...] = ()
    """Where notices go."""
    senders: tuple[Sender, ...] = ()
    """Pipelines that may ask by webhook."""
    applications: tuple[App, ...] = ()
    """Named namespaces with a selector and backup settings, for `--type partial --app NAME`."""
    platform_namespaces: tuple[str, ...] = ()
    """Namespaces that `--type full` takes beside those of the applications."""
    scopes: Scopes = Scopes()
    """What the presets of `--namespaces` mean."""
    approvals: Approvals = Approvals()
    """How approvals are asked for and how long they wait."""
    schedules: Schedules = Schedules()
    """Skips, and the watch over missed runs."""
    delivery: Delivery = Delivery()
    """How notices and cards are sent."""
    watching: Watching = Watching()
    """How clusters are watched."""
    store: Store = Store()
    """How long records are kept."""
    limits: Limits = Limits()
    """Bounds on work at the same time."""
    audit: Audit = Audit()
    """Where the audit log is anchored."""

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
