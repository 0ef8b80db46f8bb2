"""Where a rule holds: a box of namespaces, kinds, cluster-scoped objects, commands in pods, ConfigMaps and locations.

A reach lies inside the box in every dimension, or touches it in all of those that the rule names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.reach import Reach
from policy.globs import fits, holds, is_pattern, meet
from policy.kinds import all_full, may_be_same
from policy.modifiers import Limits, Most

Labels = Mapping[str, Mapping[str, str]]
"""Namespace → labels: of the live cluster, laid over by the settings. Never labels that stand in a command."""

NO_LABELS: Labels = {}


class Hooks(StrEnum):
    """Which commands in pods: none, those that pods carry in annotations, or those of the manifest too."""

    NONE = "none"
    ANNOTATED = "annotated"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Namespaces:
    """Names, patterns, and `(key, value)` of labels; an empty value means that the key is there."""

    names: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def everything(self) -> bool:
        return "*" in self.names

    def holds(self, reached: str, labels: Labels) -> bool:
        """A label holds only a name that is alive or configured: what is created later has labels of its own."""
        return holds(self.names, reached) or (reached in labels and self._labelled(labels[reached]))

    def touches(self, reached: str, labels: Labels) -> bool:
        """A name of which nothing is known, and every pattern, may turn out to carry the label."""
        if any(meet(name, reached) if is_pattern(reached) else fits(name, reached) for name in self.names):
            return True
        return bool(self.labels) and (reached not in labels or self._labelled(labels[reached]))

    def outside(self, reached: frozenset[str], labels: Labels) -> tuple[str, ...]:
        return () if self.everything else tuple(sorted(name for name in reached if not self.holds(name, labels)))

    def met(self, reached: frozenset[str], labels: Labels) -> tuple[str, ...]:
        return tuple(sorted(name for name in reached if self.touches(name, labels)))

    def _labelled(self, labels: Mapping[str, str]) -> bool:
        return any(key in labels and value in {"", labels[key]} for key, value in self.labels)


EVERYWHERE = Namespaces(("*",))


@dataclass(frozen=True, slots=True)
class Outside:
    """One way in which a reach leaves a box. `names` are for the operator: a person may not be allowed to see them."""

    what: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Where:
    """`None` in a dimension: the rule does not name it."""

    namespaces: Namespaces | None = None
    kinds: frozenset[str] | None = None
    cluster_scoped: bool | None = None
    hooks: Hooks | None = None
    configmaps: bool | None = None
    modifiers: Limits | None = None
    locations: tuple[str, ...] | None = None

    @property
    def confined(self) -> bool:
        """Limited to some namespaces, and therefore to them alone unless it says more."""
        return self.namespaces is not None and not self.namespaces.everything

    @property
    def flagged(self) -> bool:
        modified = self.modifiers is not None and self.modifiers.most is not Most.NONE
        return bool(self.cluster_scoped or self.configmaps or modified or self.hooks in {Hooks.ANNOTATED, Hooks.ANY})

    @property
    def unlimited(self) -> bool:
        return not self.confined and all(
            each is None
            for each in (self.kinds, self.cluster_scoped, self.hooks, self.configmaps, self.modifiers, self.locations)
        )

    def outside(self, reach: Reach, labels: Labels) -> tuple[Outside, ...]:
        """In which ways the reach leaves the box; none: it lies inside whole."""
        found = (
            self._namespaces_outside(reach, labels),
            self._kinds_outside(reach),
            self._said(reach.cluster_scoped, self.cluster_scoped, "cluster-scoped objects"),
            self._hooks_outside(reach),
            self._said(bool(reach.configmaps), self.configmaps, "ConfigMaps of Velero's namespace"),
            self._modifiers_outside(reach),
            self._locations_outside(reach),
        )
        return tuple(each for each in found if each is not None)

    def untouched(self, reach: Reach, labels: Labels, *, flags: bool) -> str:
        """The dimension in which the reach stays clear of the box; empty: it touches.

        `flags`: whether `cluster_scoped`, `hooks`, `configmaps` and `modifiers` are conditions here, and not what the box also holds.
        """
        clear = {
            "namespaces": self._namespaces_clear(reach, labels),
            "kinds": self.kinds is not None and not _kinds_meet(self.kinds, reach),
            "cluster_scoped": flags and self.cluster_scoped is True and not reach.cluster_scoped,
            "hooks": flags and self._hooks_clear(reach),
            "configmaps": flags and self.configmaps is True and not reach.configmaps,
            "modifiers": flags and self.modifiers is not None and not self.modifiers.meets(reach.modified),
            "locations": self.locations is not None and not _locations_meet(self.locations, reach.locations),
        }
        return next((name for name, is_clear in clear.items() if is_clear), "")

    def _namespaces_outside(self, reach: Reach, labels: Labels) -> Outside | None:
        if self.namespaces is None or not self.confined:
            return None
        if not reach.namespaces:
            return Outside("the whole cluster")
        names = self.namespaces.outside(reach.namespaces, labels)
        if not names:
            return None
        return Outside("every namespace" if "*" in names else "namespaces outside it", names)

    def _namespaces_clear(self, reach: Reach, labels: Labels) -> bool:
        """A reach without namespaces is something of the whole cluster: it stays clear of none."""
        if self.namespaces is None or not self.confined or not reach.namespaces:
            return False
        return not self.namespaces.met(reach.namespaces, labels)

    def _kinds_outside(self, reach: Reach) -> Outside | None:
        if self.kinds is None or "*" in self.kinds:
            return None
        names = all_full(reach.kinds) - all_full(self.kinds)
        return Outside("other kinds of objects", tuple(sorted(names))) if names else None

    def _hooks_outside(self, reach: Reach) -> Outside | None:
        most = self.hooks or (Hooks.ANNOTATED if self.confined else Hooks.ANY)
        if reach.hooks and most is not Hooks.ANY:
            return Outside("commands in pods that the manifest names")
        if reach.annotation_hooks and most is Hooks.NONE:
            return Outside("commands in pods that their annotations name")
        return None

    def _hooks_clear(self, reach: Reach) -> bool:
        if self.hooks is Hooks.ANNOTATED:
            return not (reach.hooks or reach.annotation_hooks)
        return self.hooks is Hooks.ANY and not reach.hooks

    def _modifiers_outside(self, reach: Reach) -> Outside | None:
        limits = self.modifiers or Limits(Most.METADATA if self.confined else Most.ANY)
        beyond = tuple(sorted(each for each in reach.modified if not limits.permits(each, self.kinds)))
        return Outside("fields that resource modifiers change", beyond) if beyond else None

    def _locations_outside(self, reach: Reach) -> Outside | None:
        names = () if self.locations is None else _not_of(self.locations, reach.locations)
        return Outside("other storage locations", names) if names else None

    def _said(self, reached: bool, allowed: bool | None, what: str) -> Outside | None:
        permitted = allowed if allowed is not None else not self.confined
        return Outside(what) if reached and not permitted else None


def _kinds_meet(kinds: frozenset[str], reach: Reach) -> bool:
    left_out = all_full(reach.without)
    return any(may_be_same(mine, theirs) for mine in all_full(kinds) for theirs in reach.kinds if mine not in left_out)


def _locations_meet(locations: tuple[str, ...], reached: frozenset[str]) -> bool:
    return "*" in reached or any(fits(mine, theirs) for mine in locations for theirs in reached)


def _not_of(locations: tuple[str, ...], reached: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(name for name in reached if not holds(locations, name)))
