"""Handles the deadlines of approvals: expiry, reminders, votes and decisions to retry, and the start of the operation.

A deadline is moved into the future before it is handled and finished afterwards, so that a crash repeats it; every
handler can therefore run twice.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial

from domain.approval import Approval, ApprovalState
from domain.errors import ClusterError, ConcurrentChange, UserError
from domain.event import Event, Severity
from domain.operation import Operation, State
from domain.operation_name import name_operation
from operations.approval import eligibility, messages, timers, transitions
from operations.approval.completion import Completion
from operations.approval.services import ApprovalServices
from operations.approval.voting import Voting
from policy.directory import Directory
from store.isolation import Isolation
from store.tables.deadlines import Deadline
from store.tables.failed_items import ItemKind
from store.transaction import Transaction

log = logging.getLogger(__name__)

RemoveFromQueue = Callable[[Operation], Awaitable[None]]
Targets = Mapping[str, list[str]]
NOT_STARTED = frozenset({State.SUBMITTING, State.UNCONFIRMED, State.SUBMITTED})


class ApprovalDeadlines:
    def __init__(
        self,
        services: ApprovalServices,
        voting: Voting,
        completion: Completion,
        remove_from_queue: RemoveFromQueue | None = None,
    ) -> None:
        self._services = services
        self._store = services.store
        self._voting = voting
        self._completion = completion
        self._remove_from_queue = remove_from_queue
        self._isolation = Isolation(services.store, ItemKind.TIMER, services.now)

    async def round(self) -> float | None:
        """Handle the due deadlines of approvals, each on its own: one that fails doesn't stop the others."""
        now = self._services.now()
        due = await self._store.read(lambda tx: tx.deadlines.due(now, timers.DEADLINE_KINDS))
        await self._isolation.run_each(
            (deadline.id, f"timer {deadline.kind}", partial(self.handle, deadline)) for deadline in due
        )
        return 1.0

    async def handle(self, deadline: Deadline) -> None:
        """Move the deadline, handle it, and finish it unless its handler moved it again.

        A saved vote stays until it is cast or refused.
        """
        now = self._services.now()
        payload = {**deadline.payload, "taken_at": now.isoformat()}
        later = replace(deadline, at=now + self._services.settings().retry_after, payload=payload)
        await self._store.write(lambda tx: tx.deadlines.put(later))
        subject = str(deadline.payload.get("id", ""))
        try:
            match deadline.kind:
                case timers.EXPIRE_KIND:
                    await self._expire(subject)
                case timers.REMIND_KIND:
                    await self._remind(subject)
                case timers.DECIDE_KIND:
                    await self._retry_decision(subject)
                case timers.VOTE_KIND:
                    await self._voting.cast_saved(subject, deadline)
                case timers.START_KIND:
                    await self._check_start(subject)
        except (ClusterError, ConcurrentChange):
            return
        except UserError as error:
            log.info("deadline %s has no effect: %s", deadline.id, error.text)
        if deadline.kind != timers.VOTE_KIND:
            await self._store.write(lambda tx: tx.deadlines.finish_unless_moved(later))

    async def _expire(self, approval_id: str) -> None:
        now, settings = self._services.now(), self._services.settings()
        approval = await self._load(approval_id)
        targets, directory = await self._notification_targets(approval), await self._read_directory(approval)

        def write(tx: Transaction) -> None:
            approval, operation = transitions.load_approval(tx, approval_id)
            if approval.state is ApprovalState.DECIDING:
                tx.deadlines.put(timers.deadline_at(timers.EXPIRE_KIND, approval_id, now + settings.retry_after))
            elif approval.state is ApprovalState.OPEN and operation.state is not State.AWAITING:
                # The review of a break-glass run never expires: it is requested again.
                again = now + (approval.expires_at - approval.requested_at)
                tx.outbox.add(self._reminder(tx, approval, operation, directory, targets))
                tx.deadlines.put(timers.deadline_at(timers.EXPIRE_KIND, approval_id, again))
            elif approval.state is ApprovalState.OPEN:
                count = eligibility.count_text(approval, directory)
                headline = f"{name_operation(operation)} expired without approval: {count}"
                transitions.record_end(tx, approval, ApprovalState.EXPIRED, "timer", now, headline)

        await self._store.write(write)

    async def _remind(self, approval_id: str) -> None:
        now = self._services.now()
        approval = await self._load(approval_id)
        targets, directory = await self._notification_targets(approval), await self._read_directory(approval)

        def write(tx: Transaction) -> None:
            approval, operation = transitions.load_approval(tx, approval_id)
            tx.deadlines.finish(timers.deadline_at(timers.REMIND_KIND, approval_id, now).id)
            if approval.state is ApprovalState.OPEN:
                tx.approvals.mark_reminded(approval_id, now)
                tx.outbox.add(self._reminder(tx, approval, operation, directory, targets))

        await self._store.write(write)

    def _reminder(
        self, tx: Transaction, approval: Approval, operation: Operation, directory: Directory, targets: Targets
    ) -> Event:
        now = self._services.now()
        count = eligibility.count_text(approval, directory)
        facts = {
            "headline": f"{name_operation(operation)} is still waiting for approval: {count}",
            "message": f"Approvers: {', '.join(approval.approvers)}",
            "approvals_channel": self._services.settings().channel or tx.operations.origin(operation.id).channel,
            **targets,
        }
        event = messages.approval_event("reminded", approval, operation, now, facts, Severity.WARNING)
        # Each reminder is an event of its own, although the approval's revision is the same.
        return replace(event, transition=f"{event.transition}:{now.isoformat()}")

    async def _notification_targets(self, approval: Approval) -> Targets:
        """Return the channels and people in the rule's `notify`, with the groups' current members."""
        policy = self._services.policy()
        named = next((rule.approvals.notify for rule in policy.rules if rule.name == approval.rule), ())
        if not named:
            return {}
        directory = await policy.directory(eligibility.approver_groups(named))
        return eligibility.notification_targets(named, directory, approval)

    async def _read_directory(self, approval: Approval) -> Directory:
        """Return the current members of the approver groups, and the voters."""
        return await self._services.policy().directory(approval.approvers, eligibility.counted_voters(approval))

    async def _load(self, approval_id: str) -> Approval:
        return (await self._store.read(lambda tx: transitions.load_approval(tx, approval_id)))[0]

    async def _retry_decision(self, approval_id: str) -> None:
        approval = await self._load(approval_id)
        if approval.state is not ApprovalState.OPEN:
            return
        directory = await self._read_directory(approval)
        if not directory.known:
            again = self._services.now() + self._services.settings().retry_after
            deadline = timers.deadline_at(timers.DECIDE_KIND, approval_id, again)
            await self._store.write(lambda tx: tx.deadlines.put(deadline))
        elif eligibility.is_complete(approval, directory):
            deciding = await self._store.write(lambda tx: tx.approvals.begin_deciding(approval_id, approval.revision))
            await self._completion.decide(deciding)

    async def _check_start(self, operation_id: str) -> None:
        """Remove an operation that hasn't started from Velero's queue.

        The deadline is set again first: an earlier step may still run, or the cluster may not respond.
        """
        operation = await self._store.read(lambda tx: tx.operations.get(operation_id))
        if operation is None or self._remove_from_queue is None:
            return
        if operation.state not in NOT_STARTED or operation.phase not in {"", "New"}:
            return
        settings = self._services.settings()
        delay = settings.retry_after if operation.object_uid else settings.start_deadline
        deadline = timers.deadline_at(timers.START_KIND, operation_id, self._services.now() + delay)
        await self._store.write(lambda tx: tx.deadlines.put(deadline))
        if operation.object_uid:
            await self._remove_from_queue(operation)
