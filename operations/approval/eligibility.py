"""Who may vote and whose votes count, by the groups as they are now. Pure."""

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
    """What needs no directory. What ran behind a broken glass does not expire. Raises Refused."""
    if approval.state is not ApprovalState.OPEN:
        raise outcome_text(approval)
    if is_requester(approval, actor):
        raise Refused("You requested this, so someone else has to approve it.")
    if now >= approval.expires_at and not afterwards:
        raise Refused("This request expired.", fix="Request it again.")
    if any(Member(vote.voter, vote.email).is_same(actor.id, actor.email) for vote in approval.votes):
        raise Refused("You already voted on this request.", why="Each person has one vote.")


def vote_counts(approval: Approval, directory: Directory, voter: str, email: str) -> bool:
    among = eligible_approvers(directory, approval.approvers, requester_of(approval))
    return any(member.is_same(voter, email) for member in among)


def counted_voters(approval: Approval) -> tuple[str, ...]:
    return tuple(vote.voter for vote in approval.votes)


MAX_MENTIONS = 20


def approver_groups(named: Sequence[str]) -> tuple[str, ...]:
    """What is neither a channel nor one person."""
    bare = (name.removeprefix("@") for name in named)
    return tuple(name for name in bare if not name.startswith("#") and not _is_id(name, "CGUW"))


def notification_targets(named: Sequence[str], directory: Directory, approval: Approval) -> dict[str, list[str]]:
    """`notify` of a rule: channels, people, and groups by their members. The requester knows already."""
    bare = [name.removeprefix("@") for name in named]
    channels = [name for name in bare if name.startswith("#") or _is_id(name, "CG")]
    people = [name for name in bare if _is_id(name, "UW")]
    people += [one.id for name in approver_groups(named) for one in directory.groups.get(name, ()) if one.active]
    mention = [each for each in dict.fromkeys(people) if each != approval.requester]
    return {"mention": mention[:MAX_MENTIONS], "channels": list(dict.fromkeys(channels))}


def _is_id(name: str, kinds: str) -> bool:
    """As Slack writes them: `U0123ABCD`."""
    return len(name) > 1 and name[0] in kinds and name.isupper() and name.isalnum()


def groups_of(approval: Approval, directory: Directory, actor: Actor) -> tuple[str, ...]:
    """The approver groups that the voter is in now: kept with the vote."""
    return tuple(
        name
        for name in approval.approvers
        if any(member.is_same(actor.id, actor.email) for member in directory.groups.get(name, ()))
    )


def counted_approvals(approval: Approval, directory: Directory) -> tuple[Vote, ...]:
    """Approving votes of people who still are approvers: who has left since does not count."""
    return tuple(
        vote
        for vote in approval.votes
        if vote.kind is VoteKind.APPROVE and vote_counts(approval, directory, vote.voter, vote.email)
    )


def count_text(approval: Approval, directory: Directory) -> str:
    """The approvals given, as the message counts them; with those that count no more, where the directory is known."""
    count = f"{approval.approvals_given} of {counted(approval.quorum, 'approval')}"
    void = approval.approvals_given - len(counted_approvals(approval, directory)) if directory.known else 0
    if not void:
        return count
    return f"{count}; {void} of them {plural_of(void, 'no longer counts', 'no longer count')}, because the approvers changed"


def is_complete(approval: Approval, directory: Directory) -> bool:
    return len({vote.voter for vote in counted_approvals(approval, directory)}) >= approval.quorum
