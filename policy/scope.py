"""The scope of a rule: namespaces, kinds, cluster-scoped objects, hooks, ConfigMaps, modifiers and locations.

A reach is inside a scope if it is inside in every dimension; it touches it if it does so in every dimension that the
rule sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.reach import Reach
from policy.globs import covers_glob, globs_overlap, is_pattern, matches_glob
from policy.kinds import full_resource_names, may_be_same_resource
from policy.modifiers import ModifierLimits, ModifierReach

Labels = Mapping[str, Mapping[str, str]]
"""Namespace → labels of the live cluster, overridden by the settings. Never labels from a command."""

NO_LABELS: Labels = {}


class Hooks(StrEnum):
    """Which commands may run in pods: none, those in pod annotations, or also those of the manifest."""

    NONE = "none"
    ANNOTATED = "annotated"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class NamespaceScope:
    """Names, patterns, and labels as `(key, value)`; an empty value matches any value."""

    names: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def everything(self) -> bool:
        return "*" in self.names

    def covers(self, reached: str, labels: Labels) -> bool:
        """Whether the scope covers the name. A label covers only live or configured names: later ones have other labels."""
        return covers_glob(self.names, reached) or (reached in labels and self._labelled(labels[reached]))

    def touches(self, reached: str, labels: Labels) -> bool:
        """Whether the scope may include the name. An unknown name and every pattern may turn out to have the label."""
        if any(
            globs_overlap(name, reached) if is_pattern(reached) else matches_glob(name, reached) for name in self.names
        ):
            return True
        return bool(self.labels) and (reached not in labels or self._labelled(labels[reached]))

    def outside(self, reached: frozenset[str], labels: Labels) -> tuple[str, ...]:
        return () if self.everything else tuple(sorted(name for name in reached if not self.covers(name, labels)))

    def touched_names(self, reached: frozenset[str], labels: Labels) -> tuple[str, ...]:
        return tuple(sorted(name for name in reached if self.touches(name, labels)))

    def _labelled(self, labels: Mapping[str, str]) -> bool:
        return any(key in labels and value in {"", labels[key]} for key, value in self.labels)


EVERYWHERE = NamespaceScope(("*",))


@dataclass(frozen=True, slots=True)
class ScopeBreach:
    """One way in which a reach exceeds a scope. `names` are for the operator: a person may not be allowed to see them."""

    what: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleScope:
    """A dimension that is `None` isn't set by the rule."""

    namespaces: NamespaceScope | None = None
    kinds: frozenset[str] | None = None
    cluster_scoped: bool | None = None
    hooks: Hooks | None = None
    configmaps: bool | None = None
    modifiers: ModifierLimits | None = None
    locations: tuple[str, ...] | None = None

    @property
    def is_confined(self) -> bool:
        """Whether the rule is limited to some namespaces, and so permits nothing else unless it says so."""
        return self.namespaces is not None and not self.namespaces.everything

    @property
    def flagged(self) -> bool:
        modified = self.modifiers is not None and self.modifiers.most is not ModifierReach.NONE
        return bool(self.cluster_scoped or self.configmaps or modified or self.hooks in {Hooks.ANNOTATED, Hooks.ANY})

    @property
    def is_unlimited(self) -> bool:
        return not self.is_confined and all(
            each is None
            for each in (self.kinds, self.cluster_scoped, self.hooks, self.configmaps, self.modifiers, self.locations)
        )

    def breaches(self, reach: Reach, labels: Labels) -> tuple[ScopeBreach, ...]:
        """Return the ways in which the reach exceeds the scope; empty if it is entirely inside."""
        found = (
            self._namespaces_outside(reach, labels),
            self._kinds_outside(reach),
            self._flag_outside(reach.cluster_scoped, self.cluster_scoped, "cluster-scoped objects"),
            self._hooks_outside(reach),
            self._flag_outside(bool(reach.configmaps), self.configmaps, "ConfigMaps in Velero's namespace"),
            self._modifiers_outside(reach),
            self._locations_outside(reach),
        )
        return tuple(each for each in found if each is not None)

    def untouched_dimension(self, reach: Reach, labels: Labels, *, flags: bool) -> str:
        """Return a dimension in which the reach doesn't touch the scope; empty if it touches.

        `flags` says whether `cluster_scoped`, `hooks`, `configmaps` and `modifiers` are conditions here, and not permissions.
        """
        clear = {
            "namespaces": self._namespaces_clear(reach, labels),
            "kinds": self.kinds is not None and not _kinds_meet(self.kinds, reach),
            "cluster_scoped": flags and self.cluster_scoped is True and not reach.cluster_scoped,
            "hooks": flags and self._hooks_clear(reach),
            "configmaps": flags and self.configmaps is True and not reach.configmaps,
            "modifiers": flags and self.modifiers is not None and not self.modifiers.is_met_by(reach.modified),
            "locations": self.locations is not None and not _locations_meet(self.locations, reach.locations),
        }
        return next((name for name, is_clear in clear.items() if is_clear), "")

    def _namespaces_outside(self, reach: Reach, labels: Labels) -> ScopeBreach | None:
        if self.namespaces is None or not self.is_confined:
            return None
        if not reach.namespaces:
            return ScopeBreach("the whole cluster")
        names = self.namespaces.outside(reach.namespaces, labels)
        if not names:
            return None
        return ScopeBreach("all namespaces" if "*" in names else "other namespaces", names)

    def _namespaces_clear(self, reach: Reach, labels: Labels) -> bool:
        """Whether the namespaces don't touch. A reach without namespaces concerns the whole cluster and touches all."""
        if self.namespaces is None or not self.is_confined or not reach.namespaces:
            return False
        return not self.namespaces.touched_names(reach.namespaces, labels)

    def _kinds_outside(self, reach: Reach) -> ScopeBreach | None:
        if self.kinds is None or "*" in self.kinds:
            return None
        names = full_resource_names(reach.kinds) - full_resource_names(self.kinds)
        return ScopeBreach("other resources", tuple(sorted(names))) if names else None

    def _hooks_outside(self, reach: Reach) -> ScopeBreach | None:
        most = self.hooks or (Hooks.ANNOTATED if self.is_confined else Hooks.ANY)
        if reach.hooks and most is not Hooks.ANY:
            return ScopeBreach("commands in pods defined in the request")
        if reach.annotation_hooks and most is Hooks.NONE:
            return ScopeBreach("commands in pods defined in pod annotations")
        return None

    def _hooks_clear(self, reach: Reach) -> bool:
        if self.hooks is Hooks.ANNOTATED:
            return not (reach.hooks or reach.annotation_hooks)
        return self.hooks is Hooks.ANY and not reach.hooks

    def _modifiers_outside(self, reach: Reach) -> ScopeBreach | None:
        limits = self.modifiers or ModifierLimits(ModifierReach.METADATA if self.is_confined else ModifierReach.ANY)
        beyond = tuple(sorted(each for each in reach.modified if not limits.permits(each, self.kinds)))
        return ScopeBreach("fields that resource modifiers change", beyond) if beyond else None

    def _locations_outside(self, reach: Reach) -> ScopeBreach | None:
        names = () if self.locations is None else _not_of(self.locations, reach.locations)
        return ScopeBreach("other storage locations", names) if names else None

    def _flag_outside(self, reached: bool, allowed: bool | None, what: str) -> ScopeBreach | None:
        permitted = allowed if allowed is not None else not self.is_confined
        return ScopeBreach(what) if reached and not permitted else None


def _kinds_meet(kinds: frozenset[str], reach: Reach) -> bool:
    left_out = full_resource_names(reach.without)
    return any(
        may_be_same_resource(mine, theirs)
        for mine in full_resource_names(kinds)
        for theirs in reach.kinds
        if mine not in left_out
    )


def _locations_meet(locations: tuple[str, ...], reached: frozenset[str]) -> bool:
    return "*" in reached or any(matches_glob(mine, theirs) for mine in locations for theirs in reached)


def _not_of(locations: tuple[str, ...], reached: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(name for name in reached if not covers_glob(locations, name)))
