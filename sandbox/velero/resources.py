"""Names of resources in a filter, resolved as the server's discovery helper does, else taken as patterns.

Source: velero 1.18 pkg/discovery/helper.go, third_party/…/shortcut_expander.go, pkg/util/collections; apimachinery
pkg/api/meta/restmapper.go.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sandbox.kubernetes.schemas.kinds import Kind

_SIGNS = re.compile(r"(\*+|\?|\[!?[^\[\]]+\])")


@dataclass(frozen=True, slots=True)
class Names:
    """One list of a filter. `all`: it is a single `*`."""

    names: tuple[str, ...] = ()

    @property
    def all(self) -> bool:
        return "*" in self.names

    def matches(self, qualified: str) -> bool:
        """Return whether a name matches; the server stops at the first one that isn't a valid pattern."""
        for name in self.names:
            pattern = _glob(name)
            if pattern is None:
                return False
            if pattern.fullmatch(qualified):
                return True
        return False


def listed(words: Iterable[str] | None, kinds: Sequence[Kind], *, namespaced: bool | None = None) -> Names:
    """Resolve a list. `namespaced`: keep only resources of that scope."""
    found = set()
    for word in words or ():
        kind = resolved(word, kinds) if word != "*" else None
        if kind is None:
            found.add(word)
        elif namespaced is None or kind.namespaced is namespaced:
            found.add(kind.qualified)
    return Names(tuple(sorted(found)))


def resolved(word: str, kinds: Sequence[Kind]) -> Kind | None:
    """Match short names and groups exactly, plural and singular in any case."""
    resource, _, group = word.partition(".")
    plain = _lower(_expanded(resource, group, kinds))
    found = [kind for kind in kinds if plain and plain in {kind.plural, kind.singular}]
    if group:
        found = [kind for kind in found if kind.group == group] or [
            kind for kind in found if kind.group.startswith(group)
        ]
    return next((kind for kind in found if not kind.group), found[0] if found else None)


def _lower(text: str) -> str:
    """Lowercase rune by rune, as Go does: a dotted capital I becomes a plain i."""
    return "".join(sign.lower()[0] for sign in text)


def _expanded(resource: str, group: str, kinds: Sequence[Kind]) -> str:
    short = [kind for kind in kinds if resource in kind.short_names]
    exact = [kind for kind in short if group in {"", kind.group}]
    found = exact or [kind for kind in short if kind.group.startswith(group)]
    return found[0].plural if found else resource


@lru_cache(maxsize=512)
def _glob(name: str) -> re.Pattern[str] | None:
    """Compile a pattern; None if it is invalid. A `*` matches dots here."""
    parts = _SIGNS.split(name)
    made = []
    for at, part in enumerate(parts):
        if at % 2 == 0:
            if set(part) & set("[]{}\\"):
                return None
            made.append(re.escape(part))
        elif part.startswith("["):
            made.append(part.replace("[!", "[^", 1))
        else:
            made.append("." if part == "?" else ".*")
    try:
        return re.compile("".join(made), re.DOTALL)
    except re.error:
        return None
