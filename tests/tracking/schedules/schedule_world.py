"""A cluster with Velero and our own store beside it, on a clock that tests own: lines are asked, carried out, or left half done."""

from __future__ import annotations

import itertools
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from commands.grammar.parser import parse
from commands.planning.context import ClusterView, PlanContext
from commands.planning.facts import RecordsNeed
from commands.planning.resolve import resolve
from commands.registry import verb_of
from domain.actor import Actor, ActorKind, Origin, Way
from domain.decision import Decision, Outcome, Reason, allowed
from domain.errors import ClusterError, Stale
from domain.event import Event
from domain.json_types import Json
from domain.operation import Operation, State
from domain.plan import Plan
from operations.executor import Executor
from operations.facts_reader import no_cache, read_facts
from sandbox.bucket import Buckets, Faults
from sandbox.clock import ManualClock
from sandbox.kubernetes.auth import admin
from sandbox.kubernetes.objects import Objects
from sandbox.kubernetes.server import KubernetesEmulator
from sandbox.velero.emulator import VeleroEmulator
from sandbox.velero.settings import VeleroSettings
from store.tables.schedules import ScheduleState
from store.writer import Store
from tracking import locations, runs
from tracking.follower import ClusterMemory
from tracking.observation import TrackingContext
from tracking.schedule_reconciler import ScheduleReconciler
from tracking.watchdog_round import Watchdog
from velero.cluster import Cluster, ClusterSettings
from velero.connection import Direct
from velero.observations import Change, Observation
from velero.resources.backups import BackupRow
from velero.resources.locations import storage_location_of
from velero.resources.rows import fit_to_type

START = datetime(2026, 11, 21, 11, 13, 19, tzinfo=UTC)
ADA = Actor(ActorKind.PERSON, "U1", "ada")
ALLOWED = Decision(Outcome.ALLOW, Reason.RULE, rule="ops")
VELERO = VeleroSettings(heartbeats=False, validation_period=3600, validation_tick=600)


