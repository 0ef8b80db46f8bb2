"""The life of an approval: asked, voted on, decided by the last vote, or ended before.

The last vote closes the voting in one transaction; everything is resolved again outside; a second transaction lets the
approved plan run, if it still is the plan that was shown. Whoever loses a race finds the state that the winner left.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from typing import Any

from domain.actor import Actor
from domain.answer import Answer, Text, Tone
from domain.approval import Approval, ApprovalState, Vote, VoteKind
from domain.decision import Decision
from domain.errors import ClusterError, ConcurrentChange, IdentityUnknown, Refused, Stale, UserError
from domain.event import Severity
from domain.operation import Operation, State
from domain.operation_name import name_operation
from domain.plan import Plan
from operations.approval import eligibility, messages, opening, timers, transitions
from operations.approval.completion import Completion, IdentifyActor, Replan
from operations.approval.timers import ApprovalTimes
from operations.executor import Executor
from operations.records import started_event
from operations.request import CommandRequest, Policy
from policy.directory import UNKNOWN, Directory
from store.isolation import Isolation
from store.tables.deadlines import Deadline
from store.tables.failed_items import ItemKind
from store.transaction import Transaction
from store.writer import Store

log = logging.getLogger(__name__)

VOTE_WAITS = "Your vote is saved but doesn't count yet."


class Approvals:
    def __init__(
        self,
        store: Store,
        executor: Executor,
        replan: Replan,
        policy: Callable[[], Policy],
        who: IdentifyActor,
        settings: Callable[[], ApprovalTimes],
        now: Callable[[], datetime],
        withdraw: Callable[[Operation], Awaitable[None]] | None = None,
    ) -> None:
        self._store = store
        self._deciding = Completion(store, executor, replan, policy, who, settings, now)
        self._policy = policy
        self._who = who
        self._settings = settings
        self._now = now
        self._timers = Isolation(store, ItemKind.TIMER, now)
        self._take_back = withdraw

    async def open(self, operation: Operation, plan: Plan, decision: Decision, request: CommandRequest) -> Answer:
        """Stores plan and approval; the requester is told who has to agree, and by when."""
        now, settings = self._now(), self._settings()
        waiting = operation.advance(State.AWAITING, now)
        approval = opening.open_approval(waiting, plan, decision, request, now)
        who = {"channel": request.origin.channel, "thread": request.origin.thread}
        who |= {"user": request.actor.id, "user_name": request.actor.name}
        facts = transitions.request_facts(plan, decision, who, settings.channel)

        def write(tx: Transaction) -> None:
            tx.operations.insert(waiting, plan, request.origin)
            tx.outbox.add(started_event(waiting, plan, request))
            transitions.record_requested(tx, approval, waiting, plan, facts, settings, decision.rules_digest)

        await self._store.write(write)
        return opening.requester_answer(approval, waiting, plan)

    def record_break_glass(
        self, tx: Transaction, operation: Operation, plan: Plan, decision: Decision, request: CommandRequest
    ) -> None:
        """The glass was broken: told at once, and approval is asked for until it is given. Raises Refused if too often."""
        now, settings = self._now(), self._settings()
        transitions.record_break_glass(tx, request.actor, settings.break_glass_per_day, now)
        approval = opening.open_approval(operation, plan, decision, request, now)
        why = {"why": operation.reason, "person": transitions.hash_person(request.actor)}
        transitions.append_audit(tx, approval, operation, request.actor.id, transitions.BYPASSED, now, why)
        tx.outbox.add(messages.break_glass_event(approval, operation, now, request.actor))
        if decision.quorum:
            who = {"channel": request.origin.channel, "user": request.actor.id, "user_name": request.actor.name}
            facts = transitions.request_facts(plan, decision, who, settings.channel)
            transitions.record_requested(tx, approval, operation, plan, facts, settings, decision.rules_digest)

    async def vote(self, ident: str, actor: Actor, kind: VoteKind, reason: str = "", seen: str | None = None) -> Answer:
        """One person's vote. `seen` is the fingerprint that the button carried: a copied button of another request does nothing.

        Raises UserError with why it does not count.
        """
        approval, operation = await self._votable(ident, actor, kind, reason, seen)
        directory = await self._in_time(approval, actor)
        if not directory.known:
            return await self._waits(approval, actor, kind, reason)
        return await self._cast(approval, operation, directory, actor, kind, reason)

    async def keep_vote(self, ident: str, actor: Actor, kind: VoteKind, reason: str, seen: str) -> Answer:
        """Of somebody whom Slack does not tell us of just now: kept, and cast as soon as it does."""
        approval, _ = await self._votable(ident, actor, kind, reason, seen)
        return await self._waits(approval, actor, kind, reason)

    async def _votable(
        self, ident: str, actor: Actor, kind: VoteKind, reason: str, seen: str | None
    ) -> tuple[Approval, Operation]:
        """What needs no directory. Raises UserError."""
        approval, operation = await self._known(ident)
        if seen is not None and seen != approval.fingerprint:
            raise Stale(
                "This button belongs to an older version of the request.",
                fix="Use the buttons in the latest request message.",
            )
        if kind is VoteKind.REJECT and not reason.strip():
            raise Refused("A rejection needs a reason.", fix="Select Reject again and enter a reason.")
        eligibility.check_may_vote(approval, actor, self._now(), afterwards=operation.state is not State.AWAITING)
        return approval, operation

    async def _in_time(self, approval: Approval, actor: Actor) -> Directory:
        """Somebody waits for the answer: a Slack that hangs is one that cannot be asked."""
        try:
            async with asyncio.timeout(self._settings().vote_timeout):
                return await self._asked_of_slack(approval, actor)
        except TimeoutError:
            return UNKNOWN

    async def _asked_of_slack(self, approval: Approval, actor: Actor) -> Directory:
        return await self._policy().directory(approval.approvers, (actor.id, *eligibility.counted_voters(approval)))

    async def _cast(
        self,
        approval: Approval,
        operation: Operation,
        directory: Directory,
        actor: Actor,
        kind: VoteKind,
        reason: str,
    ) -> Answer:
        if not eligibility.vote_counts(approval, directory, actor.id, actor.email):
            raise Refused(
                "You don't have permission to approve this request.",
                why=f"Rule *{approval.rule}* names other approvers.",
                fix=f"Only approvers can view it: {', '.join(approval.approvers)}.",
            )
        groups = eligibility.groups_of(approval, directory, actor)
        vote = Vote(actor.id, actor.name, actor.email, kind, self._now(), groups, reason)

        def cast(tx: Transaction) -> Approval:
            current, operation = transitions.load_approval(tx, approval.id)
            afterwards = operation.state is not State.AWAITING
            eligibility.check_may_vote(current, actor, self._now(), afterwards=afterwards)
            fresh = transitions.record_vote(tx, current, operation, vote)
            if kind is VoteKind.REJECT:
                late = " after it ran" if afterwards else ""
                said = f"{name_operation(operation)} was rejected{late} by {actor.name}: {reason}"
                return transitions.record_end(tx, fresh, ApprovalState.REJECTED, actor.id, vote.at, said)[0]
            if eligibility.is_complete(fresh, directory):
                return tx.approvals.begin_deciding(fresh.id, fresh.revision)
            return fresh

        fresh = await self._store.write(cast)
        if fresh.state is ApprovalState.DECIDING:
            return await self._deciding.decide(fresh)
        if fresh.state is ApprovalState.REJECTED:
            ran = operation.state is not State.AWAITING
            said = (
                "Rejected. The operation already ran; the rejection is in the audit log."
                if ran
                else "Rejected. Nothing was started."
            )
            return Answer(said, (Text(reason, untrusted=True),), cluster=operation.cluster)
        count = eligibility.count_text(fresh, directory)
        return Answer(f"Vote counted: {count}.", tone=Tone.GOOD, cluster=operation.cluster)

    async def withdraw(self, ident: str, actor: Actor) -> Answer:
        """By the requester alone, until it is decided."""
        now = self._now()

        def write(tx: Transaction) -> None:
            approval, operation = transitions.load_approval(tx, ident)
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

    async def details(self, ident: str, actor: Actor) -> tuple[Approval, Operation, Plan]:
        """For whoever has to decide on it, and for who asked. Raises Refused for others."""
        approval, operation = await self._known(ident)
        if not eligibility.is_requester(approval, actor):
            directory = await self._policy().directory(approval.approvers)
            if not (directory.known and eligibility.vote_counts(approval, directory, actor.id, actor.email)):
                raise Refused(
                    "You don't have permission to view this plan.",
                    fix=f"Only approvers can view it: {', '.join(approval.approvers)}.",
                )
        return approval, operation, await self._store.read(lambda tx: tx.operations.load_plan(operation.id))

    async def _waits(self, approval: Approval, actor: Actor, kind: VoteKind, reason: str) -> Answer:
        """Nobody can say who is in the groups: the vote is kept and tried again, until the request expires."""
        when = self._now() + self._settings().retry_after
        voter = {key: value for key, value in asdict(actor).items() if key in {"id", "name", "email", "team"}}
        timer = timers.deadline_at(timers.VOTE_KIND, approval.id, when, voter=voter, kind=kind.value, reason=reason)
        kept = replace(timer, id=f"{timer.id}:{actor.id}")
        await self._store.write(lambda tx: tx.deadlines.put(kept))
        why = Text("Slack doesn't return the approvers right now. The bot retries until the request expires.")
        return Answer(VOTE_WAITS, (why,), Tone.WARNING)

    # timers

    async def round(self) -> float | None:
        """What is due of approvals; comes back when the next may be."""
        now = self._now()
        due = await self._store.read(lambda tx: tx.deadlines.due(now, timers.DEADLINE_KINDS))
        await self._timers.run_each((one.id, f"timer {one.kind}", partial(self.handle_deadline, one)) for one in due)
        return 1.0

    async def handle_deadline(self, deadline: Deadline) -> None:
        """Put off while it is seen to, and done after, unless somebody has moved it meanwhile: what a crash interrupts
        comes again, so every effect may be asked for twice. A vote that waits is kept until it is cast or refused.
        """
        now = self._now()
        taken = {**deadline.payload, "taken_at": now.isoformat()}
        later = replace(deadline, at=now + self._settings().retry_after, payload=taken)
        await self._store.write(lambda tx: tx.deadlines.put(later))
        ident = str(deadline.payload.get("id", ""))
        try:
            match deadline.kind:
                case timers.EXPIRE_KIND:
                    await self._expire(ident)
                case timers.REMIND_KIND:
                    await self._remind(ident)
                case timers.DECIDE_KIND:
                    await self._try_again(ident)
                case timers.VOTE_KIND:
                    await self._late_vote(ident, deadline)
                case timers.START_KIND:
                    await self._start_deadline(ident)
        except (ClusterError, ConcurrentChange):
            return
        except UserError as error:
            log.info("timer %s has nothing to do: %s", deadline.id, error.text)
        if deadline.kind != timers.VOTE_KIND:
            await self._store.write(lambda tx: tx.deadlines.finish_unless_moved(later))

    async def _expire(self, ident: str) -> None:
        now, told = self._now(), await self._told_too(ident)
        directory = await self._voters_now(ident)

        def write(tx: Transaction) -> None:
            approval, operation = transitions.load_approval(tx, ident)
            count = eligibility.count_text(approval, directory)
            if approval.state is ApprovalState.DECIDING:
                tx.deadlines.put(timers.deadline_at(timers.EXPIRE_KIND, ident, now + self._settings().retry_after))
            elif approval.state is ApprovalState.OPEN and operation.state is not State.AWAITING:
                # A follow-up on what has run already: it does not lapse, it is asked for again.
                _reminded(
                    tx,
                    approval,
                    operation,
                    now,
                    self._settings(),
                    {**told, "headline": _waits_headline(operation, count)},
                )
                tx.deadlines.put(
                    timers.deadline_at(timers.EXPIRE_KIND, ident, now + (approval.expires_at - approval.requested_at))
                )
            elif approval.state is ApprovalState.OPEN:
                said = f"{name_operation(operation)} expired without approval: {count}"
                transitions.record_end(tx, approval, ApprovalState.EXPIRED, "timer", now, said)

        await self._store.write(write)

    async def _told_too(self, ident: str) -> Mapping[str, list[str]]:
        """Whom the rule names in `notify`, as the groups are now."""
        approval, _ = await self._known(ident)
        named = next((rule.approvals.notify for rule in self._policy().rules if rule.name == approval.rule), ())
        if not named:
            return {}
        return eligibility.notification_targets(
            named, await self._policy().directory(eligibility.approver_groups(named)), approval
        )

    async def _voters_now(self, ident: str) -> Directory:
        """The approvers and the voters, as the groups are now."""
        approval, _ = await self._known(ident)
        return await self._policy().directory(approval.approvers, eligibility.counted_voters(approval))

    async def _remind(self, ident: str) -> None:
        now, told = self._now(), await self._told_too(ident)
        directory = await self._voters_now(ident)

        def write(tx: Transaction) -> None:
            approval, operation = transitions.load_approval(tx, ident)
            tx.deadlines.finish(timers.deadline_at(timers.REMIND_KIND, ident, now).id)
            if approval.state is ApprovalState.OPEN:
                tx.approvals.mark_reminded(ident, now)
                count = eligibility.count_text(approval, directory)
                _reminded(
                    tx,
                    approval,
                    operation,
                    now,
                    self._settings(),
                    {**told, "headline": _waits_headline(operation, count)},
                )

        await self._store.write(write)

    async def _try_again(self, ident: str) -> None:
        approval, _ = await self._known(ident)
        if approval.state is not ApprovalState.OPEN:
            return
        directory = await self._policy().directory(approval.approvers, eligibility.counted_voters(approval))
        if not directory.known:
            again = self._now() + self._settings().retry_after
            await self._store.write(lambda tx: tx.deadlines.put(timers.deadline_at(timers.DECIDE_KIND, ident, again)))
        elif eligibility.is_complete(approval, directory):
            deciding = await self._store.write(lambda tx: tx.approvals.begin_deciding(ident, approval.revision))
            await self._deciding.decide(deciding)

    async def _late_vote(self, ident: str, deadline: Deadline) -> None:
        """By the voter as they are now. Nobody waits for it: Slack may take its time. Lost to somebody faster it is tried again."""
        voter = deadline.payload["voter"]
        kind, reason = VoteKind(deadline.payload["kind"]), str(deadline.payload.get("reason", ""))
        try:
            actor = await self._who(str(voter["id"]), str(voter.get("team", "")))
            approval, operation = await self._votable(ident, actor, kind, reason, None)
            directory = await self._asked_of_slack(approval, actor)
            if not directory.known:
                return
            await self._cast(approval, operation, directory, actor, kind, reason)
        except IdentityUnknown:
            return
        except (UserError, ClusterError) as error:
            log.info("a vote that waited was not cast: %s", error.text)
        await self._store.write(lambda tx: tx.deadlines.finish(deadline.id))

    async def _start_deadline(self, ident: str) -> None:
        """Out of Velero's queue; while a step before it runs, or its cluster does not answer, it is looked at again."""
        operation = await self._store.read(lambda tx: tx.operations.get(ident))
        waiting = {State.SUBMITTING, State.UNCONFIRMED, State.SUBMITTED}
        waits = operation is not None and operation.state in waiting and operation.phase in {"", "New"}
        if operation is None or not waits or self._take_back is None:
            return
        settings = self._settings()
        wait = settings.retry_after if operation.object_uid else settings.start_deadline
        await self._store.write(
            lambda tx: tx.deadlines.put(timers.deadline_at(timers.START_KIND, ident, self._now() + wait))
        )
        if operation.object_uid:
            await self._take_back(operation)

    # after a restart

    async def recover(self) -> None:
        """What a dead process was deciding is decided again; what was approved runs, if its window is still open."""
        await self._store.write(lambda tx: _rewound(tx, self._now()))
        for approval in await self._store.read(lambda tx: tx.approvals.deciding()):
            try:
                await self._deciding.decide(approval)
            except (UserError, ClusterError, ConcurrentChange):
                continue

    async def _known(self, ident: str) -> tuple[Approval, Operation]:
        return await self._store.read(lambda tx: transitions.load_approval(tx, ident))


def _rewound(tx: Transaction, now: datetime) -> None:
    """A timer that went off while the process died is set again; what has all its votes is looked at again."""
    for approval in tx.approvals.open():
        tx.deadlines.put(timers.deadline_at(timers.EXPIRE_KIND, approval.id, approval.expires_at))
        if len(approval.votes) >= approval.quorum:
            tx.deadlines.put(timers.deadline_at(timers.DECIDE_KIND, approval.id, now))


def _waits_headline(operation: Operation, count: str) -> str:
    return f"{name_operation(operation)} is still waiting for approval: {count}"


def _reminded(
    tx: Transaction,
    approval: Approval,
    operation: Operation,
    now: datetime,
    settings: ApprovalTimes,
    told: Mapping[str, Any],
) -> None:
    channel = settings.channel or tx.operations.origin(operation.id).channel
    facts = {
        "message": f"Approvers: {', '.join(approval.approvers)}",
        "approvals_channel": channel,
        **told,
    }
    told_now = messages.approval_event("reminded", approval, operation, now, facts, Severity.WARNING)
    tx.outbox.add(replace(told_now, transition=f"{told_now.transition}:{now.isoformat()}"))
