"""What policy says of a plan, with the reason and the rule. Only the keys made here open `execute`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from domain.errors import Refused, Stale
from domain.operation import GRANTED, Operation
from domain.plan import Plan


class Outcome(StrEnum):
    ALLOW = "allow"
    DENY = "deny"
    REQUIRE_APPROVAL = "approve"


class Reason(StrEnum):
    RULE = "rule"
    READ_DEFAULT = "read-default"
    WRITE_DEFAULT = "write-default"
    GUARD = "guard"
    NOT_A_MEMBER = "not-a-member"
    NOT_ENOUGH_APPROVERS = "not-enough-approvers"
    FREEZE = "freeze"
    BREAK_GLASS = "break-glass"


@dataclass(frozen=True, slots=True)
class Decision:
    """`approvers` are user ids or group names as configured; `quorum` distinct people; `expires` seconds an approval waits."""

    outcome: Outcome
    reason: Reason
    rule: str = ""
    text: str = ""
    quorum: int = 0
    approvers: frozenset[str] = frozenset()
    expires: int = 3600
    ask: tuple[str, ...] = ()
    """Whom to ask instead: groups or people that a rule allows."""
    rules_digest: str = ""


_KEY = object()


class Grant:
    """Permission to run exactly this plan. Made by `allowed`, `approved` and `recovered`; `execute` takes nothing else."""

    __slots__ = ("by", "fingerprint", "operation", "why")

    def __init__(self, key: object, operation: str, fingerprint: str, by: tuple[str, ...], why: str) -> None:
        if key is not _KEY:
            raise TypeError("a Grant is made by a decision, a completed approval or a stored granted plan")
        self.operation = operation
        self.fingerprint = fingerprint
        self.by = by
        self.why = why


def allowed(decision: Decision, operation: str, fingerprint: str) -> Grant:
    if decision.outcome is not Outcome.ALLOW:
        raise ValueError(f"a decision of {decision.outcome} grants nothing")
    return Grant(_KEY, operation, fingerprint, (), f"rule {decision.rule}" if decision.rule else decision.reason.value)


def approved(
    operation: str, fingerprint: str, approved_fingerprint: str, voters: tuple[str, ...], quorum: int
) -> Grant:
    """Of a completed approval: as many distinct voters as the quorum, and the plan is still the one that they saw."""
    if fingerprint != approved_fingerprint or len(set(voters)) < quorum or quorum < 1:
        raise ValueError("the approval does not cover this plan")
    return Grant(_KEY, operation, fingerprint, voters, "approved")


def recovered(operation: Operation, stored: Plan) -> Grant:
    """For what was granted before: its state says so, and the stored plan, hashed again, is the one that was granted.

    Raises Refused or Stale.
    """
    if operation.state not in GRANTED:
        raise Refused(f"Operation {operation.id} may not run: it is {operation.state}, and nobody granted it.")
    if stored.fingerprint != operation.fingerprint:
        raise Stale("The stored plan is not the one that was granted.")
    return Grant(_KEY, operation.id, operation.fingerprint, (), "granted before")
