"""What would change, with exact manifests, and what was checked.

A plan is decided once; recovery executes it, never plans again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from domain.json_types import Json
from domain.reach import Reach
from domain.schedule_intent import ScheduleIntent


class StepVerb(StrEnum):
    CREATE = "create"
    PATCH = "patch"
    DELETE = "delete"


class Level(StrEnum):
    REFUSE = "refuse"
    APPROVE = "approve"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Guard:
    """A named check on a plan. `code` is stable and lower-kebab; rules may name it."""

    code: str
    level: Level
    text: str
    nearest: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One write. `manifest` is the body: the object for create, the merge patch for patch, the delete options for delete.

    `name` may be empty for create with generateName. `uid` is re-checked right before a patch or delete.
    `wait` names the phases of which one must be reached before the next step runs; any other terminal phase stops the plan.
    """

    verb: StepVerb
    kind: str
    resource: str
    name: str
    manifest: Json
    namespace: str = ""
    uid: str = ""
    wait: tuple[str, ...] = ()
    note: str = ""

    def as_json(self) -> Json:
        return {
            "verb": self.verb.value,
            "kind": self.kind,
            "name": self.name,
            "manifest": self.manifest,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """`evidence` is what the plan stands on (backup uid, location, digests of ConfigMaps): part of the fingerprint."""

    cluster: str
    noun: str
    verb: str
    steps: tuple[Step, ...]
    reach: Reach
    guards: tuple[Guard, ...] = ()
    cli: str = ""
    summary: str = ""
    subject: str = ""
    """Name of the object that the plan is about, as people say it."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    intents: tuple[ScheduleIntent, ...] = ()
    """What is recorded of schedules when the operation succeeds; part of the fingerprint."""
    notes: tuple[str, ...] = ()
    impact: frozenset[str] | None = None
    """What it would change, one line per object and class; None where nobody looked. Not in the fingerprint."""
    report: str = ""
    """The same in full, as text for a file."""
    offers: Mapping[str, str] = field(default_factory=dict)
    """What goes well with it: a button's word and the command line behind it."""

    @property
    def fingerprint(self) -> str:
        """64 hex digits over the resolved steps and what they stand on."""
        body = {
            "cluster": self.cluster,
            "noun": self.noun,
            "verb": self.verb,
            "steps": [
                {**step.as_json(), "uid": step.uid, "namespace": step.namespace, "wait": list(step.wait)}
                for step in self.steps
            ],
            "evidence": self._fingerprinted_evidence(),
        }
        return digest(body)

    def _fingerprinted_evidence(self) -> Json:
        """Intents count as evidence: fingerprints that were stored before they had a field of their own stay valid."""
        intents = {"intent": [intent.as_json() for intent in self.intents]} if self.intents else {}
        return {**self.evidence, **intents}

    def refusals(self) -> tuple[Guard, ...]:
        return tuple(guard for guard in self.guards if guard.level is Level.REFUSE)


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no blanks: equal values, equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str).encode()


def digest(value: Any) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()
