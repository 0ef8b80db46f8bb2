"""Policy decisions, and the grants that the executor requires.

A Grant has no public constructor: only this module makes one, from an allowing decision, from a completed approval, or
from a stored plan that was granted before a restart. Code that has no Grant can't write to a cluster.
"""

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
    """`approvers` are user ids or configured group names, `quorum` counts distinct people, `expires` is in seconds."""

    outcome: Outcome
    reason: Reason
    rule: str = ""
    text: str = ""
    quorum: int = 0
    approvers: frozenset[str] = frozenset()
    expires: int = 3600
    ask: tuple[str, ...] = ()
    """Groups and people that a rule allows to run the command: suggestions for whom to ask."""
    rules_digest: str = ""


_KEY = object()


class Grant:
    """Permission to run exactly one plan. Made only by `allowed`, `approved` and `recovered`."""

    __slots__ = ("by", "fingerprint", "operation", "why")

    def __init__(self, key: object, operation: str, fingerprint: str, by: tuple[str, ...], why: str) -> None:
        if key is not _KEY:
            raise TypeError("a Grant is made only by a decision, a completed approval or a stored granted plan")
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
    """Grant a completed approval. Raises ValueError with too few distinct voters, or if the plan isn't the one they saw."""
    if fingerprint != approved_fingerprint or len(set(voters)) < quorum or quorum < 1:
        raise ValueError("the approval doesn't cover this plan")
    return Grant(_KEY, operation, fingerprint, voters, "approved")


def recovered(operation: Operation, stored: Plan) -> Grant:
    """Grant an operation again after a restart, if its state says it was granted and the stored plan's hash still matches.

    Raises Refused or Stale.
    """
    if operation.state not in GRANTED:
        raise Refused(
            f"Operation {operation.id} can't run: it is {operation.state} and was neither allowed nor approved."
        )
    if stored.fingerprint != operation.fingerprint:
        raise Stale("The stored plan isn't the one that was approved.")
    return Grant(_KEY, operation.id, operation.fingerprint, (), "approved before the restart")
