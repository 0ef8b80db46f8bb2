"""The result of a preview: what happens to each object, as a summary, a report and the impact of an approval. Pure.

An approval is bound to `impact`: if a later preview shows other changes, the approval no longer holds. So it contains
only what matters and is stable; objects that controllers change all the time are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from domain.counting import counted, plural_of
from operations.restore_preview.compare import CHURNS, NOISE

MAX_SHOWN = 8
MAX_NAMED_ONLY = 3
MAX_REPORT_LENGTH = 2_000_000
MISSING_CLASS = (
    "This PVC stays Pending because its storage class doesn't exist",
    "These PVCs stay Pending because their storage class doesn't exist",
)
MISSING_CLASS_FIX = "Create the storage class, or map it with a ConfigMap in Velero's namespace: labels velero.io/plugin-config= and velero.io/change-storage-class=RestoreItemAction, data OLD: NEW."
EMPTY_VOLUMES_FIX = 'For new, empty volumes, add a --modifier: groupResource persistentvolumeclaims, mergePatches {"spec":{"volumeName":null}}.'
WAITS = "The restore waits for objects that are being deleted, up to 10 minutes by default (Velero's --terminating-resource-timeout). Its phase stays InProgress"


class Fate(StrEnum):
    NEW = "new"
    UNCHANGED = "unchanged"
    CHANGED = "changed"
    """It exists with differences, and Velero updates it."""
    KEPT = "kept"
    """It exists with differences, and Velero leaves it unchanged."""
    IMMUTABLE = "immutable"
    """It exists with differences, and Kubernetes rejects the update."""
    TERMINATING = "terminating"
    """It exists and is being deleted."""
    EXCLUDED = "excluded"
    """It is in the backup, and Velero doesn't restore it as an object."""
    REFUSED = "refused"
    """The API server rejects it, which is an error of the restore."""
    NOT_SERVED = "not served"
    UNREAD = "not checked"


SENTENCES = {
    Fate.NEW: ("would be created", "would be created"),
    Fate.CHANGED: ("would be changed", "would be changed"),
    Fate.KEPT: ("exists with differences and is left unchanged", "exist with differences and are left unchanged"),
    Fate.IMMUTABLE: ("differs but can't be changed", "differ but can't be changed"),
    Fate.UNCHANGED: ("exists and is identical", "exist and are identical"),
    Fate.TERMINATING: (
        "is being deleted; Velero treats it as existing and doesn't restore it",
        "are being deleted; Velero treats them as existing and doesn't restore them",
    ),
    Fate.EXCLUDED: ("isn't restored by Velero", "aren't restored by Velero"),
    Fate.REFUSED: ("would be rejected by the cluster", "would be rejected by the cluster"),
    Fate.NOT_SERVED: (
        "has an API version this cluster doesn't serve and isn't restored",
        "have an API version this cluster doesn't serve and aren't restored",
    ),
    Fate.UNREAD: ("wasn't compared", "weren't compared"),
}
"""The rest of the sentence, for one object and for several."""
_NAMED_FATES = frozenset({Fate.CHANGED, Fate.KEPT, Fate.IMMUTABLE, Fate.TERMINATING, Fate.REFUSED})


