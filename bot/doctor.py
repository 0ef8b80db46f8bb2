"""Checks that Slack and the clusters match the settings. Each result is ok, a warning or a failure, with a fix.

The checks only read, except for the ServerStatusRequest that Velero answers; it is deleted at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.configuration import connections
from bot.configuration.misconfiguration import find_misconfiguration
from bot.configuration.settings import Settings
from bot.slack.manifest import required_scopes
from domain.counting import counted
from domain.errors import ClusterError
from velero.access import Permission
from velero.cluster import Cluster
from velero.features import Features, parse_version
from velero.fields import items, section
from velero.fields import text as text_of
from velero.kinds import DEPLOYMENT, WATCHED
from velero.resources.locations import StorageLocation
from velero.resources.server_status import ServerStatus

MIN_VERSION_FOR_SKIPS = (1, 13)
"""Older versions don't keep the horizon of a schedule, so runs can't be skipped."""
APPLY_ROLES = "Apply the roles in deploy/rights to this cluster."


class CheckGrade(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class CheckResult:
    part: str
    grade: CheckGrade
    text: str
    fix: str = ""
    cluster: str = ""
    """Empty for checks of Slack and the bot."""


def passed(part: str, text: str) -> CheckResult:
    return CheckResult(part, CheckGrade.OK, text)


def warning(part: str, text: str, fix: str) -> CheckResult:
    return CheckResult(part, CheckGrade.WARNING, text, fix)


def failed(part: str, text: str, fix: str) -> CheckResult:
    return CheckResult(part, CheckGrade.FAILURE, text, fix)


async def run_checks(
    settings: Settings, client: AsyncWebClient, clusters: Mapping[str, Cluster]
) -> tuple[CheckResult, ...]:
    """Run all checks concurrently: a cluster that hangs doesn't delay the others."""
    found = await asyncio.gather(
        check_slack(settings, client),
        *(check_cluster(one, clusters[one.name]) for one in settings.clusters if one.name in clusters),
    )
    return tuple(finding for part in found for finding in part)


def check_settings(settings: Settings) -> tuple[CheckResult, ...]:
    """Return settings that can't work, found without contacting Slack or a cluster."""
    return tuple(
        CheckResult(each.part, CheckGrade.FAILURE, each.text, each.fix, each.cluster)
        for each in find_misconfiguration(settings)
    )


def worst_grade(findings: Iterable[CheckResult]) -> CheckGrade:
    grades = {finding.grade for finding in findings}
    return next((grade for grade in (CheckGrade.FAILURE, CheckGrade.WARNING) if grade in grades), CheckGrade.OK)


# --- Slack


async def check_slack(settings: Settings, client: AsyncWebClient) -> list[CheckResult]:
    try:
        identity = await client.auth_test()
    except SlackApiError as error:
        text = f"Slack rejects the bot token: {error.response.get('error')}"
        return [failed("slack", text, "Set VELERO_CHATOPS_SLACK_BOT_TOKEN to the app's bot token (xoxb-…).")]
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return [
            failed(
                "slack",
                connection_error(error),
                f"Allow outgoing connections to {settings.slack.api_url}.",
            )
        ]
    found = [passed("slack", f"Connected as {identity.get('user')} in workspace {identity.get('team')}")]
    found += check_scopes(settings, _header(identity.headers or {}, "x-oauth-scopes"))
    if settings.slack.transport == "socket":
        found.append(await _socket(settings, client))
    for channel_id, use in channel_uses(settings).items():
        found.append(await _channel(client, channel_id, use, str(identity.get("user") or "velero")))
    return found


def connection_error(error: Exception) -> str:
    """Say why Slack can't be reached."""
    if isinstance(error, TimeoutError):
        return "Slack doesn't respond: the connection timed out"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "Slack can't be reached: DNS lookup failed"
    if isinstance(error, aiohttp.ClientSSLError):
        return "Slack can't be reached: TLS error"
    if isinstance(error, ConnectionRefusedError) or isinstance(
        getattr(error, "os_error", None), ConnectionRefusedError
    ):
        return "Slack can't be reached: connection refused"
    return "Slack doesn't respond: connection lost"


def _header(headers: Mapping[str, Any], name: str) -> str:
    return next((str(value) for key, value in headers.items() if key.lower() == name), "")