class Yard:
    def __init__(self, directory: Path, settings: VeleroSettings = VELERO) -> None:
        self.clock = ManualClock(START)
        self._settings = settings
        self._directory = directory
        self._numbers = itertools.count(1)
        self._open = AsyncExitStack()
        self.known = {"prod": ClusterMemory()}
        self.view = ClusterView("prod", server_version="v1.18.2")
        self.created: list[tuple[datetime, str]] = []

    async def start(self) -> Yard:
        ids = itertools.count(1)
        self.objects = Objects(now=self.clock.now, new_id=lambda: f"{next(ids):08x}-0000-4000-8000-000000000000")
        self.objects.on_change(self._note)
        self.api = KubernetesEmulator(self.objects, {"token": admin()})
        await self.api.start()
        self._open.push_async_callback(self.api.close)
        buckets = Buckets(self.clock)
        self.bucket = buckets.create("velero")
        self.velero = VeleroEmulator(self.objects, buckets, self.clock, settings=self._settings)
        await self.velero.start()
        self._open.push_async_callback(self.velero.stop)
        self.objects.create("namespaces", None, {"metadata": {"name": "shop"}})
        spec = {"provider": "aws", "objectStorage": {"bucket": "velero"}, "accessMode": "ReadWrite", "default": True}
        self.objects.create("backupstoragelocations", "velero", {"metadata": {"name": "default"}, "spec": spec})
        self.cluster = Cluster(
            ClusterSettings("prod", Direct(self.api.url, "token")), now=self.clock.now, random=Random(1)
        )
        self._open.push_async_callback(self.cluster.close)
        await self.cluster.open()
        self.store = await Store.open(self._directory, self.clock.now(), reserve_bytes=1024)
        self.awake()
        await self.clock.advance(5)
        return self

    def awake(self) -> None:
        """A fresh process over the same store."""
        clusters = {"prod": self.cluster}
        self.executor = Executor(self.store, clusters, self.clock.now)
        self.keeper = ScheduleReconciler(self.store, clusters, self.clock.now)
        self.watchdog = Watchdog(self.store, clusters, self.known, lambda _: self.view, self.clock.now)

    async def close(self) -> None:
        await self.store.close()
        await self._open.aclose()

    # what people do

    def situation(self, operation: str = "") -> PlanContext:
        return PlanContext(
            now=self.clock.now(),
            new_id=lambda: "x",
            cluster=self.view,
            clusters={"prod": self.view},
            actor=ADA,
            operation=operation,
            skip_margin=5.0,
        )

    async def planned(self, line: str, operation: str = "") -> Plan:
        command = parse(line)
        verb = verb_of(command.key)
        assert verb is not None
        assert verb.plan is not None
        facts = await read_facts(verb, command, self.cluster, self._records, no_cache, lambda _: None)
        situation = self.situation(operation)
        return resolve(verb.plan(command, facts, situation), facts, situation, verb.prepare)

    async def granted(self, line: str) -> str:
        """Stored and allowed, not carried out; empty where there is nothing to do or a guard refuses."""
        ident = f"op-{next(self._numbers)}"
        plan = await self.planned(line, ident)
        if plan.refusals() or not plan.steps:
            return ""
        now = self.clock.now()
        operation = Operation(
            ident, "prod", plan.noun, plan.verb, plan.subject, "U1", State.PLANNED, line, plan.fingerprint, now, now
        ).advance(State.APPROVED, now)
        await self.store.write(lambda tx: tx.operations.insert(operation, plan, Origin(Way.SLASH)))
        return ident

    async def carry_out(self, ident: str) -> None:
        plan = await self.store.read(lambda tx: tx.operations.load_plan(ident))
        await self.executor.execute(allowed(ALLOWED, ident, plan.fingerprint))
        await self.clock.settle()

    async def does(self, line: str) -> str:
        ident = await self.granted(line)
        if ident:
            await self.carry_out(ident)
        return ident

    async def restarts(self) -> None:
        """The process was killed: everything that had begun is taken up again."""
        self.awake()
        for operation in await self.store.read(lambda tx: tx.operations.open()):
            if operation.state in {State.APPROVED, State.SUBMITTING}:
                with suppress(Stale, ClusterError):  # the operation is then `failed`, with the reason
                    await self.executor.recover(operation)

    async def _records(self, need: RecordsNeed) -> list[Any]:
        return list(await self.store.read(lambda tx: tx.schedules.all("prod")))

    # what others do

    def schedule(self, name: str, cron: str = "0 * * * *", **spec: Any) -> Json:
        template = {"includedNamespaces": ["shop"], "ttl": "24h0m0s"}
        return self.objects.create(
            "schedules", "velero", {"metadata": {"name": name}, "spec": {"schedule": cron, "template": template} | spec}
        )

    def patched(self, name: str, body: Json) -> Json:
        return self.objects.patch("schedules", "velero", name, body)

    def seen(self, name: str) -> Json:
        found = self.objects.find("schedules", "velero", name)
        assert found is not None
        return found

    def store_down(self, *, down: bool) -> None:
        self.bucket.fail(Faults(unavailable=True)) if down else self.bucket.fail()

    # what passes

    async def pass_until(self, at: datetime) -> None:
        await self.clock.run_until(at)

    async def pass_(self, **span: float) -> None:
        await self.clock.advance(timedelta(**span).total_seconds())

    async def rounds(self, *, blind: bool = False) -> None:
        """One of each loop, after what the followers would have seen."""
        if not blind:
            self.follow()
        await self.keeper.round()
        await self.watchdog.round()

    async def watched(self, until: datetime, every: timedelta = timedelta(minutes=2), *, blind: bool = False) -> None:
        """`blind`: the cluster is not reached, so the followers see nothing either."""
        while self.clock.now() < until:
            await self.pass_until(min(until, self.clock.now() + every))
            await self.rounds(blind=blind)

    def follow(self) -> None:
        setting = TrackingContext("prod", "uid", self.clock.now(), first=True)
        for kind, resource, parse_one, observe in (
            ("Backup", "backups", partial(fit_to_type, BackupRow), runs.observe),
            ("BackupStorageLocation", "backupstoragelocations", storage_location_of, locations.observe),
        ):
            known = self.known["prod"]
            for uid in tuple(known.of(kind)):
                known.remove(kind, uid)
            for item in self.objects.list(resource, "velero"):
                meta = item["metadata"]
                seen = Observation(Change.ADDED, kind, meta["uid"], meta["name"], parse_one(item))
                remember = observe(setting, None, seen).remember
                assert remember is not None
                known.put(kind, remember)
            known.in_step.add(kind)

    # what was seen

    def _note(self, kind: str, resource: str, _old: Json | None, new: Json | None) -> None:
        if kind == "ADDED" and resource == "backups" and new is not None:
            self.created.append(
                (self.clock.now(), (new["metadata"].get("labels") or {}).get("velero.io/schedule-name", ""))
            )

    def ran(self, name: str) -> list[str]:
        return [at.strftime("%H:%M") for at, schedule in self.created if schedule == name]

    async def told(self, kind: str = "schedule.") -> list[Event]:
        events = await self.store.read(lambda tx: tx.outbox.unrouted(10_000))
        return [event for event in events if event.kind.startswith(kind) and event.kind != "schedule.changed"]

    async def kinds(self) -> list[str]:
        return [event.kind for event in await self.told()]

    async def intent(self, name: str) -> ScheduleState | None:
        return await self.store.read(lambda tx: tx.schedules.get("prod", name))
