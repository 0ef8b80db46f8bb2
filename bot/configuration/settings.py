"""Settings: one TOML file; secrets come from the environment or from files.

The docstring of a field says its meaning and unit and ends with an example in TOML; docs/settings.md is generated from it.
Values are validated here. `settings_file` adds file and line to an error, `renamed_settings` accepts former names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from bot.configuration.connections import Channel, Cluster, Section, Slack
from bot.configuration.setting_values import (
    SETTINGS_WITHOUT_EFFECT,
    Listening,
    Network,
    Seconds,
    SenderName,
    ServerUrl,
    Zone,
    secret,
)


class Match(Section):
    """Conditions of a route; an event has to meet all of them."""

    clusters: tuple[str, ...] = ("*",)
    'Cluster names; globs allowed. Example: `["prod-*"]`'
    namespaces: tuple[str, ...] = ("*",)
    'Namespaces that the event concerns; globs allowed. Example: `["shop", "shop-*"]`'
    schedules: tuple[str, ...] = ("*",)
    'Schedule names; globs allowed. Example: `["nightly*"]`'
    labels: dict[str, str] = Field(default={})
    'Labels of the object; each must be equal. Example: `{ team = "shop" }`'
    events: tuple[str, ...] = ("*",)
    'Kinds of events; globs allowed. Example: `["backup.failed", "schedule.*"]`'
    severities: tuple[Literal["info", "warning", "failure", "security", "recovery"], ...] = ()
    'Severities. If empty: all. Example: `["failure", "security"]`'


class Route(Section):
    """Where notifications go. Without conditions it takes everything except routine successes of schedules."""

    name: str = ""
    'Name of the route. Required for webhook and alertmanager, where it is part of the secret\'s variable. Example: `"ledger"`'
    kind: Literal["slack", "webhook", "alertmanager"] = "slack"
    'slack posts messages, webhook sends CloudEvents, alertmanager sends alerts. Example: `"webhook"`'
    match: Match = Match()
    'Which events this route sends. If empty: all except routine successes of schedules. Example: `{ severities = ["failure"] }`'
    channels: tuple[str, ...] = ()
    'Channel IDs, for kind slack. Example: `["C0PLATFORM"]`'
    mention: tuple[str, ...] = ()
    'User IDs, user group IDs or "here". Mentioned only for failures. Example: `["here"]`'
    routine: bool = False
    "Also send routine successes of schedules. Example: `true`"
    url: ServerUrl = ""
    'URL of the receiver, for webhook and alertmanager. Example: `"https://ledger.example.com/hooks/velero"`'
    secret_file: Path | None = None
    'File with the webhook\'s signing secret. Or set VELERO_CHATOPS_WEBHOOK_SECRET_<NAME>. Example: `"/run/secrets/ledger"`'
    allow_addresses: tuple[Network, ...] = ()
    'Private networks (CIDR) that this route is allowed to connect to. Example: `["10.20.0.0/16"]`'
    timeout: Seconds = 15.0
    'Maximum time for one request to the receiver. Example: `"30s"`'

    @model_validator(mode="after")
    def _has_receiver(self) -> Route:
        """Settings that would have no effect are refused too."""
        if self.kind == "slack" and not self.channels:
            raise ValueError("a route of kind slack needs channels")
        if self.kind != "slack" and not (self.name and self.url):
            raise ValueError(f"a route of kind {self.kind} needs a name and an http or https url")
        if unused := sorted(SETTINGS_WITHOUT_EFFECT[self.kind] & self.model_fields_set):
            raise ValueError(f"{', '.join(unused)} has no effect in a route of kind {self.kind}")
        return self

    def secret(self) -> str:
        return secret(None, self.secret_file, f"WEBHOOK_SECRET_{self.name.upper().replace('-', '_')}")


class Sender(Section):
    """A pipeline that sends commands by webhook."""

    name: SenderName
    'Name of the sender, used in rules (`pipelines`). Example: `"deploys"`'
    secret_file: Path | None = None
    'File with the signing secret. Or set VELERO_CHATOPS_SENDER_SECRET_<NAME>. Example: `"/run/secrets/deploys"`'
    secret_previous_file: Path | None = None
    'File with the previous signing secret, accepted during a rotation. Example: `"/run/secrets/deploys-old"`'
    token_file: Path | None = None
    'File with the bearer token for reading operations. Example: `"/run/secrets/deploys-token"`'
    groups: tuple[str, ...] = ()
    'Groups that the sender belongs to in rules. Example: `["shop-team"]`'
    channel: str = ""
    'ID of the channel for this sender\'s status messages. Example: `"C0SHOP"`'
    per_minute: int = Field(default=60, ge=1)
    "Maximum number of requests per minute. Example: `30`"
    callback_addresses: tuple[Network, ...] = ()
    'Private networks (CIDR) that callback URLs may point to. Example: `["10.20.0.0/16"]`'

    def secrets(self) -> tuple[str, ...]:
        key = f"SENDER_SECRET_{self.name.upper().replace('-', '_').replace('.', '_')}"
        values = (secret(None, self.secret_file, key), secret(None, self.secret_previous_file, key + "_PREVIOUS"))
        return tuple(value for value in values if value)

    def token(self) -> str:
        return secret(None, self.token_file, f"SENDER_TOKEN_{self.name.upper().replace('-', '_').replace('.', '_')}")


class App(Section):
    name: str
    'Name of the application, for `--app`. Example: `"shop"`'
    cluster: str = ""
    'Cluster of the application. If empty: all clusters. Example: `"prod-eu"`'
    namespaces: tuple[str, ...] = ()
    'Namespaces of the application. Example: `["shop", "shop-db"]`'
    selector: str = ""
    'Label selector of the application\'s objects. Example: `"app.kubernetes.io/part-of=shop"`'
    template: dict[str, Any] = Field(default={})
    "Fields of Velero's BackupSpec for this application's backups; flags of the command override them. Example: `{ ttl = \"720h\", snapshotMoveData = true }`"


class Approvals(Section):
    channel: str = ""
    'ID of the channel for approval requests. If empty: the channel of the command. Example: `"C0PLATFORM"`'
    expires: Seconds = 3600.0
    'How long approval requests stay open if the rule doesn\'t set `expires`. Example: `"45m"`'
    remind_after: float = Field(default=0.5, gt=0, lt=1)
    "When approvers are reminded, as a share of the time until the request expires. Example: `0.75`"
    valid_for: Seconds = 900.0
    'Maximum time between the last vote and the start of the operation. Example: `"10m"`'
    start_deadline: Seconds = 1800.0
    'Maximum time an approved restore waits in Velero\'s queue before the bot deletes it. Example: `"1h"`'
    safety_backup: bool = False
    "Create a safety backup before each restore, unless a rule or the command decides otherwise. Example: `true`"
    powerful_kinds: tuple[str, ...] = ()
    'Additional resources (`plural.group`) that grant permissions or act on the whole cluster. Example: `["tenants.example.com"]`'
    break_glass_per_day: int = Field(default=3, ge=1)
    "How many times one person can use break-glass in 24 hours. Example: `1`"


class Schedules(Section):
    skip_margin: Seconds = 90.0
    'Runs that start within this time can\'t be skipped. Example: `"2m"`'
    grace: Seconds = 300.0
    'How late a run can start before it counts as missed. Allow for Velero\'s 60-second check and its queue. Example: `"10m"`'
    watch: bool = True
    "Watch schedules and report missed runs and schedules without a recent Completed backup. Example: `false`"
    stale_after: float = Field(default=3.0, gt=1)
    "Number of intervals without a Completed backup before a notification is sent. Example: `2.0`"


class Delivery(Section):
    timeout: Seconds = 10.0
    'Maximum time for one Slack API call. Example: `"20s"`'
    quarantine: Seconds = 90.0
    'After an unconfirmed message: wait this long before reading the channel history. Example: `"2m"`'
    history_read_interval: Seconds = 10.0
    'Minimum time between two reads of one channel\'s history. Example: `"30s"`'
    duplicate_sweep_after: Seconds = 900.0
    'How long after a resend the channel is searched for a duplicate. Example: `"10m"`'
    resend_urgent_after: Seconds = 10.0
    'Resend unconfirmed approval requests and failures after this time, without reading the history. They may arrive twice. Example: `"20s"`'
    history: bool = True
    "Read the channel history to check what arrived. If false, messages may arrive more than once. Example: `false`"
    wait_for_results: Seconds = 3.0
    'How long a failure notification waits for Velero\'s list of errors. Example: `"5s"`'
    queued_too_long: Seconds = 300.0
    'How long a backup or restore can wait in Velero\'s queue before a notification is sent. Example: `"15m"`'
    finalizing_too_long: Seconds = 300.0
    'How long a backup or restore can stay in Finalizing before a notification is sent. Example: `"15m"`'
    card_interval: Seconds = 2.0
    'Minimum time between two updates of one status message. Example: `"5s"`'


class Watching(Section):
    check_interval: Seconds = 30.0
    'How often each cluster and its Velero server are checked. Example: `"1m"`'
    server_timeout: Seconds = 5.0
    'How long the Velero server has to respond. After two missed checks in a row, a notification is sent. Example: `"10s"`'
    denied_retry_interval: Seconds = 60.0
    'How often the bot retries resources that it has no permission to read or that don\'t exist. Example: `"5m"`'
    stalled_check_interval: Seconds = 15.0
    'How often the bot looks for backups and restores that are stuck. Example: `"1m"`'


class Store(Section):
    reserve_bytes: int = Field(default=16 * 1024 * 1024, ge=0)
    "Bytes of disk space kept in reserve, so that the bot can still record what it did when the disk is full. Example: `33554432`"
    keep_operations: Seconds = 400 * 86400.0
    'How long finished operations are kept. Example: `"365d"`'
    keep_notices: Seconds = 90 * 86400.0
    'How long sent notifications are kept. Example: `"30d"`'
    keep_inbox: Seconds = 30 * 86400.0
    'How long processed requests are kept. Example: `"14d"`'
    keep_inbox_rows: int = Field(default=100_000, ge=1)
    "Maximum number of processed requests that are kept. The oldest go first, but none of the last hour. Example: `50000`"


class Limits(Section):
    """Limits on what one person, and all people together, can send. A request over a limit is answered and not processed."""

    commands_per_minute: int = Field(default=60, ge=1)
    "Maximum number of commands, clicks and forms of one person per minute. Example: `30`"
    waiting_per_person: int = Field(default=100, ge=1)
    "Maximum number of waiting requests of one person or one sender. Example: `20`"
    waiting_total: int = Field(default=10_000, ge=1)
    "Maximum number of waiting requests in total. Example: `2000`"


class Audit(Section):
    channel: str = ""
    'ID of the channel in which signed checkpoints of the audit log are published. Example: `"C0AUDIT"`'
    key_file: Path | None = None
    'Ed25519 private key (PEM) that signs the audit log. If empty: a key generated in the data directory. Example: `"/run/secrets/audit-key.pem"`'
    anchor_every: Seconds = 3600.0
    'How often a signed checkpoint of the audit log is created. Example: `"30m"`'

    def key(self) -> str:
        return self.key_file.read_text(encoding="utf-8") if self.key_file else ""


class Scopes(Section):
    """Namespace selectors behind the presets of `--namespaces`."""

    production: str = ""
    'Label selector for `--namespaces production`. Example: `"environment=production"`'
    non_production: str = ""
    'Label selector for `--namespaces non-production`. Example: `"environment!=production"`'


class Settings(Section):
    data_dir: Path = Path("data")
    'Directory for the database, the audit log and keys. Only one process can use it at a time. Example: `"/var/lib/velero-chatops"`'
    listen: Listening = "127.0.0.1:8080"
    'Address and port for requests from Slack and pipelines. Example: `"0.0.0.0:8080"`'
    status_listen: Listening = "127.0.0.1:8081"
    'Address and port for /healthz, /readyz and /metrics. They name clusters: don\'t expose them to the internet. Example: `"0.0.0.0:8081"`'
    timezone: Zone = "UTC"
    'Time zone for people whose Slack profile has none. Example: `"Europe/Berlin"`'
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    'Lowest level that is logged. Example: `"warning"`'
    slack: Slack = Slack()
    "Connection to Slack."
    clusters: tuple[Cluster, ...] = ()
    "Clusters that the bot manages. If there is only one, commands don't have to name it."
    channels: tuple[Channel, ...] = ()
    "Default cluster and scope of channels."
    groups: dict[str, tuple[str, ...]] = Field(default={})
    'Groups for rules: name → user IDs or email addresses. Slack user groups work by handle and needn\'t be listed. Example: `{ approvers = ["ada@example.com"] }`'
    rules: tuple[dict[str, Any], ...] = ()
    'Permission rules; the first match decides. See deploy/policies.example.toml. Example: `[{ name = "read", who = "anyone", what = ["*.get"], effect = "allow" }]`'
    routes: tuple[Route, ...] = ()
    "Where notifications go."
    senders: tuple[Sender, ...] = ()
    "Pipelines that send commands by webhook."
    applications: tuple[App, ...] = ()
    "Applications for `--type partial --app NAME`: namespaces, a selector and backup settings under one name."
    platform_namespaces: tuple[str, ...] = ()
    'Namespaces that `--type full` includes in addition to those of the applications. Example: `["ingress-nginx", "cert-manager"]`'
    scopes: Scopes = Scopes()
    "Selectors behind the presets of `--namespaces`."
    approvals: Approvals = Approvals()
    "Approval requests: where they go and how long they wait."
    schedules: Schedules = Schedules()
    "Skips, and how missed runs are detected."
    delivery: Delivery = Delivery()
    "How notifications and status messages are sent."
    watching: Watching = Watching()
    "How clusters are watched."
    store: Store = Store()
    "How long records are kept."
    limits: Limits = Limits()
    "Limits on requests."
    audit: Audit = Audit()
    "Signed checkpoints of the audit log."

    def cluster(self, name: str) -> Cluster | None:
        return next((each for each in self.clusters if each.name == name), None)

    def channel(self, channel_id: str) -> Channel | None:
        return next((each for each in self.channels if each.id == channel_id), None)

    def cluster_of_channel(self, channel_id: str) -> str:
        """Return the channel's default cluster, or the only cluster; empty if commands have to name one."""
        bound = self.channel(channel_id)
        if bound and bound.cluster:
            return bound.cluster
        named = [each.name for each in self.clusters if channel_id in each.channels]
        if named:
            return named[0]
        return self.clusters[0].name if len(self.clusters) == 1 else ""
