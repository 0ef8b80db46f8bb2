"""The verb `doctor`: problems of the setup, cluster by cluster, each with a fix.

Checks of a cluster are functions of its facts. Checks of the settings and of permissions come as records.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from commands.grammar.command import Command
from commands.grammar.verb import Effect, Verb
from commands.planning import object_fields
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, FactsByCluster, Needs, ObjectNeed, RecordsNeed, RecordTable, ServerStatusNeed
from commands.planning.hints import find_hint
from commands.repo.get import repository_problem
from domain.answer import Answer, Part, Table, Text, Tone
from domain.counting import counted
from domain.errors import ClusterError, Forbidden
from store.scrub import scrub
from velero.resources.repositories import repository_of

CONFIG = RecordsNeed(RecordTable.CONFIG_CHECKS)
"""Rows (cluster, check, state, fix). The state of a passed check is `ok`; a row without a cluster is about the bot."""
NO_CLUSTER = "-"
OLDEST, NEWEST = 11, 18
"""Minor versions of Velero 1 that the bot is tested with."""


@dataclass(frozen=True, slots=True)
class ConfigFinding:
    """One check. `advice` is the bot's own text; `message` quotes a cluster and is never interpreted."""

    what: str
    state: str
    advice: str = ""
    message: str = ""

    @property
    def is_ok(self) -> bool:
        return self.state == "ok"


def needs(_cmd: Command, _known: Facts) -> Needs:
    return Needs.of(
        ServerStatusNeed(),
        ObjectNeed("backupstoragelocations", fresh=True, optional=True),
        ObjectNeed("schedules", optional=True),
        ObjectNeed("backups", optional=True, summary=True),
        ObjectNeed("backuprepositories", fresh=True, optional=True),
        ObjectNeed("namespaces", optional=True),
        CONFIG,
    )


def answer(_cmd: Command, world: FactsByCluster, context: PlanContext) -> Answer:
    found = [(cluster, each) for cluster, facts in world.items() for each in _of(cluster, facts, context)]
    found += [(NO_CLUSTER, each) for each in _of_the_bot(world)]
    bad = [(cluster, each) for cluster, each in found if not each.is_ok]
    rows = tuple((cluster, each.what, each.state) for cluster, each in sorted(found, key=lambda one: one[1].is_ok))
    details = dict.fromkeys(
        Text(f"{'' if cluster == NO_CLUSTER else f'{cluster}, '}{each.what}: {text}", untrusted=untrusted)
        for cluster, each in bad
        for text, untrusted in ((each.advice, False), (each.message, True))
        if text
    )
    parts: list[Part] = [Table(("CLUSTER", "CHECK", "STATE"), rows)] if rows else []
    parts += list(details)[:10]
    if not bad:
        return Answer(
            "1 check passed." if len(found) == 1 else f"All {counted(len(found), 'check')} passed.",
            tuple(parts),
            Tone.GOOD,
        )
    needs_attention = "needs attention" if len(bad) == 1 else "need attention"
    return Answer(f"{len(bad)} of {counted(len(found), 'check')} {needs_attention}.", tuple(parts), Tone.WARNING)


def _of(cluster: str, facts: Facts | ClusterError, context: PlanContext) -> list[ConfigFinding]:
    if isinstance(facts, ClusterError):
        return [ConfigFinding("reachable", facts.text, " ".join(part for part in (facts.why, facts.fix) if part))]
    found = [each for check in CHECKS for each in check(facts, context)]
    return found + [ConfigFinding(*row[1:]) for row in _rows(facts) if row[0] == cluster]


def _of_the_bot(world: FactsByCluster) -> list[ConfigFinding]:
    """Every cluster's facts hold the same rows: each is shown once."""
    rows = (row for facts in world.values() if isinstance(facts, Facts) for row in _rows(facts) if not row[0])
    return [ConfigFinding(*row[1:]) for row in dict.fromkeys(rows)]


def _rows(facts: Facts) -> list[tuple[str, ...]]:
    return [row for row in (tuple(map(str, each)) for each in facts.records.get(CONFIG, [])) if len(row) == 4]


def _unreadable(facts: Facts, _context: PlanContext) -> Iterable[ConfigFinding]:
    for need, error in facts.errors.items():
        if isinstance(need, ObjectNeed):
            yield ConfigFinding(
                f"read {need.resource}",
                error.text,
                error.fix or f"Grant the bot's role `get, list, watch` on {need.resource}.",
            )


