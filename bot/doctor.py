"""Do Slack and the clusters agree with the settings? Every finding is ok, a warning or a failure, with the mend.

Reads only, but for what Velero answers in a request of its own (ServerStatusRequest), removed at once.
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

from bot.configuration.misconfiguration import find_misconfiguration
from bot.configuration.settings import Cluster as Wanted
from bot.configuration.settings import Settings
from bot.slack.manifest import required_scopes
from domain.counting import counted, plural_of
from domain.errors import ClusterError
from velero.access import Permission
from velero.cluster import Cluster
from velero.features import Features, parse_version
from velero.fields import items, section, text
from velero.kinds import DEPLOYMENT, WATCHED
from velero.resources.locations import StorageLocation
from velero.resources.server_status import ServerStatus

OLDEST = (1, 13)
"""Before it a schedule keeps no horizon: runs cannot be skipped."""
ROLE = "Apply the roles in deploy/rights to this cluster."


class CheckGrade(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class CheckResult:
    part: str
    grade: CheckGrade
    text: str
    mend: str = ""
    cluster: str = ""
    """Of which cluster it is; empty: of Slack or the bot."""


def passed(part: str, said: str) -> CheckResult:
    return CheckResult(part, CheckGrade.OK, said)


def warning(part: str, said: str, mend: str) -> CheckResult:
    return CheckResult(part, CheckGrade.WARNING, said, mend)


def failed(part: str, said: str, mend: str) -> CheckResult:
    return CheckResult(part, CheckGrade.FAILURE, said, mend)


async def run_checks(
    settings: Settings, client: AsyncWebClient, clusters: Mapping[str, Cluster]
) -> tuple[CheckResult, ...]:
    """Everything at once: one cluster that hangs delays nobody else."""
    found = await asyncio.gather(
        check_slack(settings, client),
        *(check_cluster(one, clusters[one.name]) for one in settings.clusters if one.name in clusters),
    )
    return tuple(finding for part in found for finding in part)


def of_settings(settings: Settings) -> tuple[CheckResult, ...]:
    """What keeps a part from working, known without asking anybody."""
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
        who = await client.auth_test()
    except SlackApiError as error:
        said = f"Slack rejects the bot token: {error.response.get('error')}"
        return [failed("slack", said, "Set VELERO_CHATOPS_SLACK_BOT_TOKEN to the app's bot token (xoxb-…).")]
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return [
            failed(
                "slack",
                f"Slack doesn't respond: {type(error).__name__}",
                f"Allow outgoing connections to {settings.slack.api_url}.",
            )
        ]
    found = [passed("slack", f"Connected as {who.get('user')} in workspace {who.get('team')}")]
    found += check_scopes(settings, _header(who.headers or {}, "x-oauth-scopes"))
    if settings.slack.transport == "socket":
        found.append(await _socket(settings, client))
    for ident, why in channel_uses(settings).items():
        found.append(await _channel(client, ident, why))
    return found


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
        mend = (
            f"Add the scope {scope.name} to the app (`velero-chatops slack manifest` prints it) and reinstall the app."
        )
        if scope.without:
            yield warning("slack scopes", f"Scope {scope.name} is missing: {scope.without}", mend)
        else:
            yield failed("slack scopes", f"Scope {scope.name} is missing. {scope.why}", mend)
    if not missing:
        yield passed("slack scopes", f"All {len(required_scopes(settings))} scopes are granted")


async def _socket(settings: Settings, client: AsyncWebClient) -> CheckResult:
    try:
        await client.apps_connections_open(app_token=settings.slack.app_token())
    except SlackApiError as error:
        mend = "Create an app-level token with the scope connections:write, and turn on Socket Mode."
        return failed("slack socket", f"Slack refuses a Socket Mode connection: {error.response.get('error')}", mend)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return failed(
            "slack socket",
            f"Slack doesn't respond: {type(error).__name__}",
            f"Allow outgoing connections to {settings.slack.api_url}.",
        )
    return passed("slack socket", "Socket Mode works")


def channel_uses(settings: Settings) -> dict[str, str]:
    """Channel → what the settings want of it first."""
    wanted = [(settings.approvals.channel, "approvals"), (settings.audit.channel, "audit checkpoints")]
    wanted += [(each, f"route {route.name}") for route in settings.routes for each in route.channels]
    wanted += [(each.channel, f"status messages of sender {each.name}") for each in settings.senders]
    wanted += [(each.id, "commands") for each in settings.channels]
    found: dict[str, str] = {}
    for ident, why in wanted:
        if ident:
            found.setdefault(ident, why)
    return found


async def _channel(client: AsyncWebClient, ident: str, why: str) -> CheckResult:
    part = f"channel {ident}"
    try:
        channel = (await client.conversations_info(channel=ident)).get("channel") or {}
    except SlackApiError as error:
        code = str(error.response.get("error"))
        if code == "missing_scope":
            return warning(
                part, f"The channel can't be checked ({why})", f"Grant the scope {error.response.get('needed')}."
            )
        return failed(part, f"{code} ({why})", "Use the channel's ID, and invite the bot if the channel is private.")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return warning(part, f"Slack doesn't respond: {type(error).__name__}", "Run the check again.")
    name = f"#{channel.get('name', '')}"
    if channel.get("is_archived"):
        return failed(part, f"{name} is archived ({why})", "Configure another channel.")
    if not channel.get("is_member"):
        return failed(part, f"The bot isn't in {name} ({why})", f"Run /invite @Velero in {name}.")
    return passed(part, f"{name}: {why}")


# --- clusters


async def check_cluster(wanted: Wanted, cluster: Cluster) -> list[CheckResult]:
    return [replace(each, cluster=wanted.name) for each in await _of_cluster(wanted, cluster)]


async def _of_cluster(wanted: Wanted, cluster: Cluster) -> list[CheckResult]:
    health = await cluster.open()
    if not health.ok:
        mend = "Check the API server address, the kubeconfig context, the token and the certificate."
        return [failed("API server", health.reason, mend)]
    found = [passed("API server", f"Kubernetes {cluster.features.kubernetes}")]
    try:
        found += check_kinds("Velero's kinds", cluster.features)
        if not cluster.features.is_installed:
            return found
        found += check_rights("rights", await cluster.missing_permissions())
        found += check_server("Velero server", wanted, await cluster.server_status())
        found += check_locations("storage locations", wanted, await cluster.storage_locations.list())
        found.append(await _zone("time zone", wanted, cluster))
    except ClusterError as error:
        found.append(failed("rights", f"{error.text} {error.why}".strip(), ROLE))
    return found


def check_kinds(part: str, features: Features) -> Iterator[CheckResult]:
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
            f"{counted(len(features.kinds), 'kind')} of Velero {plural_of(len(features.kinds), 'is', 'are')} installed",
        )


def check_rights(part: str, missing: Sequence[Permission]) -> Iterator[CheckResult]:
    if not missing:
        yield passed(part, "The bot has all required permissions")
    for resource, rights in groupby(sorted(missing, key=lambda right: right.resource), lambda right: right.resource):
        listed = list(rights)
        where = f"  in namespace {listed[0].namespace}" if listed[0].namespace else ""
        verbs = ", ".join(right.verb for right in listed)
        yield failed(part, f"The bot has no permission to {verbs} {resource}{where}", ROLE)


def check_server(part: str, wanted: Wanted, status: ServerStatus) -> Iterator[CheckResult]:
    if not status.answered:
        yield failed(part, "The Velero server doesn't respond", "Check deployment/velero and its logs.")
        return
    version = wanted.server_version or status.version
    known = parse_version(version)
    if known is None:
        yield warning(part, f"Velero {version or 'of an unknown version'}", "Set server_version for this cluster.")
    elif known < OLDEST:
        yield warning(part, f"Velero {version} can't skip runs", "Upgrade to Velero 1.13 or later.")
    else:
        yield passed(part, f"Velero {version}, {counted(len(status.plugins), 'plugin')}")


def check_locations(part: str, wanted: Wanted, locations: Sequence[StorageLocation]) -> Iterator[CheckResult]:
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
        if (host := _host(location)) and host not in wanted.object_store_hosts:
            mend = f'Add "{host}" to object_store_hosts.'
            yield warning(
                "object store",
                f"Logs in storage location {location.name} can't be downloaded: {host} isn't in object_store_hosts",
                mend,
            )
    if locations and not wanted.object_store_hosts:
        mend = "Add the object store's hosts to object_store_hosts."
        yield warning(
            "object store", "Logs, results and backup contents can't be downloaded: object_store_hosts is empty", mend
        )


def _host(location: StorageLocation) -> str:
    return urlsplit(location.url).netloc if location.url else ""


async def _zone(part: str, wanted: Wanted, cluster: Cluster) -> CheckResult:
    """The server's own is the zone of its container: TZ in its Deployment, else UTC as in Velero's image."""
    try:
        deployment = await cluster.api.request("GET", DEPLOYMENT.object_path(cluster.namespace, "velero"))
    except ClusterError:
        return warning(
            part, f"The Velero server's time zone can't be read; the bot assumes {wanted.velero_timezone}", ROLE
        )
    seen = zone_of(deployment)
    if seen != wanted.velero_timezone:
        said = f"The Velero server runs in {seen}, but velero_timezone is {wanted.velero_timezone}"
        return failed(part, said, f'Set velero_timezone = "{seen}".')
    return passed(part, f"The Velero server's time zone is {seen}")


def zone_of(deployment: Mapping[str, Any]) -> str:
    template = section(section(dict(deployment), "spec"), "template")
    for container in items(section(template, "spec"), "containers"):
        for variable in items(container, "env"):
            if text(variable, "name") == "TZ" and text(variable, "value"):
                return text(variable, "value")
    return "UTC"
