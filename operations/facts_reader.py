"""Reads what verbs need: from the cache where it is in step with the cluster, otherwise from the cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from commands.grammar.command import Command
from commands.grammar.flags import TEXT
from commands.grammar.verb import Verb
from commands.planning.facts import Facts, FileNeed, MissingFile, Need, ObjectNeed, RecordsNeed, ServerStatusNeed
from domain.errors import ChatopsError, ClusterError, DownloadError, ObjectNotFound, Unreachable
from domain.json_types import Json
from operations.offload import run_offloaded
from velero.artifacts.downloads import File as ArtifactFile
from velero.artifacts.log_summary import LogSummary
from velero.cluster import Cluster
from velero.gateway import Gateway
from velero.kinds import KINDS
from velero.resources.server_status import ServerStatus as Status

MAX_ROUNDS = 4
"""A need may follow from the result of another; no verb needs more rounds than this."""

READ_TIMEOUT_S = 10.0
FAN_OUT_TIMEOUT_S = 8.0
FACTS_TIMEOUT_S = 120.0
"""For one read, for a read over several clusters, and for all reads of a verb with its files."""

RecordReader = Callable[[RecordsNeed], Awaitable[list[Any]]]
Cached = Callable[[str, ObjectNeed], Awaitable[list[Json] | None]]
"""(cluster, need) → the objects, or None where the cache is not in step."""

_BY_PLURAL = {kind.plural: kind for kind in KINDS.values()}


def _raw(source: Json) -> Json:
    return source


async def read_facts(
    verb: Verb, cmd: Command, cluster: Cluster, records: RecordReader, cached: Cached, redact: Callable[[Facts], None]
) -> Facts:
    """Reads until the verb needs nothing more. `redact` removes, after every round, what the actor may not see.

    Raises ClusterError where nothing can be read at all, unless the verb accepts partial facts.
    """
    facts = Facts(cluster=cluster.name)
    if verb.needs is None:
        return facts
    limit = verb.read_timeout or (FAN_OUT_TIMEOUT_S if verb.fans_out else FACTS_TIMEOUT_S)
    try:
        async with read_within(cluster.name, limit):
            await _read_rounds(facts, verb, cmd, cluster, records, cached, redact)
    except ClusterError as error:
        if not verb.needs(cmd, facts).partial:
            raise
        facts.fault = error
        redact(facts)
    return facts


@asynccontextmanager
async def read_within(cluster: str, seconds: float) -> AsyncIterator[None]:
    """A person waits for the answer: a cluster that hangs is reported long before its connection times out."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as late:
        raise Unreachable(cluster, f"Cluster {cluster} doesn't respond within {seconds:g} seconds.") from late


async def _read_rounds(
    facts: Facts,
    verb: Verb,
    cmd: Command,
    cluster: Cluster,
    records: RecordReader,
    cached: Cached,
    redact: Callable[[Facts], None],
) -> None:
    assert verb.needs is not None
    for _ in range(MAX_ROUNDS):
        needs = await run_offloaded([facts], verb.needs, cmd, facts)
        open_needs = [need for need in needs.wants if not facts.knows(need)]
        if not open_needs:
            break
        for need in sorted(open_needs, key=lambda need: not isinstance(need, RecordsNeed)):
            await _read(need, facts, cluster, records, cached)
        await _read_sources(facts, cluster, cached)
        await run_offloaded([facts], redact, facts)
    for resource in _missing_resources(verb, cmd, facts):
        await _read_alternatives(resource, facts, cluster, cached)
        await _read_sources(facts, cluster, cached)
        await run_offloaded([facts], redact, facts)


