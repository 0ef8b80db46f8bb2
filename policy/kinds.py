"""Names of Kubernetes resources as people write them: `po`, `Pod`, `pods`, `deployments.apps`, resolved as Velero does.

Velero uses API discovery: it accepts plural and singular in any case, short names and groups as written, and a prefix
of the group. It doesn't trim spaces. A name that doesn't resolve stays as written and is matched as a pattern against
`plural.group`. This table has the built-in resources; two other names count as possibly the same unless their groups
differ.
Source: velero 1.18 pkg/discovery/helper.go ResourceFor, third_party/.../shortcut_expander.go; apimachinery
pkg/api/meta/restmapper.go ResourcesFor.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_WRITTEN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_PATTERN = re.compile(r"[a-z0-9.*?-]+")

_TABLE = """
configmaps configmap cm|secrets secret|services service svc|serviceaccounts serviceaccount sa|pods pod po
events event ev|endpoints endpoint ep|namespaces namespace ns|nodes node no|limitranges limitrange limits
persistentvolumes persistentvolume pv|persistentvolumeclaims persistentvolumeclaim pvc
resourcequotas resourcequota quota|replicationcontrollers replicationcontroller rc|podtemplates podtemplate
deployments.apps deployment deploy|statefulsets.apps statefulset sts|daemonsets.apps daemonset ds
replicasets.apps replicaset rs|controllerrevisions.apps controllerrevision|jobs.batch job|cronjobs.batch cronjob cj
ingresses.networking.k8s.io ingress ing|ingressclasses.networking.k8s.io ingressclass
networkpolicies.networking.k8s.io networkpolicy netpol|poddisruptionbudgets.policy poddisruptionbudget pdb
horizontalpodautoscalers.autoscaling horizontalpodautoscaler hpa|leases.coordination.k8s.io lease
endpointslices.discovery.k8s.io endpointslice|priorityclasses.scheduling.k8s.io priorityclass pc
roles.rbac.authorization.k8s.io role|rolebindings.rbac.authorization.k8s.io rolebinding
clusterroles.rbac.authorization.k8s.io clusterrole
clusterrolebindings.rbac.authorization.k8s.io clusterrolebinding
customresourcedefinitions.apiextensions.k8s.io customresourcedefinition crd crds
mutatingwebhookconfigurations.admissionregistration.k8s.io mutatingwebhookconfiguration
validatingwebhookconfigurations.admissionregistration.k8s.io validatingwebhookconfiguration
validatingadmissionpolicies.admissionregistration.k8s.io validatingadmissionpolicy
validatingadmissionpolicybindings.admissionregistration.k8s.io validatingadmissionpolicybinding
mutatingadmissionpolicies.admissionregistration.k8s.io mutatingadmissionpolicy
mutatingadmissionpolicybindings.admissionregistration.k8s.io mutatingadmissionpolicybinding
apiservices.apiregistration.k8s.io apiservice|storageclasses.storage.k8s.io storageclass sc
csidrivers.storage.k8s.io csidriver|csinodes.storage.k8s.io csinode
volumeattachments.storage.k8s.io volumeattachment|runtimeclasses.node.k8s.io runtimeclass
certificatesigningrequests.certificates.k8s.io certificatesigningrequest csr
volumesnapshots.snapshot.storage.k8s.io volumesnapshot vs
volumesnapshotcontents.snapshot.storage.k8s.io volumesnapshotcontent vsc vscs
volumesnapshotclasses.snapshot.storage.k8s.io volumesnapshotclass vsclass vsclasses
"""

_SNAPSHOTS = "snapshot.storage.k8s.io"

_CLUSTER = frozenset(
    [
        "namespaces",
        "nodes",
        "persistentvolumes",
        "ingressclasses",
        "priorityclasses",
        "clusterroles",
        "clusterrolebindings",
        "customresourcedefinitions",
        "mutatingwebhookconfigurations",
        "validatingwebhookconfigurations",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
        "mutatingadmissionpolicies",
        "mutatingadmissionpolicybindings",
        "apiservices",
        "storageclasses",
        "csidrivers",
        "csinodes",
        "volumeattachments",
        "runtimeclasses",
        "certificatesigningrequests",
        "volumesnapshotcontents",
        "volumesnapshotclasses",
    ]
)


def _names() -> Mapping[str, str]:
    """Map every spelling without its group to the full name."""
    found: dict[str, str] = {}
    for entry in _TABLE.replace("\n", "|").split("|"):
        if words := entry.split():
            for word in (words[0].partition(".")[0], *words[1:]):
                found[word] = words[0]
    return found


_FULL = _names()


def full_resource_name(name: str) -> str:
    """Return the full name: `Deploy` → `deployments.apps`. A name that isn't built in stays, in lower case.

    This is the wide reading, for included resources and rules: a name that may mean a resource means it.
    """
    plain = name.lower()
    stem, _, group = plain.partition(".")
    known = _FULL.get(stem, "")
    if known and known.partition(".")[2].startswith(group):
        return known
    return plain


def is_canonical(name: str) -> bool:
    """Whether the name is spelled as Kubernetes spells resources, so that there is nothing to fold, trim or escape."""
    return bool(_WRITTEN.fullmatch(name))


def is_canonical_pattern(name: str) -> bool:
    """Whether this is a canonical name, or a pattern with `*` and `?`, which can't be malformed."""
    return is_canonical(name) or (bool(_PATTERN.fullmatch(name)) and bool({"*", "?"} & set(name)))


def proven(name: str) -> str:
    """Return the resource that Velero certainly resolves this name to in any cluster; empty if that isn't certain.

    A built-in name is certain: its API groups come first in discovery, so no custom resource can claim it. Of custom
    resources in the table only the plural is. A plural with its whole group is certain too, since it is matched as
    written even if discovery doesn't know it. A part of a group may mean another group.
    """
    if not is_canonical(name):
        return ""
    stem, _, group = name.partition(".")
    known = _FULL.get(stem, "")
    plural, _, home = known.partition(".")
    if known and (name == stem or group == home):
        return known if stem == plural or home != _SNAPSHOTS else ""
    return name if "." in group else ""


def full_resource_names(names: Iterable[str]) -> frozenset[str]:
    return frozenset(full_resource_name(name) for name in names)


def may_be_same_resource(left: str, right: str) -> bool:
    """Whether both could mean one resource."""
    one, two = full_resource_name(left), full_resource_name(right)
    if "*" in {one, two} or one == two:
        return True
    if _builtin(one) or _builtin(two):
        return False
    ours, theirs = one.partition(".")[2], two.partition(".")[2]
    return ours.startswith(theirs) or theirs.startswith(ours)


def are_all_namespaced(names: Iterable[str]) -> bool:
    """Whether all of these are built-in namespace-scoped resources."""
    return all(_builtin(name := full_resource_name(each)) and name.partition(".")[0] not in _CLUSTER for each in names)


def is_cluster_scoped(name: str) -> bool:
    """Whether this is a built-in cluster-scoped resource; of other resources the scope isn't known here."""
    return _builtin(found := full_resource_name(name)) and found.partition(".")[0] in _CLUSTER


def resource_of_kind(gvk: str) -> str:
    """Convert a kind of Velero's resource list: `rbac.authorization.k8s.io/v1/Role` → `roles.rbac.authorization.k8s.io`."""
    group, _, kind = gvk.rpartition("/")
    group = group.rpartition("/")[0]
    return full_resource_name(f"{kind}.{group}" if group else kind)


def is_builtin(name: str) -> bool:
    return _builtin(full_resource_name(name))


def _builtin(name: str) -> bool:
    return _FULL.get(name.partition(".")[0]) == name
