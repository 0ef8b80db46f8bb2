"""Discovery: versions, groups and kinds."""

from collections.abc import Iterable

from domain.json_types import Json
from sandbox.kubernetes.schemas.kinds import Kind

_VERBS = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
VERSION: Json = {
    "major": "1",
    "minor": "35",
    "emulationMajor": "1",
    "emulationMinor": "35",
    "gitVersion": "v1.35.0",
    "gitTreeState": "clean",
    "platform": "linux/amd64",
}
_AUTHORIZATION = "authorization.k8s.io"
REVIEWS = {
    "selfsubjectaccessreviews": "SelfSubjectAccessReview",
    "selfsubjectrulesreviews": "SelfSubjectRulesReview",
}


def answer(path: str, kinds: Iterable[Kind]) -> Json | str | None:
    """Return JSON, text for the health checks, or None for an unknown path."""
    parts = [p for p in path.split("/") if p]
    match parts:
        case ["version"]:
            return VERSION
        case ["healthz" | "livez" | "readyz"]:
            return "ok"
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["api", version]:
            return _resources("", version, kinds)
        case ["apis"]:
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": _groups(kinds)}
        case ["apis", group]:
            found = [g for g in _groups(kinds) if g["name"] == group]
            return {"kind": "APIGroup", "apiVersion": "v1", **found[0]} if found else None
        case ["apis", group, version]:
            return _resources(group, version, kinds)
        case _:
            return None


def _groups(kinds: Iterable[Kind]) -> list[Json]:
    served = dict.fromkeys((k.group, k.version) for k in kinds if k.group)
    served[_AUTHORIZATION, "v1"] = None
    groups: dict[str, list[Json]] = {}
    for group, version in served:
        groups.setdefault(group, []).append({"groupVersion": f"{group}/{version}", "version": version})
    return [{"name": g, "versions": versions, "preferredVersion": versions[0]} for g, versions in groups.items()]


def _resources(group: str, version: str, kinds: Iterable[Kind]) -> Json | None:
    found = [_resource(k) for k in kinds if (k.group, k.version) == (group, version)]
    if (group, version) == (_AUTHORIZATION, "v1"):
        found = [_review(plural, kind) for plural, kind in REVIEWS.items()]
    if not found:
        return None
    api_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": found}


def _resource(kind: Kind) -> Json:
    named = {"name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced, "kind": kind.kind}
    return {**named, "verbs": _VERBS, **({"shortNames": list(kind.short_names)} if kind.short_names else {})}


def _review(plural: str, kind: str) -> Json:
    return {"name": plural, "singularName": kind.lower(), "namespaced": False, "kind": kind, "verbs": ["create"]}
