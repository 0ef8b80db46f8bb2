"""Group members as just resolved, and who of them could approve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from domain.actor import Actor


@dataclass(frozen=True, slots=True)
class Member:
    """`active` is false for deactivated accounts, guests and people of other teams: they never count."""

    id: str
    email: str = ""
    active: bool = True

    def is_same(self, other_id: str, other_email: str) -> bool:
        """Whether both are one person. A person may have two accounts with the same email address."""
        return self.id == other_id or bool(self.email and self.email.casefold() == other_email.casefold())


@dataclass(frozen=True, slots=True)
class Directory:
    """`groups` are by name or handle; `people` are approvers listed individually. `known` is false if Slack didn't respond."""

    groups: Mapping[str, tuple[Member, ...]] = field(default_factory=dict)
    people: tuple[Member, ...] = ()
    known: bool = True
    assumed: bool = False
    """For explaining without Slack: every group counts as large enough."""


ASSUMED = Directory(assumed=True)
UNKNOWN = Directory(known=False)


def eligible_approvers(directory: Directory, approvers: Iterable[str], requester: Actor) -> tuple[Member, ...]:
    """Return distinct people among the approvers, without the requester and their other accounts."""
    found: list[Member] = []
    for name in approvers:
        for member in directory.groups.get(name, ()) or _people(directory, name):
            if not member.active or member.is_same(requester.id, requester.email):
                continue
            if not any(each.is_same(member.id, member.email) for each in found):
                found.append(member)
    return tuple(found)


def has_quorum(directory: Directory, approvers: Iterable[str], quorum: int, requester: Actor) -> bool:
    return directory.assumed or (directory.known and len(eligible_approvers(directory, approvers, requester)) >= quorum)


def _people(directory: Directory, name: str) -> tuple[Member, ...]:
    return tuple(member for member in directory.people if member.is_same(name, name))
