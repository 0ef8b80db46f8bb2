"""Who may vote and whose votes count, by the groups as they are now. Pure."""

from __future__ import annotations

from datetime import datetime

from commands.approval.words import settled
from commands.policy.directory import Directory, Member, eligible
from domain.actor import Actor, ActorKind
from domain.approval import Approval, ApprovalState, Vote, VoteKind
from domain.errors import Refused


def requester(approval: Approval) -> Actor:
    return Actor(ActorKind.PERSON, approval.requester, approval.requester, email=approval.requester_email)


def is_requester(approval: Approval, actor: Actor) -> bool:
    return Member(actor.id, actor.email).is_same(approval.requester, approval.requester_email)


def may_vote(approval: Approval, actor: Actor, now: datetime) -> None:
    """What needs no directory. Raises Refused."""
    if approval.state is not ApprovalState.OPEN:
        raise settled(approval)
    if is_requester(approval, actor):
        raise Refused("You asked for this; someone else has to approve it.")
    if now >= approval.expires_at:
        raise Refused("This request has expired.", fix="Ask for it again.")
    if any(Member(vote.voter, vote.email).is_same(actor.id, actor.email) for vote in approval.votes):
        raise Refused("You have already voted on this.", why="Each person votes once.")


def counts(approval: Approval, directory: Directory, voter: str, email: str) -> bool:
    among = eligible(directory, approval.approvers, requester(approval))
    return any(member.is_same(voter, email) for member in among)


def groups_of(approval: Approval, directory: Directory, actor: Actor) -> tuple[str, ...]:
    """The approver groups that the voter is in now: kept with the vote."""
    return tuple(
        name
        for name in approval.approvers
        if any(member.is_same(actor.id, actor.email) for member in directory.groups.get(name, ()))
    )


def standing(approval: Approval, directory: Directory) -> tuple[Vote, ...]:
    """Approving votes of people who still are approvers: who has left since does not count."""
    return tuple(
        vote
        for vote in approval.votes
        if vote.kind is VoteKind.APPROVE and counts(approval, directory, vote.voter, vote.email)
    )


def complete(approval: Approval, directory: Directory) -> bool:
    return len({vote.voter for vote in standing(approval, directory)}) >= approval.quorum
