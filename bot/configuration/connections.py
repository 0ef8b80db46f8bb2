"""Settings of the connections: Slack, clusters, and the default cluster and scope of channels."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bot.configuration.setting_values import (
    ClusterName,
    Namespace,
    PublicUrl,
    RequestPath,
    ServerUrl,
    SlackApi,
    SlashCommand,
    Zone,
    secret,
)


class Section(BaseModel):
    """One table of the settings file. Unknown settings are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)


class Slack(Section):
    transport: Literal["http", "socket"] = "http"
    'How Slack delivers requests. `socket` needs no open port; `http` needs public_url and an ingress. Example: `"socket"`'
    api_url: SlackApi = "https://slack.com/api/"
    'Base URL of the Slack Web API. GovSlack uses a different one. Example: `"https://slack-gov.com/api/"`'
    request_path: RequestPath = "/slack/events"
    'HTTP path for commands, events and clicks from Slack. Example: `"/velero/slack"`'
    public_url: PublicUrl = ""
    'Public URL of the bot. Used in the app manifest and in status URLs for pipelines. Example: `"https://velero-chatops.example.com"`'
    bot_token_file: Path | None = None
    'File with the bot token (xoxb-…). Or set VELERO_CHATOPS_SLACK_BOT_TOKEN. Example: `"/run/secrets/slack-bot-token"`'
    signing_secret_file: Path | None = None
    'File with the signing secret; required for http. Or set VELERO_CHATOPS_SLACK_SIGNING_SECRET. Example: `"/run/secrets/slack-signing-secret"`'
    signing_secret_previous_file: Path | None = None
    'File with the previous signing secret, accepted during a rotation. Example: `"/run/secrets/slack-signing-secret-old"`'
    app_token_file: Path | None = None
    'File with the app-level token (xapp-…); required for socket. Or set VELERO_CHATOPS_SLACK_APP_TOKEN. Example: `"/run/secrets/slack-app-token"`'
    teams: tuple[str, ...] = ()
    'IDs of the workspaces whose members can use the bot. If empty: only the bot\'s workspace. Example: `["T0123ABCD"]`'
    command: SlashCommand = "/velero"
    'Slash command of the bot. Example: `"/velero-staging"`'
    aliases: dict[SlashCommand, Literal["backup", "restore", "schedule"]] = {
        "/backup": "backup",
        "/restore": "restore",
        "/schedule": "schedule",
    }
    'Additional slash commands, each a shortcut for one noun. Example: `{ "/vb" = "backup" }`'
    response_hosts: tuple[str, ...] = ()
    'Additional hosts that are allowed in Slack\'s response URLs. Example: `["hooks.slack-gov.com"]`'
    external_people: bool = False
    "Allow guests and members of other workspaces to use the bot. Example: `true`"
    files: bool = True
    "Upload logs and long lists as files where the channel's scope allows it. Needs the scope files:write. Example: `false`"
    posts_per_minute: int = Field(default=300, ge=1)
    "Maximum number of new messages per minute in the workspace. Slack accepts several hundred. Example: `120`"
    posts_per_channel: int = Field(default=5, ge=1)
    "Maximum number of new messages in one channel within 5 seconds. Slack accepts one per second and short bursts. Example: `3`"

    def allowed_response_hosts(self) -> tuple[str, ...]:
        """Return the further hosts that a response URL may have: those listed, and the host of `api_url`."""
        api = urlsplit(self.api_url)
        return (*self.response_hosts, api.hostname or "", f"{api.hostname}:{api.port}")

    def bot_token(self) -> str:
        return secret(None, self.bot_token_file, "SLACK_BOT_TOKEN")

    def signing_secrets(self) -> tuple[str, ...]:
        current = secret(None, self.signing_secret_file, "SLACK_SIGNING_SECRET")
        previous = secret(None, self.signing_secret_previous_file, "SLACK_SIGNING_SECRET_PREVIOUS")
        return tuple(value for value in (current, previous) if value)

    def app_token(self) -> str:
        return secret(None, self.app_token_file, "SLACK_APP_TOKEN")


class Cluster(Section):
    name: ClusterName
    'Name of the cluster in commands, rules and messages. Example: `"prod-eu"`'
    in_cluster: bool = False
    "Connect with the service account of the bot's pod. Example: `true`"
    kubeconfig: Path | None = None
    'Kubeconfig file. If only `context` is set: the default kubeconfig. Example: `"/etc/velero-chatops/kubeconfig"`'
    context: str = ""
    'Context in the kubeconfig. If empty: the current context. Example: `"staging"`'
    url: ServerUrl = ""
    'URL of the API server. Use with token_file and ca_file instead of a kubeconfig. Example: `"https://10.0.0.1:6443"`'
    token_file: Path | None = None
    'File with the bearer token for `url`. Example: `"/run/secrets/prod/token"`'
    ca_file: Path | None = None
    'File with the CA certificate for `url`. Example: `"/run/secrets/prod/ca.crt"`'
    velero_namespace: Namespace = "velero"
    'Namespace of the Velero server. Example: `"backup-system"`'
    bot_namespace: Namespace | Literal[""] = ""
    'Namespace that the bot runs in, if it runs in this cluster. Restores into it are refused. If empty: with in_cluster, the namespace of the pod. Example: `"velero-chatops"`'
    velero_timezone: Zone = "UTC"
    'Time zone of the Velero server. Velero evaluates cron expressions in this zone. Example: `"Europe/Berlin"`'
    object_store_hosts: tuple[str, ...] = ()
    'Hosts (host or host:port) from which logs and results can be downloaded. If empty: none. For a private CA, set caCert in the storage location. Example: `["minio.storage.example.com:9000"]`'
    channels: tuple[str, ...] = ()
    'IDs of the channels in which commands use this cluster by default. Example: `["C0PLATFORM"]`'
    server_version: str = ""
    'Velero version, if the server doesn\'t report it. Example: `"v1.16.2"`'

    @model_validator(mode="after")
    def _has_one_connection(self) -> Cluster:
        ways = [self.in_cluster, bool(self.url), bool(self.kubeconfig or self.context)]
        if sum(ways) > 1:
            raise ValueError("set only one of in_cluster, url, and kubeconfig/context")
        return self


class Channel(Section):
    """Default cluster and scope of a channel. `namespaces` bounds what lists and files may show there."""

    id: str
    'Slack\'s ID of the channel. Example: `"C0SHOP"`'
    name: str = ""
    'Name for readers of this file; the bot doesn\'t use it. Example: `"#shop"`'
    cluster: str = ""
    'Default cluster in this channel. Example: `"prod-eu"`'
    namespaces: tuple[str, ...] = ("*",)
    'Namespaces whose lists, logs and files can be shown in this channel; `*` for all. Example: `["shop", "shop-db"]`'
