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

from bot.configuration.misconfiguration import misconfigured
from bot.configuration.settings import Cluster as Wanted
from bot.configuration.settings import Settings
from bot.slack.manifest import scopes
from domain.counting import counted, named
from domain.errors import ClusterError
from velero.access import Right
from velero.cluster import Cluster
from velero.features import Features, numbers
from velero.fields import items, section, text
from velero.kinds import DEPLOYMENT, WATCHED
from velero.resources.locations import StorageLocation
from velero.resources.server_status import ServerStatus

OLDEST = (1, 13)
"""Before it a schedule keeps no horizon: runs cannot be skipped."""
ROLE = "apply deploy/rights to it"


class Grade(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    part: str
    grade: Grade
    text: str
    mend: str = ""
    cluster: str = ""
    """Of which cluster it is; empty: of Slack or the bot."""


def ok(part: str, said: str) -> Finding:
    return Finding(part, Grade.OK, said)


def warning(part: str, said: str, mend: str) -> Finding:
    return Finding(part, Grade.WARNING, said, mend)


def failure(part: str, said: str, mend: str) -> Finding:
    return Finding(part, Grade.FAILURE, said, mend)


async def examine(settings: Settings, client: AsyncWebClient, clusters: Mapping[str, Cluster]) -> tuple[Finding, ...]:
    """Everything at once: one cluster that hangs delays nobody else."""
    found = await asyncio.gather(
        of_slack(settings, client),
        *(of_cluster(one, clusters[one.name]) for one in settings.clusters if one.name in clusters),
    )
    return tuple(finding for part in found for finding in part)


def of_settings(settings: Settings) -> tuple[Finding, ...]:
    """What keeps a part from working, known without asking anybody."""
    return tuple(
        Finding(each.part, Grade.FAILURE, each.text, each.fix, each.cluster) for each in misconfigured(settings)
    )


def worst(findings: Iterable[Finding]) -> Grade:
    grades = {finding.grade for finding in findings}
    return next((grade for grade in (Grade.FAILURE, Grade.WARNING) if grade in grades), Grade.OK)


# --- Slack


async def of_slack(settings: Settings, client: AsyncWebClient) -> list[Finding]:
    try:
        who = await client.auth_test()
    except SlackApiError as error:
        said = f"Slack refuses the bot token: {error.response.get('error')}"
        return [failure("slack", said, "set VELERO_CHATOPS_SLACK_BOT_TOKEN to the app's bot token (xoxb-…)")]
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return [failure("slack", f"Slack does not answer: {type(error).__name__}", f"reach {settings.slack.api_url}")]
    found = [ok("slack", f"the bot is {who.get('user')} in {who.get('team')}")]
    found += of_scopes(settings, _header(who.headers or {}, "x-oauth-scopes"))
    if settings.slack.transport == "socket":
        found.append(await _socket(settings, client))
    for ident, why in channels(settings).items():
        found.append(await _channel(client, ident, why))
    return found


def _header(headers: Mapping[str, Any], name: str) -> str:
    return next((str(value) for key, value in headers.items() if key.lower() == name), "")


def of_scopes(settings: Settings, header: str) -> Iterator[Finding]:
    granted = {scope.strip() for scope in header.split(",") if scope.strip()}
    if not granted:
        yield warning("slack scopes", "Slack does not tell the scopes", "compare the app with `slack manifest`")
        return
    missing = [scope for scope in scopes(settings) if scope.name not in granted]
    for scope in missing:
        mend = f"add {scope.name} to the app (`slack manifest` prints it) and install it again"
        if scope.without:
            yield warning("slack scopes", f"{scope.name} is not granted: {scope.without}", mend)
        else:
            yield failure("slack scopes", f"{scope.name} is not granted. {scope.why}", mend)
    if not missing:
        yield ok("slack scopes", f"{len(scopes(settings))} scopes are granted")


async def _socket(settings: Settings, client: AsyncWebClient) -> Finding:
    try:
        await client.apps_connections_open(app_token=settings.slack.app_token())
    except SlackApiError as error:
        mend = "make an app-level token with connections:write, and switch Socket Mode on"
        return failure("slack socket", f"no connection is given: {error.response.get('error')}", mend)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return failure("slack socket", f"no answer: {type(error).__name__}", f"reach {settings.slack.api_url}")
    return ok("slack socket", "Socket Mode gives connections")


def channels(settings: Settings) -> dict[str, str]:
    """Channel → what the settings want of it first."""
    wanted = [(settings.approvals.channel, "approvals"), (settings.audit.channel, "signed heads of the audit")]
    wanted += [(each, f"route {route.name}") for route in settings.routes for each in route.channels]
    wanted += [(each.channel, f"cards of {each.name}") for each in settings.senders]
    wanted += [(each.id, "commands") for each in settings.channels]
    found: dict[str, str] = {}
    for ident, why in wanted:
        if ident:
            found.setdefault(ident, why)
    return found


async def _channel(client: AsyncWebClient, ident: str, why: str) -> Finding:
    part = f"channel {ident}"
    try:
        channel = (await client.conversations_info(channel=ident)).get("channel") or {}
    except SlackApiError as error:
        code = str(error.response.get("error"))
        if code == "missing_scope":
            return warning(part, f"cannot be looked at ({why})", f"grant {error.response.get('needed')}")
        return failure(part, f"{code} ({why})", "use the channel's id, and invite the bot if it is private")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return warning(part, f"Slack does not answer: {type(error).__name__}", "look again")
    name = f"#{channel.get('name', '')}"
    if channel.get("is_archived"):
        return failure(part, f"{name} is archived ({why})", "name another channel")
    if not channel.get("is_member"):
        return failure(part, f"the bot is not in {name} ({why})", f"/invite it to {name}")
    return ok(part, f"{name}: {why}")


# --- clusters


async def of_cluster(wanted: Wanted, cluster: Cluster) -> list[Finding]:
    return [replace(each, cluster=wanted.name) for each in await _of_cluster(wanted, cluster)]


async def _of_cluster(wanted: Wanted, cluster: Cluster) -> list[Finding]:
    health = await cluster.open()
    if not health.ok:
        mend = "reach its API server; check the context, the token and the certificate"
        return [failure("API server", health.reason, mend)]
    found = [ok("API server", f"Kubernetes {cluster.features.kubernetes}")]
    try:
        found += of_kinds("Velero's kinds", cluster.features)
        if not cluster.features.installed:
            return found
        found += of_rights("rights", await cluster.missing_rights())
        found += of_server("Velero server", wanted, await cluster.server_status())
        found += of_locations("storage locations", wanted, await cluster.storage_locations.list())
        found.append(await _zone("time zone", wanted, cluster))
    except ClusterError as error:
        found.append(failure("rights", f"{error.text} {error.why}".strip(), ROLE))
    return found


def of_kinds(part: str, features: Features) -> Iterator[Finding]:
    missing = [kind.name for kind in WATCHED if kind.name not in features.kinds]
    if not features.installed:
        yield failure(part, "Velero's kinds are not installed", "velero install")
    elif missing:
        yield warning(part, f"not installed: {', '.join(missing)}", "velero install --crds-only")
    else:
        yield ok(
            part,
            f"{counted(len(features.kinds), 'kind')} of Velero {named(len(features.kinds), 'is', 'are')} installed",
        )


def of_rights(part: str, missing: Sequence[Right]) -> Iterator[Finding]:
    if not missing:
        yield ok(part, "the bot has every right that it needs")
    for resource, rights in groupby(sorted(missing, key=lambda right: right.resource), lambda right: right.resource):
        listed = list(rights)
        where = f" in {listed[0].namespace}" if listed[0].namespace else ""
        verbs = ", ".join(right.verb for right in listed)
        yield failure(part, f"the bot may not {verbs} {resource}{where}", ROLE)


def of_server(part: str, wanted: Wanted, status: ServerStatus) -> Iterator[Finding]:
    if not status.answered:
        yield failure(part, "Velero's server does not answer", "look at deployment/velero and its log")
        return
    version = wanted.server_version or status.version
    known = numbers(version)
    if known is None:
        yield warning(part, f"Velero {version or 'of an unknown version'}", "set server_version")
    elif known < OLDEST:
        yield warning(part, f"Velero {version}: runs cannot be skipped", "upgrade to Velero 1.13 or later")
    else:
        yield ok(part, f"Velero {version}, {counted(len(status.plugins), 'plugin')}")


def of_locations(part: str, wanted: Wanted, locations: Sequence[StorageLocation]) -> Iterator[Finding]:
    if not locations:
        yield failure(part, "there is no backup storage location", "backup-location create")
    if locations and not any(location.default for location in locations):
        yield warning(part, "no location is the default", "backup-location set NAME --default")
    for location in locations:
        if location.available:
            yield ok(f"location {location.name}", f"location {location.name} is available")
        else:
            why = location.phase or "not validated yet"
            yield failure(
                f"location {location.name}",
                f"location {location.name}: {why}",
                "check its bucket, credential and endpoint",
            )
        if (host := _host(location)) and host not in wanted.object_store_hosts:
            mend = f'add "{host}" to object_store_hosts'
            yield warning("object store", f"logs in location {location.name} may not be fetched from {host}", mend)
    if locations and not wanted.object_store_hosts:
        mend = "name the object store's hosts in object_store_hosts"
        yield warning("object store", "no logs, results or contents can be fetched", mend)


def _host(location: StorageLocation) -> str:
    return urlsplit(location.url).netloc if location.url else ""


async def _zone(part: str, wanted: Wanted, cluster: Cluster) -> Finding:
    """The server's own is the zone of its container: TZ in its Deployment, else UTC as in Velero's image."""
    try:
        deployment = await cluster.api.request("GET", DEPLOYMENT.object_path(cluster.namespace, "velero"))
    except ClusterError:
        return warning(part, f"the server's time zone cannot be seen; {wanted.velero_timezone} is taken", ROLE)
    seen = zone_of(deployment)
    if seen != wanted.velero_timezone:
        said = f"the server runs in {seen}, the settings say {wanted.velero_timezone}"
        return failure(part, said, f'set velero_timezone = "{seen}"')
    return ok(part, f"the server's time zone is {seen}")


def zone_of(deployment: Mapping[str, Any]) -> str:
    template = section(section(dict(deployment), "spec"), "template")
    for container in items(section(template, "spec"), "containers"):
        for variable in items(container, "env"):
            if text(variable, "name") == "TZ" and text(variable, "value"):
                return text(variable, "value")
    return "UTC"
