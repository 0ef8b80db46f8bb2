"""What a restore left behind, from its results file: errors are errors only there, and most warnings are no news. Pure.

A resource list's `(failed)` is not an error: objects that were there and differ in what a server fills in are listed so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from domain.counting import plural_of
from velero.artifacts.results import Group, ResultEntry, Results, group_by_message

_ROUTINE = (
    (re.compile(r"already exists"), "already existed and left unchanged"),
    (
        re.compile(r"field is immutable|immutable after creation|: Forbidden: "),
        "can't be changed in Kubernetes and left unchanged",
    ),
)
_MADE_BY_OTHERS = frozenset({"endpoints", "endpointslices.discovery.k8s.io", "endpointslice", "events", "leases"})

_NEXT = (
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
    """`folded` counts warnings that mean nothing new, by what they say."""

    errors: tuple[Group, ...]
    warnings: tuple[Group, ...]
    folded: tuple[tuple[str, int], ...]
    next_step: str = ""


def summarize_restore(results: Results) -> RestoreOutcome:
    folded: dict[str, int] = {}
    news: list[ResultEntry] = []
    for entry in results.warnings:
        if said := is_routine(entry):
            folded[said] = folded.get(said, 0) + 1
        else:
            news.append(entry)
    return RestoreOutcome(
        group_by_message(results.errors), group_by_message(tuple(news)), tuple(folded.items()), next_step(results)
    )


def is_routine(entry: ResultEntry) -> str:
    """What it says in our words; empty for a warning that is worth reading."""
    if entry.resource.lower() in _MADE_BY_OTHERS:
        return "created by the cluster itself"
    return next((said for pattern, said in _ROUTINE if pattern.search(entry.message)), "")


def next_step(results: Results) -> str:
    texts = [f"{entry.message} {entry.detail}" for entry in results.errors]
    return next((hint for pattern, hint in _NEXT for text in texts if pattern.search(text)), "")


def routine_line(found: RestoreOutcome) -> str:
    """The folded ones in a line; empty where there are none."""
    return "; ".join(f"{count} × {text}" for text, count in found.folded)


def lines(groups: tuple[Group, ...], most: int = 8) -> str:
    shown = [line(group) for group in groups[:most]]
    if len(groups) > most:
        shown.append(f"and {len(groups) - most} more {plural_of(len(groups) - most, 'kind')} of it")
    return "\n".join(shown)


def line(group: Group) -> str:
    subjects = [entry.subject for entry in group.entries if entry.subject]
    more = f" and {len(subjects) - 3} more" if len(subjects) > 3 else ""
    where = f"{', '.join(subjects[:3])}{more}: " if subjects else ""
    return f"{where}{group.message}"
