"""Computes what an actor may see. Invisible objects are neither listed nor suggested nor counted for them.

An actor's view of a cluster, for one read verb (`backup.get`; what a write may look at is what its noun's `get` shows):

1. Rules that cover the verb and include the actor are evaluated in order. A deny rule hides its namespaces from then on
   (without namespaces: everything). An allow or approval rule shows its own, except what was hidden before it (without
   namespaces: everything else).
2. If one of these rules shows something, that is the view.
3. Otherwise, rules for other verbs that permit something to the actor by name or group (not as anyone) count. If all are
   limited to namespaces, the actor is a tenant and sees only these; otherwise everything.
4. Otherwise the actor sees everything that isn't hidden, since reads are allowed by default.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from domain.actor import Actor
from domain.reach import Reach
from policy.cluster_facts import ClusterFacts
from policy.reach import backup_reach, mapping, select_names
from policy.rules import Rule
from policy.scope import EVERYWHERE, NO_LABELS, Labels, NamespaceScope

READ_VERBS = frozenset(
    {"get", "describe", "logs", "plan", "check", "status", "show", "list", "verify", "export", "explain"}
)


class Visibility(StrEnum):
    FULL = "full"
    REDACTED = "redacted"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class Layer:
    """Namespaces that one rule shows, except those that earlier rules hide."""

    shown: NamespaceScope
    hidden: tuple[NamespaceScope, ...] = ()

    def covers(self, name: str, labels: Labels) -> bool:
        return self.shown.covers(name, labels) and not any(each.touches(name, labels) for each in self.hidden)

    def touches(self, name: str, labels: Labels) -> bool:
        return self.shown.touches(name, labels) and not any(each.covers(name, labels) for each in self.hidden)


@dataclass(frozen=True, slots=True)
class View:
    layers: tuple[Layer, ...] = ()
    labels: Labels = field(default_factory=dict)

    @property
    def everything(self) -> bool:
        return any(layer.shown.everything and not layer.hidden for layer in self.layers)

    def covers_namespace(self, namespace: str) -> bool:
        """Whether a literal name, or every name that a pattern matches, is visible."""
        return any(layer.covers(namespace, self.labels) for layer in self.layers)

    def covers(self, reach: Reach) -> bool:
        """Whether all of the reach may be shown; objects outside namespaces only to actors who see everything."""
        if self.everything:
            return True
        whole = not reach.cluster_scoped and bool(reach.namespaces)
        return whole and all(self.covers_namespace(name) for name in reach.namespaces)

    def touches(self, reach: Reach) -> bool:
        return any(layer.touches(name, self.labels) for layer in self.layers for name in reach.namespaces)

    def visible_names(self, names: Iterable[str]) -> tuple[str, ...]:
        return tuple(name for name in names if self.covers_namespace(name))


def view_for(rules: Sequence[Rule], actor: Actor, cluster: str, verb: str, labels: Labels = NO_LABELS) -> View:
    mine = [rule for rule in rules if rule.is_on_cluster(cluster) and rule.who.includes(actor)]
    reads = [rule for rule in mine if rule.is_about_verb(_reading(verb))]
    layers, hidden = _layers(reads)
    if layers:
        return View(layers, labels)
    named = [rule for rule in mine if rule.is_permissive and rule.who.names_actor(actor)]
    if named and all(rule.where.is_confined for rule in named):
        shown = tuple(Layer(rule.where.namespaces, hidden) for rule in named if rule.where.namespaces)
        return View(shown, labels)
    return View((Layer(EVERYWHERE, hidden),), labels)


def view_of_channel(names: Sequence[str], labels: Labels = NO_LABELS) -> View:
    """Return the view of a channel whose scope is these namespaces; its messages must be covered by it."""
    return View((Layer(NamespaceScope(tuple(names))),), labels)


def _reading(verb: str) -> str:
    noun, dot, what = verb.partition(".")
    return verb if not dot or what in READ_VERBS else f"{noun}.get"


def _layers(reads: Sequence[Rule]) -> tuple[tuple[Layer, ...], tuple[NamespaceScope, ...]]:
    layers: list[Layer] = []
    hidden: list[NamespaceScope] = []
    for rule in reads:
        place = rule.where.namespaces if rule.where.is_confined and rule.where.namespaces else EVERYWHERE
        if rule.is_permissive:
            layers.append(Layer(place, tuple(hidden)))
        else:
            hidden.append(place)
    return tuple(layers), tuple(hidden)


def visibility_of(view: View, reach: Reach) -> Visibility:
    """Visibility of a restore, a schedule, or a backup of which only the reach is known."""
    if view.covers(reach):
        return Visibility.FULL
    return Visibility.REDACTED if view.touches(reach) else Visibility.HIDDEN


def visibility_of_backup(view: View, manifest: Mapping[str, Any], facts: ClusterFacts) -> Visibility:
    """Visibility of a backup. A wide backup is shown redacted only if it protects a visible live namespace."""
    found = visibility_of(view, backup_reach(manifest, facts))
    if found is not Visibility.REDACTED or not facts.live_namespaces:
        return found
    return Visibility.REDACTED if protected_namespaces(view, manifest, facts) else Visibility.HIDDEN


def protected_namespaces(view: View, manifest: Mapping[str, Any], facts: ClusterFacts) -> tuple[str, ...]:
    """Return the visible live namespaces that the backup's lists select."""
    spec = mapping(manifest.get("spec"))
    names = select_names(spec.get("includedNamespaces"), spec.get("excludedNamespaces"), facts.live_namespaces)
    return view.visible_names(sorted(names))


def may_have_file(view: View, reach: Reach) -> bool:
    """Whether the actor may get logs, results and lists as files: they show everything that the object reached."""
    return view.covers(reach)


def visible_results(view: View, results: Mapping[str, Any]) -> dict[str, Any]:
    """Return the errors or warnings of visible namespaces from a results file; the others may name other namespaces."""
    if view.everything:
        return dict(results)
    inside = {name: texts for name, texts in mapping(results.get("namespaces")).items() if view.covers_namespace(name)}
    return {"namespaces": inside} if inside else {}


def visible_items(view: View, contents: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the objects of a resource list that are in visible namespaces."""
    if view.everything:
        return {kind: tuple(items) for kind, items in contents.items()}
    mine = {
        kind: tuple(item for item in items if "/" in item and view.covers_namespace(item.partition("/")[0]))
        for kind, items in contents.items()
    }
    return {kind: items for kind, items in mine.items() if items}