def _server(facts: Facts, context: PlanContext) -> Iterable[ConfigFinding]:
    error = facts.errors.get(ServerStatusNeed())
    if isinstance(error, Forbidden):
        yield ConfigFinding("Velero server", error.text, error.fix)
        return
    if facts.status is None:
        namespace = context.clusters.get(facts.cluster, context.cluster).velero_namespace
        advice = f"Check the Velero pod and its logs: `kubectl -n {namespace} get pods`."
        yield ConfigFinding("Velero server", "not responding", advice)
        return
    yield ConfigFinding("Velero server", "ok")
    version = str(facts.status.get("serverVersion") or "")
    minor = re.match(r"v?1\.(\d+)", version)
    if minor is None:
        yield ConfigFinding("version", f"unknown version {version}".strip(), "Set server_version in the settings.")
    elif OLDEST <= int(minor[1]) <= NEWEST:
        yield ConfigFinding("version", "ok")
    else:
        yield ConfigFinding("version", version, f"Tested with Velero 1.{OLDEST} to 1.{NEWEST}.")


def _locations(facts: Facts, _context: PlanContext) -> Iterable[ConfigFinding]:
    items = facts.all("backupstoragelocations")
    if not items:
        yield ConfigFinding(
            "storage location",
            "missing",
            "Create one: `backup-location create NAME --provider PROVIDER --bucket BUCKET`.",
        )
        return
    for item in items:
        name, status = object_fields.name(item), object_fields.status(item)
        message = scrub(str(status.get("message") or ""))
        phase = str(status.get("phase") or "not validated yet")
        state, hint = "ok" if phase == "Available" else phase, find_hint([message])
        yield ConfigFinding(f"storage location {name}", state, hint, "" if hint else message[:300])
    defaults = [object_fields.name(item) for item in items if object_fields.spec(item).get("default") is True]
    state = "ok" if len(defaults) == 1 else f"{len(defaults)} storage locations are default" if defaults else "missing"
    yield ConfigFinding(
        "default storage location", state, "" if state == "ok" else "Run `backup-location default NAME`."
    )


def _schedules(facts: Facts, _context: PlanContext) -> Iterable[ConfigFinding]:
    items = facts.all("schedules")
    if not items:
        yield ConfigFinding(
            "schedules",
            "missing",
            "No automatic backups. Create a schedule: `schedule create nightly --schedule '0 1 * * *'`.",
        )
    for item in items:
        if object_fields.status(item).get("phase") == "FailedValidation":
            why = "; ".join(map(str, object_fields.status(item).get("validationErrors") or []))
            yield ConfigFinding(f"schedule {object_fields.name(item)}", "FailedValidation", message=why)
    paused = [object_fields.name(item) for item in items if object_fields.spec(item).get("paused") is True]
    if paused:
        yield ConfigFinding("paused schedules", str(len(paused)), ", ".join(paused[:10]))


def _repositories(facts: Facts, _context: PlanContext) -> Iterable[ConfigFinding]:
    for item in facts.all("backuprepositories"):
        one = repository_of(item)
        if why := repository_problem(one):
            yield ConfigFinding(f"repository {one.meta.name}", one.phase or "New", message=why[:300])


def _backups(facts: Facts, context: PlanContext) -> Iterable[ConfigFinding]:
    """A backup that stays in Finalizing waits for its storage location; one in Deleting met an error."""
    for item in facts.all("backups"):
        since = object_fields.parse_time(
            object_fields.status(item).get("completionTimestamp")
        ) or object_fields.created(item)
        long = since is not None and (context.now - since).total_seconds() > 3600
        if long and object_fields.phase(item) in {"Finalizing", "FinalizingPartiallyFailed", "Deleting"}:
            advice = "Its storage location was Unavailable, or deleting it failed. Run `backup describe`."
            yield ConfigFinding(f"backup {object_fields.name(item)}", object_fields.phase(item), advice)


CHECKS: tuple[Callable[[Facts, PlanContext], Iterable[ConfigFinding]], ...] = (
    _unreadable,
    _server,
    _locations,
    _schedules,
    _repositories,
    _backups,
)

DOCTOR = Verb(
    noun="doctor",
    name="",
    summary="Check the setup and show how to fix problems",
    effect=Effect.READ,
    needs=needs,
    answer=answer,
    fans_out=True,
    examples=("doctor", "doctor --cluster prod"),
)