@dataclass(frozen=True, slots=True)
class Row:
    """The fate of one object, and `why`. `fields` are the ones that differ.

    `controlled`: another object owns and manages it. `modified`: resource modifiers changed it. `merged`: the live and the
    restored object are merged, as ServiceAccounts are under every policy.
    """

    kind: str
    namespace: str
    name: str
    fate: Fate
    fields: tuple[str, ...] = ()
    why: str = ""
    controlled: bool = False
    cluster_scoped: bool = False
    modified: bool = False
    merged: bool = False

    @property
    def location(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def line(self) -> str:
        more = f" ({', '.join(self.fields[:MAX_SHOWN])})" if self.fields else ""
        more += " [modified]" if self.modified else ""
        return f"{self.fate.value:<14} {self.kind} {self.location}{more}" + (f": {self.why}" if self.why else "")

    @property
    def is_impact(self) -> bool:
        """Whether it is part of the impact. What controllers change all the time would invalidate every approval."""
        if self.fate not in {Fate.NEW, Fate.CHANGED} or self.controlled or self.kind in NOISE:
            return False
        return self.fate is Fate.NEW or not set(self.fields) <= CHURNS

    @property
    def is_warning(self) -> bool:
        """Whether Velero surely warns about it.

        It also warns about objects that are identical here: it compares fields that the server fills in, and managed fields.
        """
        return self.fate in {Fate.KEPT, Fate.IMMUTABLE} and not self.merged

    @property
    def is_failure(self) -> bool:
        return self.fate in {Fate.REFUSED, Fate.NOT_SERVED}


@dataclass(frozen=True, slots=True)
class VolumeOutcome:
    """Whether the data of a volume is restored, and why not. `overwrites`: files in an existing volume are overwritten."""

    name: str
    is_restored: bool
    why: str = ""
    overwrites: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    rows: tuple[Row, ...]
    volume_outcomes: tuple[VolumeOutcome, ...] = ()
    hooks: tuple[str, ...] = ()
    missing_classes: tuple[str, ...] = ()
    """New PVCs whose storage class doesn't exist in this cluster, each with the class."""
    blockers: tuple[str, ...] = ()
    """Objects whose deletion the restore waits for."""
    other_errors: tuple[str, ...] = ()
    """Errors in addition to those of the rows."""
    unpredictable: tuple[str, ...] = ()
    """Parts that couldn't be checked and may fail."""
    terminating: tuple[str, ...] = ()
    """Target namespaces that are being deleted."""
    pending: tuple[str, ...] = ()
    """PVCs that stay Pending, with the reason."""
    original_volumes: tuple[str, ...] = ()
    """PVCs in another namespace that bind to the original volume."""
    new_addresses: tuple[str, ...] = ()
    """Services that get new addresses."""
    skipped_hooks: tuple[str, ...] = ()
    patches: tuple[str, ...] = ()
    """Changes by resource modifiers, one line per field."""
    modifier_errors: tuple[str, ...] = ()
    """Why the resource modifiers must not run: rules that fail or match no restored resource."""
    rules_without_effect: tuple[str, ...] = ()
    """Rules whose conditions no restored object meets."""

    @property
    def impact(self) -> frozenset[str]:
        changed = {f"{row.kind} {row.location} {row.fate.value}" for row in self.rows if row.is_impact}
        return frozenset(
            changed | {f"Volume {claim.name} restored" for claim in self.volume_outcomes if claim.is_restored}
        )

    @property
    def errors(self) -> tuple[str, ...]:
        """The errors that would make the restore PartiallyFailed."""
        refused = (f"{row.kind} {row.location}: {row.why or row.fate.value}" for row in self.rows if row.is_failure)
        return (*refused, *self.other_errors)

    @property
    def phase(self) -> str:
        """The predicted phase."""
        return "PartiallyFailed" if self.errors else "Completed"

    def rows_with(self, *fates: Fate) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.fate in fates)

    def summary(self) -> tuple[str, ...]:
        """Lines for a message: counts for each fate with kinds, and names where they matter."""
        lines = [_fate_line(fate, self.rows_with(fate)) for fate in SENTENCES if self.rows_with(fate)]
        if not lines:
            return ("Nothing in the backup is selected.",)
        return (*lines, *self._modifications(), *self._volume_lines(), *self._consequences())

    def _modifications(self) -> Iterable[str]:
        if found := [
            row for row in self.rows_with(Fate.NEW, Fate.CHANGED) if row.cluster_scoped and row.kind != "Namespace"
        ]:
            yield f"Cluster-scoped: {_names(row.location for row in found)}."
        if modified := [f"{row.kind} {row.location}" for row in self.rows if row.modified]:
            yield f"Changed by resource modifiers: {_names(modified)}."
        yield from self.patches[:MAX_SHOWN]
        if (more := len(self.patches) - MAX_SHOWN) > 0:
            yield f"… and {counted(more, 'more field')}. The report lists {plural_of(more, 'it', 'all of them')}."
        yield from self.rules_without_effect

    def _volume_lines(self) -> Iterable[str]:
        if back := [claim.name for claim in self.volume_outcomes if claim.is_restored]:
            yield f"Volume data restored: {_names(back)}."
        if over := [claim.name for claim in self.volume_outcomes if claim.overwrites]:
            yield f"⚠️ Files overwritten in existing volumes: {_names(over)}."
        if not_back := [f"{claim.name} ({claim.why})" for claim in self.volume_outcomes if not claim.is_restored]:
            yield f"Volume data NOT restored: {_names(not_back)}."
        if self.missing_classes:
            yield f"{plural_of(len(self.missing_classes), *MISSING_CLASS)}: {_names(self.missing_classes)}. {MISSING_CLASS_FIX}"
        if self.pending:
            yield f"PVCs that stay Pending: {_names(self.pending)}. {EMPTY_VOLUMES_FIX}"
        if self.original_volumes:
            yield f"PVCs that bind to the original volume, not to a copy: {_names(self.original_volumes)}. {EMPTY_VOLUMES_FIX}"

    def _consequences(self) -> Iterable[str]:
        if self.hooks:
            yield f"Hooks that run in pods (init containers or commands): {_names(self.hooks)}."
        if self.skipped_hooks:
            yield f"Hooks that don't run because they name no target namespace: {_names(self.skipped_hooks)}."
        if self.new_addresses:
            yield f"Services that get new addresses: {_names(self.new_addresses)}. Update clients that use the old ones."
        if self.blockers:
            yield f"{WAITS}: {_names(self.blockers)}."
        if warned := sum(row.is_warning for row in self.rows):
            yield f"Velero will report at least {counted(warned, 'warning')}. Warnings don't make a restore fail."
        if self.unpredictable:
            yield f"Can't be predicted: {_names(self.unpredictable)}."
        if self.errors:
            yield f"The restore would end {self.phase}: {_names(self.errors)}."

    def report(self) -> str:
        """The summary and a line for each object, as text for a file."""
        lines = [*self.summary(), "", *(row.line for row in sorted(self.rows, key=_order))]
        lines += [
            f"volume         {claim.name}: {'restored' if claim.is_restored else claim.why}"
            for claim in self.volume_outcomes
        ]
        lines += [f"modifier       {patch}" for patch in self.patches[MAX_SHOWN:]]
        text = "\n".join(lines) + "\n"
        return text if len(text) <= MAX_REPORT_LENGTH else text[:MAX_REPORT_LENGTH] + "… and more\n"


