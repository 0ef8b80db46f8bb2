"""Votes on approval requests: who may vote, which votes count, and votes that wait until Slack can say who approves.

Slack is asked for the approvers outside a transaction; the vote is then checked again inside the one that records it.
A vote is never lost: if Slack doesn't answer in time, it is saved and a deadline casts it later.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict, replace

from domain.actor import Actor
from domain.answer import Answer, Text, Tone
from domain.approval import Approval, ApprovalState, Vote, VoteKind
from domain.errors import ClusterError, IdentityUnknown, Refused, Stale, UserError
from domain.operation import Operation, State
from domain.operation_name import name_operation
from operations.approval import eligibility, timers, transitions
from operations.approval.completion import Completion
from operations.approval.services import ApprovalServices
from policy.directory import UNKNOWN, Directory
from store.tables.deadlines import Deadline
from store.transaction import Transaction

log = logging.getLogger(__name__)

VOTE_WAITS = "Your vote is saved but doesn't count yet."


class Voting:
    def __init__(self, services: ApprovalServices, completion: Completion) -> None:
        self._services = services
        self._store = services.store
        self._completion = completion

    async def vote(
        self, approval_id: str, actor: Actor, kind: VoteKind, reason: str = "", fingerprint: str | None = None
    ) -> Answer:
        """Cast one person's vote. Raises UserError if it doesn't count.

        `fingerprint` is the one that the button carried, so that a button copied from another request does nothing.
        """
        approval, operation = await self._load_open(approval_id, actor, kind, reason, fingerprint)
        directory = await self._read_directory_in_time(approval, actor)
        if not directory.known:
            return await self._save(approval, actor, kind, reason)
        return await self._cast(approval, operation, directory, actor, kind, reason)

    async def keep_vote(self, approval_id: str, actor: Actor, kind: VoteKind, reason: str, fingerprint: str) -> Answer:
        """Save the vote of a person whom Slack can't identify right now; it is cast as soon as Slack can."""
        approval, _ = await self._load_open(approval_id, actor, kind, reason, fingerprint)
        return await self._save(approval, actor, kind, reason)

    async def _load_open(
        self, approval_id: str, actor: Actor, kind: VoteKind, reason: str, fingerprint: str | None
    ) -> tuple[Approval, Operation]:
        """Load the request and make the checks that need no directory. Raises UserError."""
        approval, operation = await self._store.read(lambda tx: transitions.load_approval(tx, approval_id))
        if fingerprint is not None and fingerprint != approval.fingerprint:
            raise Stale(
                "This button belongs to an older version of the request.",
                fix="Use the buttons in the latest request message.",
            )
        if kind is VoteKind.REJECT and not reason.strip():
            raise Refused("A rejection needs a reason.", fix="Select Reject again and enter a reason.")
        eligibility.check_may_vote(
            approval, actor, self._services.now(), afterwards=operation.state is not State.AWAITING
        )
        return approval, operation

    async def _read_directory_in_time(self, approval: Approval, actor: Actor) -> Directory:
        """The voter waits for the answer, so a Slack that hangs counts as one that can't be asked."""
        try:
            async with asyncio.timeout(self._services.settings().vote_timeout):
                return await self._read_directory(approval, actor)
        except TimeoutError:
            return UNKNOWN

    async def _read_directory(self, approval: Approval, actor: Actor) -> Directory:
        return await self._services.policy().directory(
            approval.approvers, (actor.id, *eligibility.counted_voters(approval))
        )

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
                why=f"Rule `{approval.rule}` names other approvers.",
                fix=f"Only approvers can view it: {', '.join(approval.approvers)}.",
            )
        groups = eligibility.groups_of(approval, directory, actor)
        vote = Vote(actor.id, actor.name, actor.email, kind, self._services.now(), groups, reason)

        def cast(tx: Transaction) -> Approval:
            current, operation = transitions.load_approval(tx, approval.id)
            afterwards = operation.state is not State.AWAITING
            eligibility.check_may_vote(current, actor, self._services.now(), afterwards=afterwards)
            fresh = transitions.record_vote(tx, current, operation, vote)
            if kind is VoteKind.REJECT:
                late = " after it ran" if afterwards else ""
                headline = f"{name_operation(operation)} was rejected{late} by {actor.name}: {reason}"
                return transitions.record_end(tx, fresh, ApprovalState.REJECTED, actor.id, vote.at, headline)[0]
            if eligibility.is_complete(fresh, directory):
                return tx.approvals.begin_deciding(fresh.id, fresh.revision)
            return fresh

        fresh = await self._store.write(cast)
        if fresh.state is ApprovalState.DECIDING:
            return await self._completion.decide(fresh)
        if fresh.state is ApprovalState.REJECTED:
            headline = (
                "Rejected. Nothing was started."
                if operation.state is State.AWAITING
                else "Rejected. The operation already ran; the rejection is in the audit log."
            )
            return Answer(headline, (Text(reason, untrusted=True),), cluster=operation.cluster)
        count = eligibility.count_text(fresh, directory)
        return Answer(f"Vote counted: {count}.", tone=Tone.GOOD, cluster=operation.cluster)

    async def _save(self, approval: Approval, actor: Actor, kind: VoteKind, reason: str) -> Answer:
        """Save a vote whose approver groups aren't known now; it is retried until the request expires."""
        when = self._services.now() + self._services.settings().retry_after
        voter = {key: value for key, value in asdict(actor).items() if key in {"id", "name", "email", "team"}}
        deadline = timers.deadline_at(timers.VOTE_KIND, approval.id, when, voter=voter, kind=kind.value, reason=reason)
        # One deadline per voter: two saved votes on a request don't overwrite each other.
        of_voter = replace(deadline, id=f"{deadline.id}:{actor.id}")
        await self._store.write(lambda tx: tx.deadlines.put(of_voter))
        why = Text("Slack doesn't return the approvers right now. The bot retries until the request expires.")
        return Answer(VOTE_WAITS, (why,), Tone.WARNING)

    async def cast_saved(self, approval_id: str, deadline: Deadline) -> None:
        """Cast a saved vote with the voter's current groups. No one waits for the answer, so Slack gets all the time it needs.

        The deadline stays if Slack still can't be asked. Raises ConcurrentChange if another vote came first; it is retried.
        """
        voter = deadline.payload["voter"]
        kind, reason = VoteKind(deadline.payload["kind"]), str(deadline.payload.get("reason", ""))
        try:
            actor = await self._services.identify(str(voter["id"]), str(voter.get("team", "")))
            approval, operation = await self._load_open(approval_id, actor, kind, reason, None)
            directory = await self._read_directory(approval, actor)
            if not directory.known:
                return
            await self._cast(approval, operation, directory, actor, kind, reason)
        except IdentityUnknown:
            return
        except (UserError, ClusterError) as error:
            log.info("a saved vote can't be cast: %s", error.text)
        await self._store.write(lambda tx: tx.deadlines.finish(deadline.id))
