"""What the last vote sets going: everything is resolved again; what differs from what was shown does not run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from domain.actor import Actor, Origin
from domain.answer import Answer, Text, Tone
from domain.approval import Approval, ApprovalState, VoteKind
from domain.decision import approved
from domain.errors import ChatopsError, ClusterError, ConcurrentChange, IdentityUnknown, Stale, UserError
from domain.event import Severity
from domain.operation import Operation, State
from domain.operation_name import name_operation
from domain.plan import Plan
from operations.approval import eligibility, messages, timers, transitions
from operations.approval.drift import find_drift
from operations.approval.timers import ApprovalTimes
from operations.conflicts import find_conflict
from operations.executor import Executor
from operations.replan import Replanned
from operations.request import Policy
from store.transaction import Transaction
from store.writer import Store

Replan = Callable[[Operation, Plan, Actor, Origin], Awaitable[Replanned]]
IdentifyActor = Callable[..., Awaitable[Actor]]
"""Somebody as they are now, by the id that the operation keeps, and the workspace that they came from where that is known.

Raises UserError where they may ask no more, Unsure where nobody can say.
"""


class Completion:
    def __init__(
        self,
        store: Store,
        executor: Executor,
        replan: Replan,
        policy: Callable[[], Policy],
        who: IdentifyActor,
        settings: Callable[[], ApprovalTimes],
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._executor = executor
        self._replan = replan
        self._policy = policy
        self._who = who
        self._settings = settings
        self._now = now

    async def decide(self, approval: Approval) -> Answer:
        """Everything is resolved again; what differs from what was shown does not run."""
        operation, stored, origin = await self._store.read(
            lambda tx: (
                transitions.load_approval(tx, approval.id)[1],
                tx.operations.load_plan(approval.operation),
                tx.operations.origin(approval.operation),
            )
        )
        if operation.state is not State.AWAITING:
            return await self._followed_up(approval)
        directory = await self._policy().directory(approval.approvers, eligibility.counted_voters(approval))
        if not (directory.known and eligibility.is_complete(approval, directory)):
            return await self._reopened(approval, "The approvers changed in the meantime. More votes are needed.")
        try:
            again = await self._replan(operation, stored, await self._who(approval.requester), origin)
        except (ClusterError, IdentityUnknown) as error:
            return await self._reopened(approval, f"The plan can't be checked right now: {error.text}")
        except UserError as error:
            return await self._stale(approval, (error.text, error.why))
        if stored.impact is not None and again.plan.impact is None:
            return await self._reopened(approval, "The preview of the changes isn't available right now.")
        found = find_drift(approval, stored, again.plan, again.decision)
        if found.stale:
            return await self._stale(approval, found.stale)
        return await self._run(approval, stored, found.notes)

    async def _run(self, approval: Approval, plan: Plan, notes: tuple[str, ...]) -> Answer:
        now, settings = self._now(), self._settings()

        def write(tx: Transaction) -> tuple[Approval, Operation]:
            _, operation = transitions.load_approval(tx, approval.id)
            if other := find_conflict(tx, operation, plan.reach):
                raise Stale(other)
            by = messages.voter_names(approval, VoteKind.APPROVE)
            said = f"{name_operation(operation)} was approved by {by}"
            tx.deadlines.put(timers.deadline_at(timers.START_KIND, operation.id, now + settings.start_deadline))
            return transitions.record_end(
                tx, approval, ApprovalState.APPROVED, approval.votes[-1].voter, now, said, notes
            )

        try:
            settled, operation = await self._store.write(write)
        except Stale as error:
            return await self._stale(approval, (error.text,))
        except ConcurrentChange:
            return await self._overtaken(approval.id)
        voters = tuple(vote.voter for vote in settled.votes if vote.kind is VoteKind.APPROVE)
        grant = approved(operation.id, plan.fingerprint, operation.fingerprint, voters, settled.quorum)
        try:
            done = await self._executor.execute(grant)
        except (ClusterError, UserError) as error:
            await self._not_taken(settled, operation, error)
            raise
        unconfirmed = done.operation.state is State.UNCONFIRMED
        title = name_operation(operation).in_sentence
        return Answer(
            f"Approved. Velero hasn't confirmed {title} yet; checking." if unconfirmed else f"Approved: {title} runs.",
            tuple(Text(note) for note in notes),
            Tone.WARNING if unconfirmed else Tone.GOOD,
            cluster=operation.cluster,
        )

    async def _not_taken(self, approval: Approval, operation: Operation, error: ChatopsError) -> None:
        facts = {
            "headline": f"{name_operation(operation)} was approved, but didn't start",
            "message": " ".join(part for part in (error.text, error.why, error.fix) if part),
            "user": approval.requester,
        }
        told = messages.approval_event("not-started", approval, operation, self._now(), facts, Severity.FAILURE)
        await self._store.write(lambda tx: tx.outbox.add(told))

    async def _stale(self, approval: Approval, why: tuple[str, ...]) -> Answer:
        lines = tuple(line for line in why if line)

        def write(tx: Transaction) -> Operation:
            _, operation = transitions.load_approval(tx, approval.id)
            said = f"{name_operation(operation)} wasn't started: the plan changed after it was approved"
            return transitions.record_end(
                tx, approval, ApprovalState.STALE, approval.votes[-1].voter, self._now(), said, lines
            )[1]

        try:
            operation = await self._store.write(write)
        except ConcurrentChange:
            return await self._overtaken(approval.id)
        parts = tuple(Text(line, untrusted=True) for line in lines)
        return Answer(
            "Not started: the plan changed after it was approved.", parts, Tone.WARNING, cluster=operation.cluster
        )

    async def _reopened(self, approval: Approval, why: str) -> Answer:
        """The votes stay; it is looked at again soon, until it expires."""
        again = self._now() + self._settings().retry_after

        def write(tx: Transaction) -> None:
            tx.approvals.reopen(approval.id, approval.revision)
            tx.deadlines.put(timers.deadline_at(timers.DECIDE_KIND, approval.id, again))

        try:
            await self._store.write(write)
        except ConcurrentChange:
            return await self._overtaken(approval.id)
        return Answer("Vote counted, but the operation isn't started yet.", (Text(why, untrusted=True),), Tone.WARNING)

    async def _followed_up(self, approval: Approval) -> Answer:
        def write(tx: Transaction) -> None:
            _, operation = transitions.load_approval(tx, approval.id)
            said = f"{name_operation(operation)} was reviewed and approved by {messages.voter_names(approval, VoteKind.APPROVE)} after it ran"
            transitions.record_end(tx, approval, ApprovalState.APPROVED, approval.votes[-1].voter, self._now(), said)

        await self._store.write(write)
        return Answer("Review approved. It's in the audit log.", tone=Tone.GOOD)

    async def _overtaken(self, ident: str) -> Answer:
        approval, _ = await self._store.read(lambda tx: transitions.load_approval(tx, ident))
        return Answer(messages.outcome_text(approval).text, tone=Tone.WARNING)
