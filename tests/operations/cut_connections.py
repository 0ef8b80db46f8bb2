"""Every writing verb over connections that break at a chosen byte; compares the report with the cluster."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from commands.grammar.parser import parse
from commands.planning.context import ClusterView, PlanContext
from commands.planning.resolve import resolve
from commands.registry import verb_of
from domain.actor import Actor, ActorKind, Origin, Way
from domain.decision import Decision, Outcome, Reason, allowed
from domain.errors import ChatopsError
from domain.operation import Operation, State
from domain.plan import Plan
from operations.executor import Executor
from operations.facts_reader import no_cache, read_facts
from operations.unconfirmed_writes import UnconfirmedWrites
from sandbox.kubernetes.auth import admin
from sandbox.kubernetes.cutting import Cut, CuttingProxy
from sandbox.kubernetes.objects import Objects
from sandbox.kubernetes.server import KubernetesEmulator
from store.writer import Store
from tracking.vanished_settlement import settle_operation
from velero.cluster import Cluster, ClusterSettings
from velero.connection import Direct

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ADA = Actor(ActorKind.PERSON, "UADA", "ada")
ALLOWED = Decision(Outcome.ALLOW, Reason.RULE, rule="ops")
LINES = {
    "backup.create": "backup create new-# --include-namespaces shop",
    "backup.delete": "backup delete b-#",
    "backup.cancel": "backup cancel running-#",
    "restore.create": "restore create new-# --from-backup b-# --include-namespaces shop",
    "restore.delete": "restore delete r-#",
    "schedule.create": "schedule create new-# --schedule '0 1 * * *' --include-namespaces shop",
    "schedule.edit": "schedule edit s-# --schedule '0 3 * * *'",
    "schedule.pause": "schedule pause s-# --for 2d",
    "schedule.resume": "schedule resume paused-#",
    "schedule.skip": "schedule skip s-#",
    "schedule.unskip": "schedule unskip skipped-#",
    "schedule.run": "schedule run s-#",
    "schedule.delete": "schedule delete s-#",
    "backup-location.create": "backup-location create new-# --provider aws --bucket b --config region=eu",
    "backup-location.set": "backup-location set l-# --credential cloud=key",
    "backup-location.default": "backup-location default l-#",
    "backup-location.delete": "backup-location delete l-#",
    "snapshot-location.create": "snapshot-location create new-# --provider aws --config region=eu",
    "snapshot-location.set": "snapshot-location set v-# --credential cloud=key",
}
"""Verb → a line; # is the number of the run, under which its objects are there already."""

RESOURCES = (
    "backups", "restores", "schedules", "backupstoragelocations", "volumesnapshotlocations", "deletebackuprequests",
)  # fmt: skip
VOLATILE = frozenset({"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"})
RANDOM_NAMES = frozenset({"deletebackuprequests"})


@dataclass(frozen=True, slots=True)
class Told:
    """`said` is the operation's state; `events` what people heard; `changes` what differs in the cluster."""

    said: State
    events: tuple[str, ...]
    changes: dict[str, Any]


class Bench:
    def __init__(
        self, store: Store, api: KubernetesEmulator, proxy: CuttingProxy, planning: Cluster, cluster: Cluster
    ) -> None:
        self.store, self.api, self.proxy, self.cluster, self._planning = store, api, proxy, cluster, planning
        self.objects = api.objects
        self.now = NOW
        self._numbers = itertools.count(1)
        self.executor = Executor(
            store, {"prod": cluster}, lambda: self.now, first_wait=0.0, settle_deletion=settle_operation
        )

    async def granted(self, key: str, state: State = State.APPROVED) -> tuple[str, Operation, Plan]:
        """A new run's number, and its operation, stored as allowed or in another state."""
        number = f"{next(self._numbers):06d}"
        _fixtures(self.objects, number)
        ident = f"op-{number}"
        plan = await self._plan(LINES[key].replace("#", number), ident)
        operation = Operation(
            ident, "prod", plan.noun, plan.verb, plan.subject, ADA.id, state, LINES[key], plan.fingerprint,
            self.now, self.now,
        )  # fmt: skip
        await self.store.write(lambda tx: tx.operations.insert(operation, plan, Origin(Way.SLASH)))
        return number, operation, plan

    async def _plan(self, line: str, ident: str) -> Plan:
        situation = PlanContext(
            now=self.now, new_id=lambda: ident, cluster=ClusterView("prod", server_version="v1.18.2"), actor=ADA,
            operation=ident,
        )  # fmt: skip
        command = parse(line)
        verb = verb_of(command.key)
        assert verb is not None
        assert verb.plan is not None
        command = verb.settle(command, situation) if verb.settle else command
        facts = await read_facts(verb, command, self._planning, _nothing_recorded, no_cache, lambda _facts: None)
        plan = resolve(verb.plan(command, facts, situation), facts, situation, verb.prepare)
        assert plan.steps, line
        return plan

    async def run(self, key: str, cut: Cut | None) -> tuple[Told, Told]:
        """Right after the execution, and when the connection is well again and there was time to check."""
        number, operation, plan = await self.granted(key)
        before = self._seen(number)
        self.proxy.arm(cut)
        with suppress(ChatopsError):  # what it says is in the store
            await self.execute(operation, plan)
        first = await self._told(operation.id, number, before)
        self.proxy.heal()
        await self.check()
        last = await self._told(operation.id, number, before)
        for resource in RESOURCES:
            for each in self._mine(resource, number):
                self.objects.delete(resource, "velero", each["metadata"]["name"])
        return first, last

    async def state(self, operation: Operation) -> State:
        return (await self.stored(operation)).state

    async def stored(self, operation: Operation) -> Operation:
        found = await self.store.read(lambda tx: tx.operations.get(operation.id))
        assert found is not None
        return found

    async def events(self, operation: Operation) -> list[str]:
        return [each.kind for each in await self.store.read(lambda tx: tx.outbox.of_operation(operation.id))]

    async def rows(self, operation: Operation) -> list[tuple[str, str]]:
        story = await self.store.read(lambda tx: tx.audit.history_of(operation.id))
        return [(row.entry.action, row.entry.outcome) for row in story]

    async def execute(self, operation: Operation, plan: Plan) -> None:
        await self.executor.execute(allowed(ALLOWED, operation.id, plan.fingerprint))

    async def check(self) -> None:
        """As the loop does; one that starts afresh."""
        await UnconfirmedWrites(self.store, self.executor, lambda: self.now).round()

    async def _told(self, ident: str, number: str, before: dict[str, Any]) -> Told:
        operation, events = await self.store.read(lambda tx: (tx.operations.get(ident), tx.outbox.of_operation(ident)))
        after = self._seen(number)
        names = sorted(before.keys() | after.keys())
        changes = {name: after.get(name) for name in names if before.get(name) != after.get(name)}
        return Told(operation.state, tuple(event.kind for event in events), changes)

    def _mine(self, resource: str, number: str) -> list[dict[str, Any]]:
        return [each for each in self.objects.list(resource, "velero") if number in json.dumps(each)]

    def _seen(self, number: str) -> dict[str, Any]:
        """Objects of this run, without what differs from run to run."""
        found: dict[str, Any] = {}
        for resource in RESOURCES:
            for index, each in enumerate(self._mine(resource, number)):
                name = f"{index}" if resource in RANDOM_NAMES else each["metadata"]["name"]
                meta = {key: value for key, value in each["metadata"].items() if key not in VOLATILE}
                if resource in RANDOM_NAMES:
                    meta.pop("name", None)
                text = json.dumps({**each, "metadata": meta}, sort_keys=True, default=str)
                found[f"{resource}/{name}".replace(number, "#")] = _without_uids(json.loads(text.replace(number, "#")))
        return found


