"""Opens approval requests, withdraws them and shows them to approvers; recovers them after a restart.

The last vote closes the voting in one transaction; the plan is resolved again outside; a second transaction lets it run
if it is still the plan that was shown. Whichever transaction loses a race finds the winner's state and reports it.
"""

from __future__ import annotations

from datetime import datetime

from domain.actor import Actor
from domain.answer import Answer
from domain.approval import Approval, ApprovalState
from domain.decision import Decision
from domain.errors import ClusterError, ConcurrentChange, Refused, UserError
from domain.operation import Operation, State
from domain.operation_name import name_operation
from domain.plan import Plan
from operations.approval import eligibility, messages, opening, timers, transitions
from operations.approval.completion import Completion, Replan
from operations.approval.deadline_handler import ApprovalDeadlines, RemoveFromQueue
from operations.approval.services import ApprovalServices
from operations.approval.voting import Voting
from operations.executor import Executor
from operations.records import started_event
from operations.request import CommandRequest
from store.transaction import Transaction


class Approvals:
    def __init__(
        self,
        services: ApprovalServices,
        executor: Executor,
        replan: Replan,
        remove_from_queue: RemoveFromQueue | None = None,
    ) -> None:
        self._services = services
        self._store = services.store
        self._completion = Completion(services, executor, replan)
        self.voting = Voting(services, self._completion)
        self.deadlines = ApprovalDeadlines(services, self.voting, self._completion, remove_from_queue)

    async def open(self, operation: Operation, plan: Plan, decision: Decision, request: CommandRequest) -> Answer:
        """Store the plan and the approval. The answer tells the requester who has to approve it, and by when."""
        now, settings = self._services.now(), self._services.settings()
        waiting = operation.advance(State.AWAITING, now)
        approval = opening.open_approval(waiting, plan, decision, request, now)
        requester = {"channel": request.origin.channel, "thread": request.origin.thread}
        requester |= {"user": request.actor.id, "user_name": request.actor.name}
        facts = transitions.request_facts(plan, decision, requester, settings.channel)

        def write(tx: Transaction) -> None:
            tx.operations.insert(waiting, plan, request.origin)
            tx.outbox.add(started_event(waiting, plan, request))
            transitions.record_requested(tx, approval, waiting, plan, facts, settings, decision.rules_digest)

        await self._store.write(write)
        return opening.requester_answer(approval, waiting, plan)

    def record_break_glass(
        self, tx: Transaction, operation: Operation, plan: Plan, decision: Decision, request: CommandRequest
    ) -> None:
        """Record and report a break-glass run, and request its review. Raises Refused above the daily limit."""
        now, settings = self._services.now(), self._services.settings()
        transitions.record_break_glass(tx, request.actor, settings.break_glass_per_day, now)
        approval = opening.open_approval(operation, plan, decision, request, now)
        detail = {"why": operation.reason, "person": transitions.hash_person(request.actor)}
        transitions.append_audit(tx, approval, operation, request.actor.id, transitions.BYPASSED, now, detail)
        tx.outbox.add(messages.break_glass_event(approval, operation, now, request.actor))
        if decision.quorum:
            requester = {
                "channel": request.origin.channel,
                "user": request.actor.id,
                "user_name": request.actor.name,
            }
            facts = transitions.request_facts(plan, decision, requester, settings.channel)
            transitions.record_requested(tx, approval, operation, plan, facts, settings, decision.rules_digest)

    async def withdraw(self, approval_id: str, actor: Actor) -> Answer:
        """Withdraw a request that isn't decided yet. Raises Refused for anyone but the requester."""
        now = self._services.now()

        def write(tx: Transaction) -> None:
            approval, operation = transitions.load_approval(tx, approval_id)
            if not eligibility.is_requester(approval, actor):
                raise Refused(
                    "Only the requester can withdraw this request.", fix="To stop it, reject it with a reason."
                )
            if approval.state not in {ApprovalState.OPEN, ApprovalState.DECIDING}:
                raise messages.outcome_text(approval)
            if operation.state is not State.AWAITING:
                raise Refused("This ran through break-glass. Someone else has to review it.")
            transitions.record_end(
                tx,
                approval,
                ApprovalState.WITHDRAWN,
                actor.id,
                now,
                f"{name_operation(operation)} was withdrawn by {actor.name}",
            )

        await self._store.write(write)
        return Answer("Request withdrawn. Nothing was started.")

    async def details(self, approval_id: str, actor: Actor) -> tuple[Approval, Operation, Plan]:
        """Return the request and its plan for an approver or the requester. Raises Refused for others."""
        approval, operation = await self._store.read(lambda tx: transitions.load_approval(tx, approval_id))
        if not eligibility.is_requester(approval, actor):
            directory = await self._services.policy().directory(approval.approvers)
            if not (directory.known and eligibility.vote_counts(approval, directory, actor.id, actor.email)):
                raise Refused(
                    "You don't have permission to view this plan.",
                    fix=f"Only approvers can view it: {', '.join(approval.approvers)}.",
                )
        return approval, operation, await self._store.read(lambda tx: tx.operations.load_plan(operation.id))

    async def recover(self) -> None:
        """Decide again the approvals that the last process was deciding when it stopped."""
        await self._store.write(lambda tx: _restore_deadlines(tx, self._services.now()))
        for approval in await self._store.read(lambda tx: tx.approvals.deciding()):
            try:
                await self._completion.decide(approval)
            except (UserError, ClusterError, ConcurrentChange):
                continue


def _restore_deadlines(tx: Transaction, now: datetime) -> None:
    """Set expiry deadlines again, in case the last process stopped while handling one; decide complete requests now."""
    for approval in tx.approvals.open():
        tx.deadlines.put(timers.deadline_at(timers.EXPIRE_KIND, approval.id, approval.expires_at))
        if len(approval.votes) >= approval.quorum:
            tx.deadlines.put(timers.deadline_at(timers.DECIDE_KIND, approval.id, now))
