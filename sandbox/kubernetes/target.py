"""The target of a request, from its path and method."""

from collections.abc import Mapping
from dataclasses import dataclass

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
_TRUE = frozenset({"1", "true", "True", "t"})


def is_true(text: str | None) -> bool:
    return text in _TRUE


@dataclass(frozen=True, slots=True)
class Target:
    """The addressed resource: all namespaces, one namespace, or one object."""

    group: str
    version: str
    resource: str
    verb: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def watches(self) -> bool:
        return self.verb == "watch"


def target(method: str, path: str, query: Mapping[str, str]) -> Target | None:
    """Return None for a path that addresses no resource (discovery, health)."""
    parts = [p for p in path.split("/") if p]
    if parts[:1] == ["api"] and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in {"status", "finalize"}:
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource = rest[0], *[*rest[1:3], "", ""][:2]
    return Target(group, version, resource, _verb(method, name, query), namespace, name, subresource)


def _verb(method: str, name: str, query: Mapping[str, str]) -> str:
    if method in _VERBS:
        return _VERBS[method]
    if method == "DELETE":
        return "delete" if name else "deletecollection"
    if name:
        return "get"
    return "watch" if is_true(query.get("watch")) else "list"
