"""Decides who may vote and whose votes count, by the current members of the groups. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from domain.actor import Actor, ActorKind
from domain.approval import Approval, ApprovalState, Vote, VoteKind
from domain.counting import counted, plural_of
from domain.errors import Refused
from operations.approval.messages import outcome_text
from policy.directory import Directory, Member, eligible_approvers


def requester_of(approval: Approval) -> Actor:
    return Actor(ActorKind.PERSON, approval.requester, approval.requester, email=approval.requester_email)


def is_requester(approval: Approval, actor: Actor) -> bool:
    return Member(actor.id, actor.email).is_same(approval.requester, approval.requester_email)


def check_may_vote(approval: Approval, actor: Actor, now: datetime, *, afterwards: bool = False) -> None:
    """Make the checks that need no directory. `afterwards`: the review of a break-glass run never expires. Raises Refused."""
    if approval.state is not ApprovalState.OPEN:
        raise outcome_text(approval)
    if is_requester(approval, actor):
        raise Refused("You requested this, so someone else has to approve it.")
    if now >= approval.expires_at and not afterwards:
        raise Refused("This request expired.", fix="Request it again.")
    if any(Member(vote.voter, vote.email).is_same(actor.id, actor.email) for vote in approval.votes):
        raise Refused("You already voted on this request.", why="Each person has one vote.")


def vote_counts(approval: Approval, directory: Directory, voter: str, email: str) -> bool:
    eligible = eligible_approvers(directory, approval.approvers, requester_of(approval))
    return any(member.is_same(voter, email) for member in eligible)


def counted_voters(approval: Approval) -> tuple[str, ...]:
    return tuple(vote.voter for vote in approval.votes)


MAX_MENTIONS = 20


def approver_groups(named: Sequence[str]) -> tuple[str, ...]:
    """Return the names that are neither a channel nor one person."""
    bare = (name.removeprefix("@") for name in named)
    return tuple(name for name in bare if not name.startswith("#") and not _is_id(name, "CGUW"))


def notification_targets(named: Sequence[str], directory: Directory, approval: Approval) -> dict[str, list[str]]:
    """Resolve a rule's `notify` to channels and people, members of groups included, the requester excluded."""
    bare = [name.removeprefix("@") for name in named]
    channels = [name for name in bare if name.startswith("#") or _is_id(name, "CG")]
    people = [name for name in bare if _is_id(name, "UW")]
    members = (member for name in approver_groups(named) for member in directory.groups.get(name, ()))
    people += [member.id for member in members if member.active]
    mention = [person for person in dict.fromkeys(people) if person != approval.requester]
    return {"mention": mention[:MAX_MENTIONS], "channels": list(dict.fromkeys(channels))}


def _is_id(name: str, prefixes: str) -> bool:
    """Return whether it looks like an id of Slack, such as `U0123ABCD`."""
    return len(name) > 1 and name[0] in prefixes and name.isupper() and name.isalnum()


def groups_of(approval: Approval, directory: Directory, actor: Actor) -> tuple[str, ...]:
    """Return the approver groups that the voter is in now; they are stored with the vote."""
    return tuple(
        name
        for name in approval.approvers
        if any(member.is_same(actor.id, actor.email) for member in directory.groups.get(name, ()))
    )


def counted_approvals(approval: Approval, directory: Directory) -> tuple[Vote, ...]:
    """Return the approvals of people who are still approvers; the vote of a person who left the groups doesn't count."""
    return tuple(
        vote
        for vote in approval.votes
        if vote.kind is VoteKind.APPROVE and vote_counts(approval, directory, vote.voter, vote.email)
    )


def count_text(approval: Approval, directory: Directory) -> str:
    """Count the approvals as the request message does; if the directory is known, add how many no longer count."""
    count = f"{approval.approvals_given} of {counted(approval.quorum, 'approval')}"
    void = approval.approvals_given - len(counted_approvals(approval, directory)) if directory.known else 0
    if not void:
        return count
    return f"{count}; {void} of them {plural_of(void, 'no longer counts', 'no longer count')}, because the approvers changed"


def is_complete(approval: Approval, directory: Directory) -> bool:
    return len({vote.voter for vote in counted_approvals(approval, directory)}) >= approval.quorum
