"""Kinds of objects whose effect goes beyond their own namespace, across projects.

There are three classes: kinds that grant permissions; kinds that define kinds; kinds that act cluster-wide (admission,
policies, API extensions, controllers that apply objects with permissions of their own, cluster-scoped secret stores,
priorities, node-level settings). A cluster-scoped object of an unknown kind counts as cluster-wide. A whole API group is
listed if all its kinds have the power, so that a kind added later is included.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

from policy.kinds import full_resource_name, is_builtin


class Power(StrEnum):
    RIGHTS = "rights"
    DEFINITIONS = "definitions"
    ADMISSION = "admission"
    CLUSTER = "cluster"


_GROUPS: Mapping[str, Power] = {
    "rbac.authorization.k8s.io": Power.RIGHTS,
    "authorization.openshift.io": Power.RIGHTS,
    "security.openshift.io": Power.RIGHTS,
    "user.openshift.io": Power.RIGHTS,
    "oauth.openshift.io": Power.RIGHTS,
    "rbacmanager.reactiveops.io": Power.RIGHTS,
    "iam.aws.upbound.io": Power.RIGHTS,
    "apiextensions.k8s.io": Power.DEFINITIONS,
    "apiextensions.crossplane.io": Power.DEFINITIONS,
    "pkg.crossplane.io": Power.DEFINITIONS,
    "kro.run": Power.DEFINITIONS,
    "admissionregistration.k8s.io": Power.ADMISSION,
    "apiregistration.k8s.io": Power.ADMISSION,
    "kyverno.io": Power.ADMISSION,
    "gatekeeper.sh": Power.ADMISSION,
    "kubewarden.io": Power.ADMISSION,
    "wgpolicyk8s.io": Power.ADMISSION,
    "certificates.k8s.io": Power.CLUSTER,
    "flowcontrol.apiserver.k8s.io": Power.CLUSTER,
    "node.k8s.io": Power.CLUSTER,
    "config.openshift.io": Power.CLUSTER,
    "operator.openshift.io": Power.CLUSTER,
    "machineconfiguration.openshift.io": Power.CLUSTER,
    "machine.openshift.io": Power.CLUSTER,
    "tuned.openshift.io": Power.CLUSTER,
    "operators.coreos.com": Power.CLUSTER,
    "argoproj.io": Power.CLUSTER,
    "toolkit.fluxcd.io": Power.CLUSTER,
    "helm.cattle.io": Power.CLUSTER,
    "karpenter.sh": Power.CLUSTER,
    "cluster.x-k8s.io": Power.CLUSTER,
}
"""API groups, including their subdomains (`constraints.gatekeeper.sh`)."""

_KINDS: Mapping[str, Power] = {
    "priorityclasses.scheduling.k8s.io": Power.CLUSTER,
    "csidrivers.storage.k8s.io": Power.CLUSTER,
    "podsecuritypolicies.policy": Power.RIGHTS,
    "clustersecretstores.external-secrets.io": Power.CLUSTER,
    "clusterexternalsecrets.external-secrets.io": Power.CLUSTER,
    "clusterpushsecrets.external-secrets.io": Power.CLUSTER,
    "clusterissuers.cert-manager.io": Power.CLUSTER,
    "ciliumclusterwidenetworkpolicies.cilium.io": Power.CLUSTER,
    "globalnetworkpolicies.crd.projectcalico.org": Power.CLUSTER,
    "adminnetworkpolicies.policy.networking.k8s.io": Power.CLUSTER,
}

_HARMLESS = frozenset(
    {
        "namespaces",
        "persistentvolumes",
        "storageclasses.storage.k8s.io",
        "ingressclasses.networking.k8s.io",
        "volumesnapshotclasses.snapshot.storage.k8s.io",
        "volumesnapshotcontents.snapshot.storage.k8s.io",
        "nodes",
        "csinodes.storage.k8s.io",
        "volumeattachments.storage.k8s.io",
    }
)
"""Cluster-scoped kinds without such power, or that Velero never restores."""

KINDS_OF_UNKNOWN_CONTENTS: Mapping[Power, tuple[tuple[str, ...], tuple[str, ...]]] = {
    Power.RIGHTS: (
        ("roles", "rolebindings"),
        ("clusterroles", "clusterrolebindings", "securitycontextconstraints.security.openshift.io"),
    ),
    Power.DEFINITIONS: ((), ("customresourcedefinitions",)),
    Power.ADMISSION: (
        (),
        (
            "mutatingwebhookconfigurations",
            "validatingwebhookconfigurations",
            "mutatingadmissionpolicies",
            "mutatingadmissionpolicybindings",
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
            "apiservices",
        ),
    ),
    Power.CLUSTER: ((), ("priorityclasses", "runtimeclasses", "csidrivers", "certificatesigningrequests")),
}
"""Namespace-scoped and cluster-scoped kinds that any cluster may have: assumed while a backup's contents aren't known."""


def power_of(name: str, *, extra: Iterable[str] = ()) -> Power | None:
    """Return the power of a `plural.group`, or of a `kind.group` from a backup's list of contents."""
    spelled = {full_resource_name(each) for each in _spellings(name)}
    if spelled & {full_resource_name(each) for each in extra}:
        return Power.CLUSTER
    if found := next((_KINDS[each] for each in spelled if each in _KINDS), None):
        return found
    group = full_resource_name(name).partition(".")[2]
    return next((power for home, power in _GROUPS.items() if group == home or group.endswith(f".{home}")), None)


def power_of_object(name: str, *, across: bool, extra: Iterable[str] = ()) -> Power | None:
    """Return the power of an object. `across` means cluster-scoped: an unknown kind then counts as cluster-wide."""
    known = power_of(name, extra=extra)
    if known is not None or not across or full_resource_name(name) in _HARMLESS:
        return known
    return Power.CLUSTER


def is_among(name: str, names: frozenset[str]) -> bool:
    """Whether an object's kind is among these `plural.group`."""
    return any(full_resource_name(each) in names for each in _spellings(name))


def _spellings(name: str) -> Iterator[str]:
    """Yield the kind and its regular plurals; well-known APIs have regular plurals."""
    yield name
    stem, dot, group = name.partition(".")
    if is_builtin(name):
        return
    yield f"{stem}s{dot}{group}"
    if stem.endswith(("s", "x", "ch", "sh")):
        yield f"{stem}es{dot}{group}"
    if stem.endswith("y"):
        yield f"{stem[:-1]}ies{dot}{group}"