def check_scopes(settings: Settings, header: str) -> Iterator[CheckResult]:
    granted = {scope.strip() for scope in header.split(",") if scope.strip()}
    if not granted:
        yield warning(
            "slack scopes",
            "Slack doesn't report the app's scopes",
            "Compare the app's scopes with `velero-chatops slack manifest`.",
        )
        return
    missing = [scope for scope in required_scopes(settings) if scope.name not in granted]
    for scope in missing:
        fix = (
            f"Add the scope {scope.name} to the app (`velero-chatops slack manifest` prints it) and reinstall the app."
        )
        if scope.without:
            yield warning("slack scopes", f"Scope {scope.name} is missing: {scope.without}", fix)
        else:
            yield failed("slack scopes", f"Scope {scope.name} is missing. {scope.why}", fix)
    if not missing:
        yield passed("slack scopes", f"All {len(required_scopes(settings))} scopes are granted")


async def _socket(settings: Settings, client: AsyncWebClient) -> CheckResult:
    try:
        await client.apps_connections_open(app_token=settings.slack.app_token())
    except SlackApiError as error:
        fix = "Create an app-level token with the scope connections:write, and turn on Socket Mode."
        return failed("slack socket", f"Slack refuses a Socket Mode connection: {error.response.get('error')}", fix)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return failed(
            "slack socket",
            connection_error(error),
            f"Allow outgoing connections to {settings.slack.api_url}.",
        )
    return passed("slack socket", "Socket Mode works")


def channel_uses(settings: Settings) -> dict[str, str]:
    """Return what the settings first use each channel for."""
    uses = [(settings.approvals.channel, "approvals"), (settings.audit.channel, "audit checkpoints")]
    uses += [(each, f"route {route.name}") for route in settings.routes for each in route.channels]
    uses += [(each.channel, f"status messages of sender {each.name}") for each in settings.senders]
    uses += [(each.id, "commands") for each in settings.channels]
    found: dict[str, str] = {}
    for channel_id, use in uses:
        if channel_id:
            found.setdefault(channel_id, use)
    return found


async def _channel(client: AsyncWebClient, channel_id: str, use: str, bot: str) -> CheckResult:
    part = f"channel {channel_id}"
    try:
        channel = (await client.conversations_info(channel=channel_id)).get("channel") or {}
    except SlackApiError as error:
        code = str(error.response.get("error"))
        if code == "missing_scope":
            return warning(
                part, f"The channel can't be checked ({use})", f"Grant the scope {error.response.get('needed')}."
            )
        return failed(part, f"{code} ({use})", "Use the channel's ID, and invite the bot if the channel is private.")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return warning(part, connection_error(error), "Run the check again.")
    name = f"#{channel.get('name', '')}"
    if channel.get("is_archived"):
        return failed(part, f"{name} is archived ({use})", "Configure another channel.")
    if not channel.get("is_member"):
        return failed(part, f"The bot isn't in {name} ({use})", f"Run /invite @{bot} in {name}.")
    return passed(part, f"{name}: {use}")


# --- clusters


async def check_cluster(cluster_settings: connections.Cluster, cluster: Cluster) -> list[CheckResult]:
    return [replace(each, cluster=cluster_settings.name) for each in await _check_cluster(cluster_settings, cluster)]


async def _check_cluster(cluster_settings: connections.Cluster, cluster: Cluster) -> list[CheckResult]:
    health = await cluster.open()
    if not health.ok:
        fix = "Check the API server address, the kubeconfig context, the token and the certificate."
        return [failed("API server", health.reason, fix)]
    found = [passed("API server", f"Kubernetes {cluster.features.kubernetes}")]
    try:
        found += check_crds("Velero CRDs", cluster.features)
        if not cluster.features.is_installed:
            return found
        found += check_rights("rights", await cluster.missing_permissions())
        found += check_server("Velero server", cluster_settings, await cluster.server_status())
        found += check_locations("storage locations", cluster_settings, await cluster.storage_locations.list())
        found.append(await _zone("time zone", cluster_settings, cluster))
    except ClusterError as error:
        found.append(failed("rights", f"{error.text} {error.why}".strip(), APPLY_ROLES))
    return found


