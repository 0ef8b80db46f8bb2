"""Errors, warnings and the next step of a finished restore, from its results file. Pure.

Only the results file says what is an error. `(failed)` in the resource list is not one: Velero writes it also for objects
that exist and differ only in fields that the API server fills in. Most warnings are expected and only counted.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from domain.counting import counted, plural_of
from velero.artifacts.results import Group, ResultEntry, Results, group_by_message

_EXPECTED_WARNINGS = (
    (re.compile(r"already exists"), "already existed and {was} left unchanged"),
    (
        re.compile(r"field is immutable|immutable after creation|: Forbidden: "),
        "{was} left unchanged because Kubernetes doesn't allow the change",
    ),
)
_CREATED_BY_CLUSTER = "{was} created by the cluster itself"
_CLUSTER_RESOURCES = frozenset({"endpoints", "endpointslices.discovery.k8s.io", "endpointslice", "events", "leases"})

_NEXT_STEPS = (
    (
        re.compile(r"provided port is already allocated"),
        "A node port is already in use: exclude services, or change the port with --modifier.",
    ),
    (
        re.compile(r"daemonset not found|node agent"),
        "The node agent isn't installed in this cluster: install it, then restore again.",
    ),
    (
        re.compile(r"no matches for kind|could not find the requested resource"),
        "The cluster doesn't serve an API version in the backup: install the CRD first.",
    ),
    (
        re.compile(r"forbidden|cannot create resource"),
        "Velero has no permission for this in the cluster: check its role binding.",
    ),
    (re.compile(r"exceeded quota"), "A resource quota is exceeded: raise it, or restore less."),
    (re.compile(r"timed out|timeout"), "An operation timed out: check the pods, then restore again."),
)


@dataclass(frozen=True, slots=True)
class RestoreOutcome:
    """`folded` counts expected warnings by how their sentence ends (see `expected_warning`)."""

    errors: tuple[Group, ...]
    warnings: tuple[Group, ...]
    folded: tuple[tuple[str, int], ...]
    next_step: str = ""


def summarize_restore(results: Results) -> RestoreOutcome:
    folded: Counter[str] = Counter()
    unexpected: list[ResultEntry] = []
    for entry in results.warnings:
        if sentence := expected_warning(entry):
            folded[sentence] += 1
        else:
            unexpected.append(entry)
    return RestoreOutcome(
        group_by_message(results.errors), group_by_message(tuple(unexpected)), tuple(folded.items()), next_step(results)
    )


def expected_warning(entry: ResultEntry) -> str:
    """How the sentence about an expected warning ends; empty for a warning that is worth reading."""
    if entry.resource.lower() in _CLUSTER_RESOURCES:
        return _CREATED_BY_CLUSTER
    return next((sentence for pattern, sentence in _EXPECTED_WARNINGS if pattern.search(entry.message)), "")


def next_step(results: Results) -> str:
    texts = [f"{entry.message} {entry.detail}" for entry in results.errors]
    return next((hint for pattern, hint in _NEXT_STEPS for text in texts if pattern.search(text)), "")


def routine_line(found: RestoreOutcome) -> str:
    """A sentence for each kind of expected warning, such as "3 objects already existed and were left unchanged."."""
    return " ".join(
        f"{counted(count, 'object')} {sentence.format(was=plural_of(count, 'was', 'were'))}."
        for sentence, count in found.folded
    )


def lines(groups: tuple[Group, ...], most: int = 8) -> str:
    shown = [line(group) for group in groups[:most]]
    if len(groups) > most:
        shown.append(f"and {len(groups) - most} more {plural_of(len(groups) - most, 'message')}")
    return "\n".join(shown)


def line(group: Group) -> str:
    subjects = [entry.subject for entry in group.entries if entry.subject]
    more = f" and {len(subjects) - 3} more" if len(subjects) > 3 else ""
    where = f"{', '.join(subjects[:3])}{more}: " if subjects else ""
    return f"{where}{group.message}"
