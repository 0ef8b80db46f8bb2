"""People, rules and plans of the tests, in one line each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from domain.actor import Actor, ActorKind
from domain.plan import Guard, Level
from domain.reach import Reach
from policy.directory import Directory, Member
from policy.matching import PolicyRequest
from policy.parse import parse_rules
from policy.rules import Rule

WEDNESDAY = datetime(2026, 11, 18, 10, 0, tzinfo=UTC)

ADA = Actor(ActorKind.PERSON, "UADA", "ada", email="ada@example.com", groups=frozenset({"shop-team"}))
GRACE = Actor(
    ActorKind.PERSON, "UGRACE", "grace", email="grace@example.com", groups=frozenset({"approvers", "on-call"})
)
BOB = Actor(ActorKind.PERSON, "UBOB", "bob", email="bob@example.com", groups=frozenset({"platform"}))
MALLORY = Actor(ActorKind.PERSON, "UMALLORY", "mallory", email="mallory@example.com")
DEPLOYS = Actor(ActorKind.PIPELINE, "deploys", "deploys")

DIRECTORY = Directory(
    groups={
        "approvers": (Member("UGRACE", "grace@example.com"), Member("UBOB", "bob@example.com")),
        "seniors": (Member("UBOB", "bob@example.com"),),
    }
)

LABELS = {
    "shop": {"team": "shop"},
    "shop-db": {"team": "shop"},
    "payments": {"team": "pay"},
    "kube-system": {},
    "velero": {},
}


def rules(*entries: dict[str, Any]) -> tuple[Rule, ...]:
    numbered = [{"name": f"r{at}", **entry} for at, entry in enumerate(entries)]
    found = parse_rules(numbered)
    assert isinstance(found, tuple), found.texts
    return found


def ask(actor: Actor, verb: str, *reads: str, **changes: Any) -> PolicyRequest:
    """Of a write that reads these namespaces, unless `reach` is given."""
    reach = changes.pop("reach", Reach(reads=frozenset(reads)))
    settings = {"cluster": "east", "writes": True, "now": WEDNESDAY, "labels": LABELS, **changes}
    return PolicyRequest(actor=actor, verb=verb, reach=reach, **settings)


def refusing(code: str) -> Guard:
    return Guard(code, Level.REFUSE, f"{code} stands in the way.")