async def _read_sources(facts: Facts, cluster: Cluster, cached: Cached) -> None:
    """Reads the backups of restores: who may see a restore depends on its backup. Unread, it counts as unknown."""
    names = {
        str((item.get("spec") or {}).get("backupName") or "")
        for name, item in facts.objects.get("restores", {}).items()
        if ("restores", name) not in facts.redacted
    }
    unknown = names - facts.sources.keys() - facts.objects.get("backups", {}).keys() - {""}
    if not unknown:
        return
    with suppress(ClusterError):
        async with read_within(cluster.name, READ_TIMEOUT_S):
            kind = _BY_PLURAL["backups"]
            gateway: Gateway[Json] = Gateway(cluster.api, kind, _raw, cluster.namespace)
            held = await cached(cluster.name, ObjectNeed("backups")) or await gateway.list()
        found: dict[str, Json] = {item["metadata"]["name"]: item for item in held}
        facts.sources |= {name: found.get(name) for name in unknown}


def _missing_resources(verb: Verb, cmd: Command, facts: Facts) -> set[str]:
    """Resources of which the command names an object, by its name or a flag, that doesn't exist."""
    named = [(verb.args.source, name) for name in cmd.names]
    named += [(flag.source, cmd.text(flag.name).strip()) for flag in verb.flags if flag.source and flag.type is TEXT]
    return {resource for resource, name in named if resource in _BY_PLURAL and (resource, name) in facts.missing}


async def _read_alternatives(resource: str, facts: Facts, cluster: Cluster, cached: Cached) -> None:
    """Reads the other objects where a name wasn't found, to suggest the nearest."""
    with suppress(ClusterError):
        await _objects(ObjectNeed(resource), facts, cluster, cached)


async def _read(need: Need, facts: Facts, cluster: Cluster, records: RecordReader, cached: Cached) -> None:
    match need:
        case ObjectNeed():
            await _objects(need, facts, cluster, cached)
        case FileNeed():
            await _file(need, facts, cluster)
        case ServerStatusNeed(within=within):
            facts.status_asked = True
            try:
                # The regular check decides about the server's health; a command may wait for less time.
                facts.status = _server_info(await cluster.server_status(within=within, record_failure=False))
            except ClusterError as error:
                facts.errors[need] = error
        case RecordsNeed():
            facts.records[need] = await records(need)


async def _objects(want: ObjectNeed, facts: Facts, cluster: Cluster, cached: Cached) -> None:
    held = None if want.fresh or want.label else await cached(cluster.name, want)
    if held is not None:
        facts.add(want.resource, held, whole=not want.summary)
        facts.listed.add(want)
        return
    kind = _BY_PLURAL[want.resource]
    gateway: Gateway[Json] = Gateway(cluster.api, kind, _raw, cluster.namespace)
    try:
        async with read_within(cluster.name, READ_TIMEOUT_S):
            if want.name:
                facts.add(want.resource, [await gateway.get(want.name)])
            else:
                found = await gateway.list(selector=want.label)
                facts.add(want.resource, found, whole=not want.label)
                facts.listed.add(want)
    except ObjectNotFound:
        facts.missing.add((want.resource, want.name))
    except ClusterError as error:
        if not want.optional:
            raise
        facts.errors[want] = error


def _server_info(status: Status) -> Json | None:
    """None for a server that doesn't answer."""
    if not status.answered:
        return None
    plugins = [{"name": plugin.name, "kind": plugin.kind} for plugin in status.plugins]
    return {"serverVersion": status.version, "plugins": plugins}


async def _file(need: FileNeed, facts: Facts, cluster: Cluster) -> None:
    try:
        facts.files[need] = await _read_file(ArtifactFile(need.kind), need.name, cluster)
    except (DownloadError, ClusterError) as error:
        facts.files[need] = MissingFile(describe_need(error))


async def _read_file(file: ArtifactFile, name: str, cluster: Cluster) -> bytes | LogSummary:
    if file in {ArtifactFile.BACKUP_LOG, ArtifactFile.RESTORE_LOG}:
        return await cluster.artifacts.log_summary(file, name)
    return await cluster.artifacts.downloads.read(file, name)


def describe_need(error: ChatopsError) -> str:
    return " ".join(part for part in (error.text, error.why, error.fix) if part)


async def no_cache(_cluster: str, _need: ObjectNeed) -> list[Json] | None:
    return None
