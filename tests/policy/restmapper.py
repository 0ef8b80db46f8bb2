"""Name resolution as Velero 1.18 does it, step by step after the Go code, and independent of what is tested.

pkg/discovery/helper.go ResourceFor → third_party/…/shortcut_expander.go → apimachinery meta.PriorityRESTMapper over one
meta.DefaultRESTMapper for each group version; then pkg/util/collections: what does not resolve stays and is a glob.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Api:
    """One resource as discovery tells of it, in discovery's order."""

    group: str
    plural: str
    singular: str
    short: tuple[str, ...] = ()
    namespaced: bool = True
    verbs: bool = True
    """It can be listed, made, read and deleted; others Velero does not know."""

    @property
    def full(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


def go_lower(text: str) -> str:
    """strings.ToLower maps rune by rune: U+0130 becomes `i`, the Kelvin sign `k`."""
    return "".join("i" if sign == "\u0130" else sign.lower() for sign in text)


def parse_group_resource(text: str) -> tuple[str, str]:
    resource, _, group = text.partition(".")
    return resource, group


def expanded(resource: str, group: str, served: Sequence[Api]) -> str:
    """expandResourceShortcut: case counts, and the group stays as it was written."""
    shortcuts = [(api, short) for api in served if api.verbs for short in api.short]
    for api, short in shortcuts:
        if (not group or group == api.group) and resource == short:
            return api.plural
    if group:
        for api, short in shortcuts:
            if api.group.startswith(group) and resource == short:
                return api.plural
    return resource


def resources_for(resource: str, group: str, served: Sequence[Api]) -> list[Api]:
    """MultiRESTMapper over DefaultRESTMappers: each group looks for its exact match by itself."""
    wanted = go_lower(resource)
    named = [api for api in served if wanted in {api.plural, api.singular}]
    if not wanted:
        return []
    if not group:
        return named
    found = []
    for home in dict.fromkeys(api.group for api in served):
        inside = [api for api in named if api.group == home]
        found += inside if home == group or home.startswith(group) else []
    return found


def resource_for(text: str, served: Sequence[Api]) -> Api | None:
    resource, group = parse_group_resource(text)
    found = resources_for(expanded(resource, group, served), group, served)
    core = [api for api in found if not api.group]
    for each in (core or found)[:1]:
        return each if each.verbs else None
    return None


class BadGlob(ValueError):
    """gobwas/glob does not compile it."""


def glob(pattern: str) -> re.Pattern[str]:
    """Of gobwas/glob what such names can hold; whatever has brackets and is odd does not compile."""
    made, at = "", 0
    while at < len(pattern):
        sign = pattern[at]
        if sign == "*":
            made += ".*"
        elif sign == "?":
            made += "."
        elif sign == "[":
            end = pattern.find("]", at)
            inside = pattern[at + 1 : end]
            if end < 0 or not re.fullmatch(r"!?\w+", inside):
                raise BadGlob(pattern)
            made += f"[{inside.replace('!', '^')}]"
            at = end
        elif sign in "]{}\\":
            raise BadGlob(pattern)
        else:
            made += re.escape(sign)
        at += 1
    return re.compile(made, re.DOTALL)


def matches(names: Iterable[str], full: str) -> bool:
    """globStringSet.match: sorted, and at the first that does not compile it gives up."""
    for name in sorted(set(names)):
        try:
            if glob(name).fullmatch(full):
                return True
        except BadGlob:
            return False
    return False


def filtered(names: Iterable[str], served: Sequence[Api]) -> set[str]:
    """generateIncludesExcludes for includes and excludes."""
    found = set()
    for name in names:
        api = resource_for(name, served) if name != "*" else None
        found.add(api.full if api is not None else name)
    return found


def taken(included: Sequence[str], excluded: Sequence[str], served: Sequence[Api]) -> set[str]:
    """The full names of the resources that plain lists let through."""
    wanted = filtered(included, served)
    unwanted = filtered((name for name in excluded if name != "*"), served)
    return {
        api.full
        for api in served
        if api.verbs and not matches(unwanted, api.full) and (not wanted or "*" in wanted or matches(wanted, api.full))
    }


RBAC = "rbac.authorization.k8s.io"
OPENSHIFT = "authorization.openshift.io"

SERVED = (
    Api("", "pods", "pod", ("po",)),
    Api("", "secrets", "secret"),
    Api("", "configmaps", "configmap", ("cm",)),
    Api("", "serviceaccounts", "serviceaccount", ("sa",)),
    Api("", "endpoints", "endpoints", ("ep",)),
    Api("", "bindings", "binding", verbs=False),
    Api("", "persistentvolumes", "persistentvolume", ("pv",), namespaced=False),
    Api("apps", "deployments", "deployment", ("deploy",)),
    Api(RBAC, "roles", "role"),
    Api(RBAC, "rolebindings", "rolebinding"),
    Api(RBAC, "clusterroles", "clusterrole", namespaced=False),
    Api(RBAC, "clusterrolebindings", "clusterrolebinding", namespaced=False),
    Api(OPENSHIFT, "roles", "role"),
    Api(OPENSHIFT, "rolebindings", "rolebinding"),
    Api("networking.istio.io", "virtualservices", "virtualservice", ("vs",)),
    Api("snapshot.storage.k8s.io", "volumesnapshots", "volumesnapshot", ("vs",)),
    Api("kyverno.io", "policies", "policy", ("pol",)),
    Api("rbac.example.com", "roles", "role", ("ro",)),
)