def _fate_line(fate: Fate, rows: tuple[Row, ...]) -> str:
    if fate is Fate.UNREAD:
        return " ".join(_unread_sentences(rows))
    sentence = f"{counted(len(rows), 'object')} {plural_of(len(rows), *SENTENCES[fate])}"
    names = _names(_described(row) for row in rows)
    if len(rows) <= MAX_NAMED_ONLY and fate in {Fate.NEW, *_NAMED_FATES}:
        return f"{sentence}: {names}."
    return f"{sentence}: {_kinds(rows)}." + (f" {names}." if fate in _NAMED_FATES else "")


def _unread_sentences(rows: tuple[Row, ...]) -> Iterable[str]:
    """Rows without a reason are those that the bot may not read."""
    verb = SENTENCES[Fate.UNREAD]
    if unserved := [row for row in rows if row.why]:
        yield f"{_kinds(unserved)} {plural_of(len(unserved), *verb)}: {unserved[0].why}."
    if forbidden := [row for row in rows if not row.why]:
        kinds = {row.kind for row in forbidden}
        objects = _plural(kinds.pop()) if len(kinds) == 1 else "them"
        yield f"{_kinds(forbidden)} {plural_of(len(forbidden), *verb)}: the bot has no permission to read {objects}."


def _kinds(rows: Iterable[Row]) -> str:
    kinds = Counter(row.kind for row in rows).most_common(MAX_SHOWN)
    return ", ".join(counted(count, kind, _plural(kind)) for kind, count in kinds)


def _plural(kind: str) -> str:
    if kind.endswith("y"):
        return f"{kind[:-1]}ies"
    if kind.endswith("Endpoints"):
        return kind
    return f"{kind}es" if kind.endswith(("s", "x", "ch")) else f"{kind}s"


def _described(row: Row) -> str:
    why = f": {row.why}" if row.fate is Fate.REFUSED else ""
    return f"{row.kind} {row.location}" + (f" ({', '.join(row.fields[:3])})" if row.fields else "") + why


def _names(found: Iterable[str]) -> str:
    names = list(found)
    more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
    return ", ".join(names[:MAX_SHOWN]) + more


def _order(row: Row) -> tuple[int, str, str]:
    return list(Fate).index(row.fate), row.kind, row.location
