"""Everything that a manifest can touch. Computed from the manifest that would be written, never from flags."""

from __future__ import annotations

from dataclasses import dataclass

EVERYTHING = frozenset({"*"})


@dataclass(frozen=True, slots=True)
class Reach:
    """Namespaces are literal names; `"*"` means every namespace, present and future.

    A glob that stays in the manifest stands here as it is written, beside the live names that it matches now.
    """

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    cluster_scoped: bool = False
    """Cluster-scoped objects are read (backup) or written (restore)."""
    kinds: frozenset[str] = EVERYTHING
    """Resource names as written, lower case; `{"*"}` when not narrowed."""
    without: frozenset[str] = frozenset()
    """Resource names that are certainly left out, `plural` or `plural.group`."""
    hooks: bool = False
    """Commands that the manifest itself names would run in pods."""
    annotation_hooks: bool = False
    """Commands that pods carry in their annotations may run."""
    configmaps: frozenset[str] = frozenset()
    """ConfigMaps of Velero's namespace that the manifest refers to and that this plan does not make itself."""
    modified: frozenset[str] = frozenset()
    """What resource modifiers patch, as `kind pointer`; the kind is `*` where a pattern names it."""
    locations: frozenset[str] = frozenset()
    own_objects: frozenset[str] = frozenset()
    """Velero objects deleted or changed themselves, as `kind/name`."""

    @property
    def namespaces(self) -> frozenset[str]:
        return self.reads | self.writes

    def is_within(self, scope: frozenset[str]) -> bool:
        """Whether every namespace lies inside `scope`; a scope of `{"*"}` holds all."""
        return "*" in scope or self.namespaces <= scope
