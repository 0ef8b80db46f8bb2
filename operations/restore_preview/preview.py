"""What a restore would change: every object in one class, counted, and the set that an approval is bound to. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from domain.counting import counted, plural_of
from operations.restore_preview.compare import CHURNS, NOISE

SHOWN = 8
LONGEST = 2_000_000
CLASSLESS = (
    "This PVC stays Pending because its storage class doesn't exist",
    "These PVCs stay Pending because their storage class doesn't exist",
)
CLASSES = "Create the storage class, or map it with a ConfigMap in Velero's namespace: labels velero.io/plugin-config= and velero.io/change-storage-class=RestoreItemAction, data OLD: NEW."
EMPTY_VOLUMES = 'For new, empty volumes use a --modifier: groupResource persistentvolumeclaims, mergePatches, {"spec":{"volumeName":null}}.'
WAITS = "The restore waits for objects that are being deleted, up to ten minutes by default (Velero's --terminating-resource-timeout). Its phase stays InProgress"


class Fate(StrEnum):
    NEW = "new"
    UNCHANGED = "unchanged"
    CHANGED = "changed"
    """There and different, and Velero changes it."""
    KEPT = "kept"
    """There and different, and stays as it is."""
    FIXED = "stays"
    """There and different; Kubernetes takes no change of it."""
    GOING = "going"
    """There and being deleted."""
    LEFT = "excluded"
    """In the backup, and not restored as an object."""
    REFUSED = "refused"
    """The API server takes it not, which is an error of the restore."""
    NOT_SERVED = "not served"
    UNREAD = "not checked"


WORDS = {
    Fate.NEW: ("would be created", "would be created"),
    Fate.CHANGED: ("would be changed", "would be changed"),
    Fate.KEPT: ("exists with differences and is left unchanged", "exist with differences and are left unchanged"),
    Fate.FIXED: ("differs but can't be changed", "differ but can't be changed"),
    Fate.UNCHANGED: ("exists and is identical", "exist and are identical"),
    Fate.GOING: (
        "is being deleted; Velero treats it as existing and doesn't restore it",
        "are being deleted; Velero treats them as existing and doesn't restore them",
    ),
    Fate.LEFT: ("isn't restored by Velero", "aren't restored by Velero"),
    Fate.REFUSED: ("would be rejected by the cluster", "would be rejected by the cluster"),
    Fate.NOT_SERVED: (
        "has an API version this cluster doesn't serve and isn't restored",
        "have an API version this cluster doesn't serve and aren't restored",
    ),
    Fate.UNREAD: (
        "wasn't compared: the bot has no permission to read it",
        "weren't compared: the bot has no permission to read them",
    ),
}
"""Of one object, and of several."""
_NAMED = frozenset({Fate.CHANGED, Fate.KEPT, Fate.FIXED, Fate.GOING, Fate.REFUSED})


@dataclass(frozen=True, slots=True)
class Row:
    """`fields` differ; `why` it fares so; `controlled` by another object, which looks after it.

    `modified` by resource modifiers on its way; `merged` with what is there, as ServiceAccounts are under every policy.
    """

    kind: str
    namespace: str
    name: str
    fate: Fate
    fields: tuple[str, ...] = ()
    why: str = ""
    controlled: bool = False
    across: bool = False
    modified: bool = False
    merged: bool = False

    @property
    def location(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def line(self) -> str:
        more = f" ({', '.join(self.fields[:SHOWN])})" if self.fields else ""
        more += " [modified]" if self.modified else ""
        return f"{self.fate.value:<14} {self.kind} {self.location}{more}" + (f": {self.why}" if self.why else "")

    @property
    def is_impact(self) -> bool:
        """Whether it is part of the impact: what changes by itself all day would make every approval stale."""
        if self.fate not in {Fate.NEW, Fate.CHANGED} or self.controlled or self.kind in NOISE:
            return False
        return self.fate is Fate.NEW or not set(self.fields) <= CHURNS

    @property
    def is_warning(self) -> bool:
        """Velero says a warning of what is there and differs.

        It also does of objects that are equal to people: what a server filled in counts for it, and who wrote what when.
        """
        return self.fate in {Fate.KEPT, Fate.FIXED} and not self.merged

    @property
    def is_failure(self) -> bool:
        return self.fate in {Fate.REFUSED, Fate.NOT_SERVED}


@dataclass(frozen=True, slots=True)
class Claim:
    """A volume of the backup: whether its data comes back, and why not. `over`: into a volume that is there already."""

    shown: str
    comes_back: bool
    why: str = ""
    over: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...] = ()
    hooks: tuple[str, ...] = ()
    classless: tuple[str, ...] = ()
    """New claims whose storage class this cluster does not have."""
    waits: tuple[str, ...] = ()
    """What has to be gone before it goes on."""
    faults: tuple[str, ...] = ()
    """Errors beside those of the rows that are refused."""
    unsure: tuple[str, ...] = ()
    """What could not be looked at, and may go wrong."""
    terminating: tuple[str, ...] = ()
    """Namespaces that it goes into and that are being deleted."""
    pending: tuple[str, ...] = ()
    """PVCs that find no volume, with the reason."""
    originals: tuple[str, ...] = ()
    """PVCs in another namespace that take the original's volume itself."""
    addresses: tuple[str, ...] = ()
    """Services that get something anew."""
    idle_hooks: tuple[str, ...] = ()
    patches: tuple[str, ...] = ()
    """What resource modifiers change, field by field."""
    unpatched: tuple[str, ...] = ()
    """Rules of the resource modifiers that Velero could not apply, or that mean nothing in the backup."""
    idle: tuple[str, ...] = ()
    """Rules whose conditions hold for nothing that is restored."""

    @property
    def impact(self) -> frozenset[str]:
        changed = {f"{row.kind} {row.location} {row.fate.value}" for row in self.rows if row.is_impact}
        return frozenset(changed | {f"Volume {claim.shown} restored" for claim in self.claims if claim.comes_back})

    @property
    def errors(self) -> tuple[str, ...]:
        """What makes it PartiallyFailed."""
        refused = (f"{row.kind} {row.location}: {row.why or row.fate.value}" for row in self.rows if row.is_failure)
        return (*refused, *self.faults)

    @property
    def phase(self) -> str:
        """In which it would end, as far as can be told."""
        return "PartiallyFailed" if self.errors else "Completed"

    def rows_with(self, *fates: Fate) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.fate in fates)

    def summary(self) -> tuple[str, ...]:
        """Fits a message: counts per class with the kinds, and names where they matter."""
        lines = [_class(fate, self.rows_with(fate)) for fate in WORDS if self.rows_with(fate)]
        if not lines:
            return ("Nothing in the backup is selected.",)
        return (*lines, *self._around(), *self._volumes(), *self._ending())

    def _around(self) -> Iterable[str]:
        if across := [row for row in self.rows_with(Fate.NEW, Fate.CHANGED) if row.across and row.kind != "Namespace"]:
            yield f"Cluster-scoped among them: {_names(row.location for row in across)}."
        if modified := [f"{row.kind} {row.location}" for row in self.rows if row.modified]:
            yield f"Changed by resource modifiers: {_names(modified)}."
        yield from self.patches[:SHOWN]
        if len(self.patches) > SHOWN:
            yield f"… and {len(self.patches) - SHOWN} more fields, all of them in the report."
        yield from self.idle

    def _volumes(self) -> Iterable[str]:
        if back := [claim.shown for claim in self.claims if claim.comes_back]:
            yield f"Volume data restored: {_names(back)}."
        if over := [claim.shown for claim in self.claims if claim.over]:
            yield f"Files overwritten in existing volumes: {_names(over)}."
        if not_back := [f"{claim.shown} ({claim.why})" for claim in self.claims if not claim.comes_back]:
            yield f"Volume data NOT restored: {_names(not_back)}."
        if self.classless:
            yield f"{plural_of(len(self.classless), *CLASSLESS)}: {_names(self.classless)}. {CLASSES}"
        if self.pending:
            yield f"PVCs that stay Pending: {_names(self.pending)}. {EMPTY_VOLUMES}"
        if self.originals:
            yield f"PVCs that take the original volume itself, not a copy: {_names(self.originals)}. {EMPTY_VOLUMES}"

    def _ending(self) -> Iterable[str]:
        if self.hooks:
            yield f"Hooks that run in pods (init containers or commands): {_names(self.hooks)}."
        if self.idle_hooks:
            yield f"Hooks that do not run, since they do not name a target namespace: {_names(self.idle_hooks)}."
        if self.addresses:
            yield f"Services that get new addresses: {_names(self.addresses)}. Whatever uses the old ones has to change."
        if self.waits:
            yield f"{WAITS}: {_names(self.waits)}."
        if warned := sum(row.is_warning for row in self.rows):
            yield f"Velero warns of {warned} of them or more, which by itself is no failure."
        if self.unsure:
            yield f"Can't be predicted: {_names(self.unsure)}."
        if self.errors:
            yield f"The restore would end {self.phase}: {_names(self.errors)}."

    def report(self) -> str:
        """All of it, for a file."""
        lines = [*self.summary(), "", *(row.line for row in sorted(self.rows, key=_order))]
        lines += [
            f"volume         {claim.shown}: {'restored' if claim.comes_back else claim.why}" for claim in self.claims
        ]
        lines += [f"modifier       {patch}" for patch in self.patches[SHOWN:]]
        text = "\n".join(lines) + "\n"
        return text if len(text) <= LONGEST else text[:LONGEST] + "… and more\n"


def _class(fate: Fate, rows: tuple[Row, ...]) -> str:
    kinds = Counter(row.kind for row in rows)
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(SHOWN))
    text = f"{counted(len(rows), 'object')} {plural_of(len(rows), *WORDS[fate])}: {told}"
    if fate in _NAMED:
        text += f". {_names(_changed(row) for row in rows)}"
    return text + ("" if text.endswith(".") else ".")


def _changed(row: Row) -> str:
    why = f": {row.why}" if row.fate is Fate.REFUSED else ""
    return f"{row.kind} {row.location}" + (f" ({', '.join(row.fields[:3])})" if row.fields else "") + why


def _names(found: Iterable[str]) -> str:
    names = list(found)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _order(row: Row) -> tuple[int, str, str]:
    return list(Fate).index(row.fate), row.kind, row.location
