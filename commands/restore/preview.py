"""What a restore would change: every object in one class, counted, and the set that an approval is bound to. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from commands.restore.compare import CHURNS, NOISE

SHOWN = 8
LONGEST = 2_000_000
CLASSLESS = "These claims stay Pending, since their storage class is missing"
CLASSES = (
    "Make the class, or map it: a ConfigMap in Velero's namespace labelled velero.io/plugin-config= and "
    "velero.io/change-storage-class=RestoreItemAction, with OLD: NEW as its data."
)


class Fate(StrEnum):
    NEW = "new"
    UNCHANGED = "unchanged"
    CHANGED = "changed"
    """There and different, and the policy is update."""
    KEPT = "kept"
    """There and different, and stays as it is."""
    FIXED = "stays"
    """There and different; Kubernetes takes no change of it."""
    NOT_SERVED = "not served"
    UNREAD = "not looked at"


WORDS = {
    Fate.NEW: "would be created",
    Fate.CHANGED: "would be changed",
    Fate.KEPT: "differ and stay as they are",
    Fate.FIXED: "differ and cannot be changed, so they stay",
    Fate.UNCHANGED: "are there and equal",
    Fate.NOT_SERVED: "have an API version that this cluster does not serve, and are not restored",
    Fate.UNREAD: "were not looked at: I may not read them",
}


@dataclass(frozen=True, slots=True)
class Row:
    """`fields` differ; `why` it stays; `controlled` by another object, which looks after it."""

    kind: str
    namespace: str
    name: str
    fate: Fate
    fields: tuple[str, ...] = ()
    why: str = ""
    controlled: bool = False
    across: bool = False

    @property
    def place(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def line(self) -> str:
        more = f" ({', '.join(self.fields[:SHOWN])})" if self.fields else ""
        return f"{self.fate.value:<14} {self.kind} {self.place}{more}" + (f": {self.why}" if self.why else "")

    @property
    def counts(self) -> bool:
        """Whether it is part of the impact: what changes by itself all day would make every approval stale."""
        if self.fate not in {Fate.NEW, Fate.CHANGED} or self.controlled or self.kind in NOISE:
            return False
        return self.fate is Fate.NEW or not set(self.fields) <= CHURNS


@dataclass(frozen=True, slots=True)
class Claim:
    """A volume claim of the backup: whether its data comes back, and why not."""

    shown: str
    comes_back: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...] = ()
    hooks: tuple[str, ...] = ()
    classless: tuple[str, ...] = ()
    """New claims whose storage class this cluster does not have."""

    @property
    def impact(self) -> frozenset[str]:
        changed = {f"{row.kind} {row.place} {row.fate.value}" for row in self.rows if row.counts}
        return frozenset(changed | {f"Volume {claim.shown} restored" for claim in self.claims if claim.comes_back})

    def of(self, *fates: Fate) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.fate in fates)

    def summary(self) -> tuple[str, ...]:
        """Fits a message: counts per class with the kinds, and names where they matter."""
        lines = [_class(fate, self.of(fate)) for fate in WORDS if self.of(fate)]
        if across := [row for row in self.of(Fate.NEW, Fate.CHANGED) if row.across and row.kind != "Namespace"]:
            lines.append(f"Cluster-scoped among them: {_names(row.place for row in across)}.")
        if back := [claim.shown for claim in self.claims if claim.comes_back]:
            lines.append(f"Volumes whose data comes back: {_names(back)}.")
        if not_back := [f"{claim.shown} ({claim.why})" for claim in self.claims if not claim.comes_back]:
            lines.append(f"Volumes whose data does NOT come back: {_names(not_back)}.")
        if self.classless:
            lines.append(f"{CLASSLESS}: {_names(self.classless)}. {CLASSES}")
        if self.hooks:
            lines.append(
                f"Hooks that run in pods, by an init container of Velero's or a command: {_names(self.hooks)}."
            )
        return tuple(lines) or ("Nothing in the backup is selected.",)

    def report(self) -> str:
        """All of it, for a file."""
        lines = [*self.summary(), "", *(row.line for row in sorted(self.rows, key=_order))]
        lines += [
            f"volume         {claim.shown}: {'restored' if claim.comes_back else claim.why}" for claim in self.claims
        ]
        text = "\n".join(lines) + "\n"
        return text if len(text) <= LONGEST else text[:LONGEST] + "… and more\n"


def _class(fate: Fate, rows: tuple[Row, ...]) -> str:
    kinds = Counter(row.kind for row in rows)
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(SHOWN))
    text = f"{len(rows)} objects {WORDS[fate]}: {told}"
    if fate in {Fate.CHANGED, Fate.KEPT, Fate.FIXED}:
        text += f". {_names(_changed(row) for row in rows)}"
    return text + ("" if text.endswith(".") else ".")


def _changed(row: Row) -> str:
    return f"{row.kind} {row.place}" + (f" ({', '.join(row.fields[:3])})" if row.fields else "")


def _names(found: Iterable[str]) -> str:
    names = list(found)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _order(row: Row) -> tuple[int, str, str]:
    return list(Fate).index(row.fate), row.kind, row.place
