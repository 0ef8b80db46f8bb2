"""Authentication and authorization: bearer tokens with a small table of grants."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.kubernetes import failures
from sandbox.kubernetes.target import Target

ALL = ("*",)
_PUBLIC_PATHS = ("/version", "/healthz", "/livez", "/readyz")


@dataclass(frozen=True, slots=True)
class Grant:
    """Resources by plural (`backups`, `pods/log`, or with group `backups.velero.io`), `*` for all of them.

    A namespace `*` means all of them and the cluster's own scope.
    """

    resources: Collection[str]
    verbs: Collection[str] = ALL
    namespaces: Collection[str] = ALL
    names: Collection[str] = ALL

    def covers(self, action: Target) -> bool:
        plural = f"{action.resource}/{action.subresource}" if action.subresource else action.resource
        return (
            any(name in self.resources for name in ("*", plural, f"{plural}.{action.group}"))
            and ("*" in self.verbs or action.verb in self.verbs)
            and ("*" in self.namespaces or (action.namespace != "" and action.namespace in self.namespaces))
            and ("*" in self.names or action.name in self.names)
        )

    def reason(self, user: str, namespace: str) -> dict[str, str]:
        """Return the API server's reason for an allowed request; none for a user who may do everything."""
        if "*" in self.namespaces:
            return {}
        return {"reason": f'RBAC: allowed by RoleBinding "{user}/{namespace}" of Role "{user}" to User "{user}"'}

    def rule(self) -> dict[str, Any]:
        groups = sorted({r.partition(".")[2] for r in self.resources if "." in r}) or ["*"]
        resources = sorted({r.partition(".")[0] for r in self.resources})
        rule: dict[str, Any] = {"verbs": sorted(self.verbs), "apiGroups": groups, "resources": resources}
        return rule if "*" in self.names else {**rule, "resourceNames": sorted(self.names)}


@dataclass(frozen=True, slots=True)
class User:
    name: str
    grants: Sequence[Grant] = ()

    def may(self, action: Target) -> bool:
        return any(grant.covers(action) for grant in self.grants)


ANONYMOUS = User("system:anonymous")


def admin(name: str = "admin") -> User:
    return User(name, (Grant(ALL),))


def authenticate(header: str | None, tokens: Mapping[str, User]) -> User:
    if not header:
        return ANONYMOUS
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or (user := tokens.get(token.strip())) is None:
        raise failures.unauthorized()
    return user


def authorize(user: User, action: Target) -> None:
    """Raise if the user has no access, before checking whether the object exists."""
    if _is_self_review(user, action) or user.may(action):
        return
    subject = f"{action.resource}.{action.group}" if action.group else action.resource
    if action.name:
        subject += f' "{action.name}"'
    details = {"name": action.name, "group": action.group, "kind": action.resource}
    message = f"{subject} is forbidden: {refusal(user, action)}"
    raise failures.ApiFailure(403, "Forbidden", message, {k: v for k, v in details.items() if v})


def refusal(user: User, action: Target) -> str:
    resource = f"{action.resource}/{action.subresource}" if action.subresource else action.resource
    where = f'in the namespace "{action.namespace}"' if action.namespace else "at the cluster scope"
    return f'User "{user.name}" cannot {action.verb} resource "{resource}" in API group "{action.group}" {where}'


def authorize_path(user: User, method: str, path: str) -> None:
    if user is ANONYMOUS and not path.startswith(_PUBLIC_PATHS):
        message = f'forbidden: User "{user.name}" cannot {method.lower()} path "{path}"'
        raise failures.ApiFailure(403, "Forbidden", message, {})


def _is_self_review(user: User, action: Target) -> bool:
    return user is not ANONYMOUS and action.group == "authorization.k8s.io" and action.resource.startswith("self")


def access_review(user: User, body: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a SelfSubjectAccessReview: the request and its result."""
    spec = body.get("spec") or {}
    asked = spec.get("resourceAttributes")
    return _review(body, {"allowed": True} if asked is None else _verdict(user, _asked(asked)))


def _asked(attributes: Mapping[str, str]) -> Target:
    keys = ("group", "version", "resource", "verb", "namespace", "name", "subresource")
    return Target(*(attributes.get(key, "") for key in keys))


def _verdict(user: User, action: Target) -> dict[str, Any]:
    for grant in user.grants:
        if grant.covers(action):
            return {"allowed": True, **grant.reason(user.name, action.namespace)}
    return {"allowed": False}


def rules_review(user: User, body: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a SelfSubjectRulesReview: every rule that applies in a namespace."""
    namespace = (body.get("spec") or {}).get("namespace", "")
    rules = list(_rules_in(user, namespace))
    return _review(body, {"resourceRules": rules, "nonResourceRules": [], "incomplete": False})


def _rules_in(user: User, namespace: str) -> Iterator[dict[str, Any]]:
    for grant in user.grants:
        if "*" in grant.namespaces or namespace in grant.namespaces:
            yield grant.rule()


def _review(body: Mapping[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": body.get("kind"),
        "apiVersion": body.get("apiVersion"),
        "metadata": {},
        "spec": body.get("spec") or {},
        "status": status,
    }
