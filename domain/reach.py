"""Everything that a manifest can touch, computed from the manifest that would be written and never from flags."""

from __future__ import annotations

from dataclasses import dataclass

EVERYTHING = frozenset({"*"})


@dataclass(frozen=True, slots=True)
class Reach:
    """Namespaces are literal names; `"*"` means every namespace, present and future.

    A pattern in the manifest is included as written, in addition to the live names that it matches now.
    """

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    cluster_scoped: bool = False
    """Cluster-scoped objects are read (backup) or written (restore)."""
    kinds: frozenset[str] = EVERYTHING
    """Resource names as written, lower case; `{"*"}` when not narrowed."""
    without: frozenset[str] = frozenset()
    """Resource names that are certainly excluded, `plural` or `plural.group`."""
    hooks: bool = False
    """Commands defined in the manifest would run in pods."""
    annotation_hooks: bool = False
    """Commands defined in pod annotations may run."""
    configmaps: frozenset[str] = frozenset()
    """ConfigMaps in Velero's namespace that the manifest refers to and the plan doesn't create."""
    modified: frozenset[str] = frozenset()
    """Fields that resource modifiers patch, as `kind pointer`; the kind is `*` for a pattern."""
    locations: frozenset[str] = frozenset()
    own_objects: frozenset[str] = frozenset()
    """Velero objects that are deleted or changed, as `kind/name`."""

    @property
    def namespaces(self) -> frozenset[str]:
        return self.reads | self.writes

    def is_within(self, scope: frozenset[str]) -> bool:
        """Whether `scope` contains every namespace; `{"*"}` contains all."""
        return "*" in scope or self.namespaces <= scope