def check_crds(part: str, features: Features) -> Iterator[CheckResult]:
    missing = [kind.name for kind in WATCHED if kind.name not in features.kinds]
    if not features.is_installed:
        yield failed(
            part, "Velero isn't installed: its CRDs are missing", "Run `velero install`, or install the Helm chart."
        )
    elif missing:
        yield warning(part, f"Missing Velero CRDs: {', '.join(missing)}", "Run `velero install --crds-only`.")
    else:
        yield passed(
            part,
            f"{counted(len(features.kinds), 'Velero CRD')} installed",
        )


def check_rights(part: str, missing: Sequence[Permission]) -> Iterator[CheckResult]:
    if not missing:
        yield passed(part, "The bot has all required permissions")
    for resource, rights in groupby(sorted(missing, key=lambda right: right.resource), lambda right: right.resource):
        listed = list(rights)
        where = f" in namespace {listed[0].namespace}" if listed[0].namespace else ""
        verbs = ", ".join(right.verb for right in listed)
        yield failed(part, f"The bot has no permission to {verbs} {resource}{where}", APPLY_ROLES)


def check_server(part: str, cluster_settings: connections.Cluster, status: ServerStatus) -> Iterator[CheckResult]:
    if not status.answered:
        yield failed(part, "The Velero server doesn't respond", "Check deployment/velero and its logs.")
        return
    version = cluster_settings.server_version or status.version
    number = parse_version(version)
    if number is None:
        yield warning(
            part,
            f"Velero {version}" if version else "The Velero version is unknown",
            "Set server_version for this cluster.",
        )
    elif number < MIN_VERSION_FOR_SKIPS:
        yield warning(part, f"Velero {version} can't skip runs", "Upgrade to Velero 1.13 or later.")
    else:
        yield passed(part, f"Velero {version}, {counted(len(status.plugins), 'plugin')}")


def check_locations(
    part: str, cluster_settings: connections.Cluster, locations: Sequence[StorageLocation]
) -> Iterator[CheckResult]:
    if not locations:
        yield failed(
            part,
            "No backup storage location exists",
            "Create one: `backup-location create NAME --provider PROVIDER --bucket BUCKET`.",
        )
    if locations and not any(location.default for location in locations):
        yield warning(part, "No storage location is the default", "Run `backup-location set NAME --default`.")
    for location in locations:
        if location.is_available:
            yield passed(f"location {location.name}", f"Storage location {location.name} is Available")
        else:
            why = location.phase or "not validated yet"
            yield failed(
                f"location {location.name}",
                f"Storage location {location.name}: {why}",
                "Check the bucket, the credentials and the endpoint.",
            )
        if (host := _host(location)) and host not in cluster_settings.object_store_hosts:
            fix = f'Add "{host}" to object_store_hosts.'
            yield warning(
                "object store",
                f"Logs in storage location {location.name} can't be downloaded: {host} isn't in object_store_hosts",
                fix,
            )
    if locations and not cluster_settings.object_store_hosts:
        fix = "Add the object store's hosts to object_store_hosts."
        yield warning(
            "object store", "Logs, results and backup contents can't be downloaded: object_store_hosts is empty", fix
        )


def _host(location: StorageLocation) -> str:
    return urlsplit(location.url).netloc if location.url else ""


async def _zone(part: str, cluster_settings: connections.Cluster, cluster: Cluster) -> CheckResult:
    """Compare with the zone of the server's container: TZ in its Deployment, else UTC as in Velero's image."""
    try:
        deployment = await cluster.api.request("GET", DEPLOYMENT.object_path(cluster.namespace, "velero"))
    except ClusterError:
        return warning(
            part,
            f"The Velero server's time zone can't be read; the bot assumes {cluster_settings.velero_timezone}",
            APPLY_ROLES,
        )
    server_zone = zone_of(deployment)
    if server_zone != cluster_settings.velero_timezone:
        text = f"The Velero server runs in {server_zone}, but velero_timezone is {cluster_settings.velero_timezone}"
        return failed(part, text, f'Set velero_timezone = "{server_zone}".')
    return passed(part, f"The Velero server's time zone is {server_zone}")


def zone_of(deployment: Mapping[str, Any]) -> str:
    template = section(section(dict(deployment), "spec"), "template")
    for container in items(section(template, "spec"), "containers"):
        for variable in items(container, "env"):
            if text_of(variable, "name") == "TZ" and text_of(variable, "value"):
                return text_of(variable, "value")
    return "UTC"
