"""Operations as sentences name them: "restore demo-again", "deletion of backup shop-1", "pause of schedule nightly"."""

from __future__ import annotations

from dataclasses import dataclass

from domain.operation import Operation

OBJECT_NAMES = {
    "backup-location": "storage location",
    "snapshot-location": "snapshot location",
    "repo": "backup repository",
}
ACTION_NAMES = {
    "create": "Creation of",
    "delete": "Deletion of",
    "cancel": "Cancellation of",
    "set": "Change of",
    "edit": "Change of",
    "pause": "Pause of",
    "unpause": "Resumption of",
    "resume": "Resumption of",
    "skip": "Skip of",
    "unskip": "Canceled skip of",
    "run": "Run of",
}
"""Verbs as the beginning of a noun phrase: "Pause of schedule nightly is done"."""


@dataclass(frozen=True, slots=True)
class OperationName:
    """`action` starts with a capital letter: "Backup", "Pause of schedule"; `subject` is untrusted."""

    action: str
    subject: str

    def __str__(self) -> str:
        return f"{self.action} {self.subject}".rstrip()

    @property
    def in_sentence(self) -> str:
        return str(self)[:1].lower() + str(self)[1:]


def name_operation(operation: Operation) -> OperationName:
    """Creating a backup or restore is named like the object; other operations start with their action."""
    thing = OBJECT_NAMES.get(operation.noun, operation.noun.replace("-", " "))
    if operation.verb == "create" and operation.noun in {"backup", "restore"}:
        return OperationName(thing.capitalize(), operation.subject)
    action = ACTION_NAMES.get(operation.verb, f"{operation.verb.capitalize()} of")
    return OperationName(f"{action} {thing}", operation.subject)
