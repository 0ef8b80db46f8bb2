"""Completes an approval after its last vote: resolves the plan again, and runs it only if it is what was approved.

Drift since the request makes the request stale. What can't be checked now keeps its votes and is retried.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

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
from operations.approval.services import ApprovalServices
from operations.conflicts import find_conflict
from operations.executor import Executor
from operations.replan import Replanned
from store.transaction import Transaction

Replan = Callable[[Operation, Plan, Actor, Origin], Awaitable[Replanned]]


class Completion:
    def __init__(self, services: ApprovalServices, executor: Executor, replan: Replan) -> None:
        self._services = services
        self._store = services.store
        self._executor = executor
        self._replan = replan

    async def decide(self, approval: Approval) -> Answer:
        """Run the operation if its approval still holds; otherwise reopen the request or mark it stale."""
        operation, stored, origin = await self._store.read(
            lambda tx: (
                transitions.load_approval(tx, approval.id)[1],
                tx.operations.load_plan(approval.operation),
                tx.operations.origin(approval.operation),
            )
        )
        if operation.state is not State.AWAITING:
            return await self._record_review(approval)
        directory = await self._services.policy().directory(approval.approvers, eligibility.counted_voters(approval))
        if not (directory.known and eligibility.is_complete(approval, directory)):
            return await self._reopen(approval, "The approvers changed in the meantime. More votes are needed.")
        try:
            replanned = await self._replan(operation, stored, await self._services.identify(approval.requester), origin)
        except (ClusterError, IdentityUnknown) as error:
            return await self._reopen(approval, f"The plan can't be checked right now: {error.text}")
        except UserError as error:
            return await self._mark_stale(approval, (error.text, error.why))
        if stored.impact is not None and replanned.plan.impact is None:
            return await self._reopen(approval, "The preview of the changes isn't available right now.")
        drift = find_drift(approval, stored, replanned.plan, replanned.decision)
        if drift.stale:
            return await self._mark_stale(approval, drift.stale)
        return await self._run(approval, stored, drift.notes)

    async def _run(self, approval: Approval, plan: Plan, notes: tuple[str, ...]) -> Answer:
        now, settings = self._services.now(), self._services.settings()

        def write(tx: Transaction) -> tuple[Approval, Operation]:
            _, operation = transitions.load_approval(tx, approval.id)
            if other := find_conflict(tx, operation, plan.reach):
                raise Stale(other)
            by = messages.voter_names(approval, VoteKind.APPROVE)
            headline = f"{name_operation(operation)} was approved by {by}"
            tx.deadlines.put(timers.deadline_at(timers.START_KIND, operation.id, now + settings.start_deadline))
            return transitions.record_end(
                tx, approval, ApprovalState.APPROVED, approval.votes[-1].voter, now, headline, notes
            )

        try:
            finished, operation = await self._store.write(write)
        except Stale as error:
            return await self._mark_stale(approval, (error.text,))
        except ConcurrentChange:
            return await self._current_state(approval.id)
        voters = tuple(vote.voter for vote in finished.votes if vote.kind is VoteKind.APPROVE)
        grant = approved(operation.id, plan.fingerprint, operation.fingerprint, voters, finished.quorum)
        try:
            result = await self._executor.execute(grant)
        except (ClusterError, UserError) as error:
            await self._report_not_started(finished, operation, error)
            raise
        unconfirmed = result.operation.state is State.UNCONFIRMED
        title = name_operation(operation).in_sentence
        return Answer(
            f"Approved. Velero hasn't confirmed {title} yet; checking." if unconfirmed else f"Approved: {title} runs.",
            tuple(Text(note) for note in notes),
            Tone.WARNING if unconfirmed else Tone.GOOD,
            cluster=operation.cluster,
        )

    async def _report_not_started(self, approval: Approval, operation: Operation, error: ChatopsError) -> None:
        facts = {
            "headline": f"{name_operation(operation)} was approved, but didn't start",
            "message": " ".join(part for part in (error.text, error.why, error.fix) if part),
            "user": approval.requester,
        }
        event = messages.approval_event(
            "not-started", approval, operation, self._services.now(), facts, Severity.FAILURE
        )
        await self._store.write(lambda tx: tx.outbox.add(event))

    async def _mark_stale(self, approval: Approval, why: tuple[str, ...]) -> Answer:
        lines = tuple(line for line in why if line)

        def write(tx: Transaction) -> Operation:
            _, operation = transitions.load_approval(tx, approval.id)
            headline = f"{name_operation(operation)} wasn't started: the plan changed after it was approved"
            return transitions.record_end(
                tx, approval, ApprovalState.STALE, approval.votes[-1].voter, self._services.now(), headline, lines
            )[1]

        try:
            operation = await self._store.write(write)
        except ConcurrentChange:
            return await self._current_state(approval.id)
        parts = tuple(Text(line) for line in lines)
        return Answer(
            "Not started: the plan changed after it was approved.", parts, Tone.WARNING, cluster=operation.cluster
        )

    async def _reopen(self, approval: Approval, why: str) -> Answer:
        """Keep the votes and decide again later, until the request expires."""
        again = self._services.now() + self._services.settings().retry_after

        def write(tx: Transaction) -> None:
            tx.approvals.reopen(approval.id, approval.revision)
            tx.deadlines.put(timers.deadline_at(timers.DECIDE_KIND, approval.id, again))

        try:
            await self._store.write(write)
        except ConcurrentChange:
            return await self._current_state(approval.id)
        return Answer("Vote counted, but the operation isn't started yet.", (Text(why),), Tone.WARNING)

    async def _record_review(self, approval: Approval) -> Answer:
        def write(tx: Transaction) -> None:
            _, operation = transitions.load_approval(tx, approval.id)
            voters = messages.voter_names(approval, VoteKind.APPROVE)
            headline = f"{name_operation(operation)} was reviewed and approved by {voters} after it ran"
            now = self._services.now()
            transitions.record_end(tx, approval, ApprovalState.APPROVED, approval.votes[-1].voter, now, headline)

        await self._store.write(write)
        return Answer("Review approved. It's in the audit log.", tone=Tone.GOOD)

    async def _current_state(self, approval_id: str) -> Answer:
        """Answer a vote whose approval another transaction has changed first."""
        approval, _ = await self._store.read(lambda tx: transitions.load_approval(tx, approval_id))
        return Answer(messages.outcome_text(approval).text, tone=Tone.WARNING)