def _without_uids(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_uids(each) for key, each in value.items() if "uid" not in key.lower()}
    return [_without_uids(each) for each in value] if isinstance(value, list) else value


async def _nothing_recorded(_need: object) -> list[Any]:
    return []


def _fixtures(objects: Objects, number: str) -> None:
    ended = {"phase": "Completed", "expiration": "2027-01-01T00:00:00Z", "completionTimestamp": "2026-11-21T01:00:00Z"}
    spec = {"includedNamespaces": ["shop"], "storageLocation": "default"}
    for name, status in ((f"b-{number}", ended), (f"running-{number}", {"phase": "New"})):
        objects.create("backups", "velero", {"metadata": {"name": name}, "spec": spec, "status": status})
    restore = {
        "metadata": {"name": f"r-{number}"},
        "spec": {"backupName": f"b-{number}"},
        "status": {"phase": "Completed"},
    }
    objects.create("restores", "velero", restore)
    for name, more in (("s", {}), ("paused", {"paused": True}), ("skipped", {})):
        skipped = {"lastSkipped": "2026-11-23T12:00:00Z"} if name == "skipped" else {}
        body = {"schedule": "0 1 * * *", "template": spec, **more}
        status = {"phase": "Enabled", **skipped}
        objects.create(
            "schedules", "velero", {"metadata": {"name": f"{name}-{number}"}, "spec": body, "status": status}
        )
    storage = {"provider": "aws", "objectStorage": {"bucket": "b"}}
    objects.create("backupstoragelocations", "velero", {"metadata": {"name": f"l-{number}"}, "spec": storage})
    objects.create(
        "volumesnapshotlocations", "velero", {"metadata": {"name": f"v-{number}"}, "spec": {"provider": "aws"}}
    )


@asynccontextmanager
async def bench(directory: Path) -> AsyncIterator[Bench]:
    ids = iter(range(10**9))
    objects = Objects(now=lambda: NOW, new_id=lambda: f"uid-{next(ids)}")
    for name in ("velero", "shop"):
        objects.create("namespaces", None, {"metadata": {"name": name}})
    storage = {"provider": "aws", "objectStorage": {"bucket": "b"}, "default": True}
    location = {"metadata": {"name": "default"}, "spec": storage, "status": {"phase": "Available"}}
    objects.create("backupstoragelocations", "velero", location)
    api = KubernetesEmulator(objects, {"t": admin()})
    api.faults.forbidden.add("downloadrequests")  # no Velero is there to answer one
    direct = await api.start()
    proxy = CuttingProxy(direct)
    urls = direct, await proxy.start()
    planning, cluster = (
        Cluster(ClusterSettings("prod", Direct(url, "t")), now=lambda: NOW, random=Random(1)) for url in urls
    )
    store = await Store.open(directory, NOW, reserve_bytes=1024)
    try:
        yield Bench(store, api, proxy, planning, cluster)
    finally:
        await store.close()
        for each in (planning, cluster):
            await each.close()
        await proxy.close()
        await api.close()


def cuts(request: int, answer: int, write: int, *, step: int) -> list[Cut]:
    """Before, during and after a write: at every `step` bytes, or without one where cuts differ in kind."""
    if step:
        asked, heard = {*range(0, request, step), request}, range(0, answer, step)
        places = [(at, False) for at in asked] + [(at, True) for at in heard]
        return [Cut(write, at, answer, down) for at, answer in places for down in (True, False)]
    places = [(0, False), (request // 2, False), (request, False), (0, True), (answer // 2, True)]
    heals = [(request // 2, False), (0, True)]
    return [Cut(write, *each, down=True) for each in places] + [Cut(write, *each) for each in heals]
