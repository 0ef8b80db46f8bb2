"""Approvals over a real store and a cluster that answers, with people, rules and plans that a test may change."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from domain.actor import Actor, ActorKind, Origin, Way
from domain.answer import Answer
from domain.approval import Approval, VoteKind, approval_id
from domain.decision import Decision, Outcome, Reason
from domain.errors import IdentityUnknown, UserError
from domain.operation import Operation, State
from domain.plan import Plan, Step, StepVerb, digest
from domain.reach import Reach
from operations.approval.approvals import Approvals
from operations.approval.services import ApprovalServices
from operations.approval.timers import ApprovalTimes
from operations.executor import Executor
from operations.replan import Replanned
from operations.request import CommandRequest, Policy
from policy.directory import UNKNOWN, Directory, Member
from policy.rules import Rule
from sandbox.kubernetes.auth import admin
from sandbox.kubernetes.objects import Objects
from sandbox.kubernetes.server import KubernetesEmulator
from store.writer import Store
from tracking.vanished_settlement import settle_operation
from velero.cluster import Cluster, ClusterSettings
from velero.connection import Direct

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PEOPLE = {
    name: Actor(ActorKind.PERSON, f"U{name.upper()}", name.title(), email=f"{name}@example.com")
    for name in ("ada", "grace", "bob", "eve", "mallory")
}
ALT = Actor(ActorKind.PERSON, "UADA2", "Ada (other)", email="ADA@example.com")


def member(name: str, *, active: bool = True) -> Member:
    return Member(PEOPLE[name].id, PEOPLE[name].email, active=active)


def plan_of(name: str, **changes: object) -> Plan:
    spec = {"backupName": "b1", "includedNamespaces": ["shop"]}
    manifest = {"apiVersion": "velero.io/v1", "kind": "Restore", "metadata": {"name": name, "namespace": "velero"}}
    step = Step(StepVerb.CREATE, "Restore", "restores", name, {**manifest, "spec": spec}, "velero")
    made = Plan("prod", "restore", "create", (step,), Reach(), subject=name, impact=frozenset({"ConfigMap shop/a new"}))
    return replace(made, **changes)


class Desk:
    """One request and all that may happen to it. `plan` and `decision` are what planning again would find."""

    def __init__(self, store: Store, cluster: Cluster, objects: Objects, name: str = "r1", quorum: int = 2) -> None:
        self.store, self.cluster, self.objects, self.name = store, cluster, objects, name
        self.now = NOW
        self.plan = plan_of(name)
        self.decision = Decision(
            Outcome.REQUIRE_APPROVAL, Reason.RULE, "prod", quorum=quorum, approvers=frozenset({"dba"}), expires=3600
        )
        self.directory = Directory(groups={"dba": (member("bob"), member("eve"), member("grace"))})
        self.fault: Exception | None = None
        self.dying = False
        self.taken_back: list[str] = []
        self.rules: tuple[Rule, ...] = ()
        self.meanwhile: list = []
        self.unsure: set[str] = set()
        self.hangs = False
        self.restart()

    def restart(self) -> None:
        """A new process over the same store."""
        self.executor = Executor(self.store, {"prod": self.cluster}, lambda: self.now, settle_deletion=settle_operation)
        services = ApprovalServices(
            self.store, lambda: Policy(self.rules, self._directory), self._who, ApprovalTimes, lambda: self.now
        )
        self.approvals = Approvals(services, self.executor, self._replan, self._remove_from_queue)

    async def _replan(self, _operation: Operation, _stored: Plan, _actor: Actor, _origin: Origin) -> Replanned:
        while self.meanwhile:
            await self.meanwhile.pop()()
        if self.fault is not None:
            raise self.fault
        return Replanned(self.plan, self.decision)

    async def _remove_from_queue(self, operation: Operation) -> None:
        if self.fault is not None:
            raise self.fault
        self.taken_back.append(operation.subject)

    async def _directory(self, *_names: object) -> Directory:
        await asyncio.sleep(3600 if self.hangs else 0)
        if self.dying:
            raise asyncio.CancelledError
        return self.directory

    async def _who(self, ident: str, _team: str = "") -> Actor:
        if ident in self.unsure:
            raise IdentityUnknown("Your identity can't be verified right now. Nothing was done.")
        return next(actor for actor in (*PEOPLE.values(), ALT) if actor.id == ident)

    @property
    def id(self) -> str:
        return approval_id(f"op-{self.name}")

    async def ask(self) -> Answer:
        asked = CommandRequest("key", f"restore create {self.name}", PEOPLE["ada"], Origin(Way.SLASH, "C1"))
        line = f"restore create {self.name} --from-backup b1"
        operation = Operation(
            f"op-{self.name}",
            "prod",
            "restore",
            "create",
            self.name,
            PEOPLE["ada"].id,
            State.PLANNED,
            line,
            self.plan.fingerprint,
            self.now,
            self.now,
            reason="oops",
        )
        return await self.approvals.open(operation, self.plan, self.decision, asked)

    async def votes(self, name: str, kind: VoteKind = VoteKind.APPROVE, reason: str = "") -> str:
        """What the voter is told."""
        actor = PEOPLE.get(name, ALT)
        try:
            return (await self.approvals.voting.vote(self.id, actor, kind, reason)).headline
        except UserError as error:
            return error.text

    async def rejects(self, name: str) -> str:
        return await self.votes(name, VoteKind.REJECT, "not today")

    async def withdraws(self, name: str = "ada") -> str:
        try:
            return (await self.approvals.withdraw(self.id, PEOPLE[name])).headline
        except UserError as error:
            return error.text

    async def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        await self.approvals.deadlines.round()

    def leaves(self, *names: str) -> None:
        kept = tuple(each for each in self.directory.groups["dba"] if each.id not in {PEOPLE[n].id for n in names})
        self.directory = Directory(groups={"dba": kept})

    def unknown(self) -> None:
        self.directory = UNKNOWN

    @property
    def restores(self) -> list[dict]:
        return [r for r in self.objects.list("restores", "velero") if r["metadata"]["name"] == self.name]

    async def state(self) -> tuple[str, str]:
        """Of the approval and of its operation."""
        found: Approval = await self.store.read(lambda tx: tx.approvals.get(self.id))
        operation: Operation = await self.store.read(lambda tx: tx.operations.get(f"op-{self.name}"))
        return found.state.value, operation.state.value

    async def events(self) -> list[str]:
        return [each.kind for each in await self.store.read(lambda tx: tx.outbox.of_operation(f"op-{self.name}"))]

    async def record(self) -> list[tuple[str, str]]:
        story = await self.store.read(lambda tx: tx.audit.history_of(f"op-{self.name}"))
        return [(row.entry.action, row.entry.actor) for row in story]

    def runs_what_was_approved(self) -> bool:
        approved = digest(plan_of(self.name).steps[0].manifest["spec"])
        return [digest(each["spec"]) for each in self.restores] == [approved]


@contextlib.asynccontextmanager
async def cluster_in(directory: Path) -> AsyncIterator[tuple[Store, Cluster, Objects]]:
    ids = iter(range(10**9))
    objects = Objects(now=lambda: NOW, new_id=lambda: f"uid-{next(ids)}")
    objects.create("namespaces", None, {"metadata": {"name": "velero"}})
    api = KubernetesEmulator(objects, {"t": admin()})
    cluster = Cluster(ClusterSettings("prod", Direct(await api.start(), "t")), now=lambda: NOW, random=Random(1))
    store = await Store.open(directory, NOW, reserve_bytes=1024)
    try:
        yield store, cluster, objects
    finally:
        await store.close()
        await cluster.close()
        await api.close()
