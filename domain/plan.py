"""A plan: what a command would write, with exact manifests, and the checks on it.

A plan is decided once. Recovery executes the stored plan and never plans again, so the fingerprint covers everything
that decides what is written: the steps, how each is carried out, and what they stand on.
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


class StepMode(StrEnum):
    """How a step is carried out."""

    PLAIN = "plain"
    """Written as planned."""
    TEMPORARY = "temporary"
    """The object is deleted once the operation is over."""
    SAFETY_BACKUP = "safety-backup"
    """The object is what a later undo restores from."""
    SCHEDULE_CHANGE = "schedule-change"
    """A horizon in the past is moved to the time of the write, so that no run falls due meanwhile."""
    SCHEDULE_HOLD = "schedule-hold"
    """A pause that starts with the write and is renewed while its operation is open."""


FINGERPRINT_VERSION = 2
"""Version 1 did not cover `Step.mode` and `Step.held_for`; plans stored then keep it."""


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
    """One write. `manifest` is the body: the object to create, the merge patch, or the delete options.

    `name` may be empty for create with generateName. `uid` is re-checked right before a patch or delete.
    `wait` names the phases of which one must be reached before the next step runs; any other terminal phase stops the plan.
    `held_for` is the operation that a hold lasts for, where that isn't the step's own operation.
    """

    verb: StepVerb
    kind: str
    resource: str
    name: str
    manifest: Json
    namespace: str = ""
    uid: str = ""
    wait: tuple[str, ...] = ()
    mode: StepMode = StepMode.PLAIN
    held_for: str = ""

    def as_json(self) -> Json:
        return {
            "verb": self.verb.value,
            "kind": self.kind,
            "name": self.name,
            "manifest": self.manifest,
        }

    def fingerprint_part(self, version: int) -> Json:
        part = {**self.as_json(), "uid": self.uid, "namespace": self.namespace, "wait": list(self.wait)}
        if version >= 2 and self.mode is not StepMode.PLAIN:
            part |= {"mode": self.mode.value, "held_for": self.held_for}
        return part


@dataclass(frozen=True, slots=True)
class Plan:
    """`evidence` is what the plan relies on (backup uid, location, digests of ConfigMaps): part of the fingerprint."""

    cluster: str
    noun: str
    verb: str
    steps: tuple[Step, ...]
    reach: Reach
    guards: tuple[Guard, ...] = ()
    cli: str = ""
    summary: str = ""
    subject: str = ""
    """Name of the object that the plan changes, as people say it."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    intents: tuple[ScheduleIntent, ...] = ()
    """Intents that are recorded for schedules when the operation succeeds; part of the fingerprint."""
    notes: tuple[str, ...] = ()
    impact: frozenset[str] | None = None
    """Objects that would change, one line per object and class; None without a preview. Not in the fingerprint."""
    report: str = ""
    """The preview in full, as text for a file."""
    offers: Mapping[str, str] = field(default_factory=dict)
    """Buttons of the plan: label → command line."""
    fingerprint_version: int = FINGERPRINT_VERSION

    @property
    def fingerprint(self) -> str:
        """64 hex digits over the resolved steps and what they rely on."""
        body = {
            "cluster": self.cluster,
            "noun": self.noun,
            "verb": self.verb,
            "steps": [step.fingerprint_part(self.fingerprint_version) for step in self.steps],
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
    """JSON with sorted keys and no blanks, so that equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str).encode()


def digest(value: Any) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()
