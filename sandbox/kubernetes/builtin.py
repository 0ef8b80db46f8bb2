"""Rules of Kubernetes' built-in kinds, as far as restores depend on them."""

import base64
import difflib
import json
from collections.abc import Callable, Iterator, Mapping

from domain.json_types import Json
from sandbox.kubernetes import failures, validation
from sandbox.kubernetes.failures import Cause, forbidden_field, invalid, required
from sandbox.kubernetes.history import Table
from sandbox.kubernetes.patches import clone
from sandbox.kubernetes.schemas.kinds import Kind, custom

NODE_PORTS = range(30000, 32768)
_IMMUTABLE = "field is immutable when `immutable` is set"
_POD_FIELDS = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_CLAIM_FIELDS = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)


def admit_create(services: Table, kind: Kind, item: Json) -> None:
    """Set the server's defaults, and allocate addresses and ports."""
    if fill := _DEFAULTS.get(kind.plural):
        fill(item)
    if kind.plural == "services":
        _allocate(services, kind, item)


def admit_update(services: Table, kind: Kind, old: Json, item: Json) -> None:
    if kind.plural == "services":
        item["spec"].setdefault("clusterIP", old["spec"].get("clusterIP"))
        item["spec"].setdefault("clusterIPs", old["spec"].get("clusterIPs"))
        _service_defaults(item)
    if check := _UPDATES.get(kind.plural):
        causes = [*check(old, item)]
        if causes:
            raise failures.invalid_object(kind, item["metadata"]["name"], causes)
    if kind.plural == "services":
        _allocate(services, kind, item)


def causes(kind: Kind, item: Json) -> Iterator[Cause]:
    """Return the errors of an object of a built-in type."""
    if kind.plural in {"configmaps", "secrets"}:
        for key in item.get("data") or {}:
            yield from (invalid(f"data[{key}]", key, m) for m in validation.config_key(key))
    if kind.plural == "services" and not item["spec"].get("ports") and item["spec"].get("clusterIP") != "None":
        yield required("spec.ports")
    if kind.plural == "customresourcedefinitions":
        for number, version in enumerate(item["spec"].get("versions") or []):
            if not (version.get("schema") or {}).get("openAPIV3Schema"):
                yield required(f"spec.versions[{number}].schema.openAPIV3Schema")
    if kind.plural in {"deployments", "daemonsets", "statefulsets", "replicasets"}:
        yield from _selecting(item.get("spec") or {})
    if kind.plural == "pods" and not (item.get("spec") or {}).get("containers"):
        yield required("spec.containers")


def _selecting(spec: Json) -> Iterator[Cause]:
    """Check that a controller's selector matches its own pod template."""
    wanted = (spec.get("selector") or {}).get("matchLabels") or {}
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if not spec.get("selector"):
        yield required("spec.selector")
    if any((labels or {}).get(key) != value for key, value in wanted.items()):
        yield invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")


def defined(definition: Json) -> dict[str, Kind]:
    """Return the kind that a CustomResourceDefinition adds, without a schema."""
    spec = definition["spec"]
    names, version = spec["names"], next(v["name"] for v in spec["versions"] if v.get("storage", True))
    kind = custom(spec["group"], version, names["plural"], names["kind"], namespaced=spec.get("scope") != "Cluster")
    return {names["plural"]: kind}


# decoding

_TEXTS = ("data", "stringData", "binaryData")
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "configmaps": ("data", "binaryData", "immutable"),
    "secrets": ("data", "stringData", "type", "immutable"),
    "serviceaccounts": ("secrets", "imagePullSecrets", "automountServiceAccountToken"),
    "roles": ("rules",),
    "clusterroles": ("rules", "aggregationRule"),
    "rolebindings": ("subjects", "roleRef"),
    "clusterrolebindings": ("subjects", "roleRef"),
}
_FREE = frozenset({"events", "storageclasses"})


def pruned(kind: Kind, inner: Json) -> tuple[Json, list[str]]:
    """Drop unknown fields and nulls, on the first level only, and return the names of the unknown ones."""
    known = _FIELDS.get(kind.plural, ("spec", "status"))
    unknown = [] if kind.plural in _FREE else [key for key in inner if key not in known]
    return {k: v for k, v in inner.items() if k not in unknown and v is not None}, unknown


def undecodable(kind: Kind, item: Json) -> str | None:
    if kind.plural not in {"configmaps", "secrets"}:
        return None
    for field in _TEXTS:
        for value in (item.get(field) or {}).values():
            if not isinstance(value, str):
                return f"json: cannot unmarshal number into Go struct field {kind.kind}.{field} of type string"
    return None


# defaults


def _namespace_defaults(item: Json) -> None:
    item["spec"] = {"finalizers": ["kubernetes"], **(item.get("spec") or {})}
    item["status"] = {"phase": "Active"}
    labels = item["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = item["metadata"].get("name", "")


def _secret_defaults(item: Json) -> None:
    item.setdefault("type", "Opaque")
    for key, value in item.pop("stringData", {}).items():
        item.setdefault("data", {})[key] = base64.b64encode(value.encode()).decode()


def _service_defaults(item: Json) -> None:
    spec = item.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    spec.setdefault("internalTrafficPolicy", "Cluster")
    headless = spec.get("clusterIP") == "None" and not spec.get("selector")
    spec.setdefault("ipFamilies", ["IPv4", "IPv6"] if headless else ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "RequireDualStack" if headless else "SingleStack")
    item.setdefault("status", {}).setdefault("loadBalancer", {})
    exposed = spec["type"] in {"NodePort", "LoadBalancer"}
    if exposed:
        spec.setdefault("externalTrafficPolicy", "Cluster")
    else:
        spec.pop("externalTrafficPolicy", None)
    for port in spec.get("ports") or []:
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port["port"])
        if not exposed:
            port.pop("nodePort", None)


def _phase(phase: str) -> Callable[[Json], None]:
    def fill(item: Json) -> None:
        item.setdefault("spec", {})
        item.setdefault("status", {}).setdefault("phase", phase)

    return fill


def _claim_defaults(item: Json) -> None:
    item.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
    item.setdefault("status", {}).setdefault("phase", "Pending")


def _job_defaults(item: Json) -> None:
    counts = {"backoffLimit": 6, "completions": 1, "parallelism": 1}
    item["spec"] = {**counts, "completionMode": "NonIndexed", "suspend": False, **(item.get("spec") or {})}
    item.setdefault("status", {})
    if item["spec"].get("manualSelector"):
        return
    uid, metadata = item["metadata"]["uid"], item["spec"].setdefault("template", {}).setdefault("metadata", {})
    labels = metadata.setdefault("labels", {})
    labels |= {"batch.kubernetes.io/controller-uid": uid, "controller-uid": uid}
    labels |= dict.fromkeys(("batch.kubernetes.io/job-name", "job-name"), item["metadata"].get("name", ""))
    item["metadata"].setdefault("labels", dict(labels))
    item["spec"].setdefault("selector", {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}})


_DEFAULTS: Mapping[str, Callable[[Json], None]] = {
    "namespaces": _namespace_defaults,
    "secrets": _secret_defaults,
    "services": _service_defaults,
    "pods": _phase("Pending"),
    "persistentvolumeclaims": _claim_defaults,
    "persistentvolumes": _phase("Available"),
    "jobs": _job_defaults,
}


# services


def _allocate(services: Table, kind: Kind, item: Json) -> None:
    """Allocate the cluster address and node ports; refuse those that another service has."""
    me, spec = item["metadata"]["uid"], item["spec"]
    versions = services.now.values()
    others = [v.object["spec"] for v in versions if v.object["metadata"]["uid"] != me]
    found = [*_address(spec, {o.get("clusterIP") for o in others})]
    found += _node_ports(spec, {p["nodePort"] for o in others for p in o.get("ports") or [] if "nodePort" in p})
    if found:
        raise failures.invalid_object(kind, item["metadata"]["name"], found)


def _address(spec: Json, taken: set[str | None]) -> Iterator[Cause]:
    if spec["type"] == "ExternalName":
        return
    if spec.get("clusterIP") == "None":
        spec["clusterIPs"] = ["None"]
        return
    wanted = spec.get("clusterIP")
    if wanted and wanted in taken:
        detail = f"failed to allocate IP {wanted}: provided IP is already allocated"
        yield invalid("spec.clusterIPs", [wanted], detail)
        return
    addresses = (f"10.96.{n // 254}.{n % 254 + 1}" for n in range(10, 65_000))
    spec["clusterIP"] = wanted or next(a for a in addresses if a not in taken)
    spec["clusterIPs"] = [spec["clusterIP"]]


def _node_ports(spec: Json, taken: set[int]) -> Iterator[Cause]:
    if spec["type"] not in {"NodePort", "LoadBalancer"}:
        return
    for i, port in enumerate(spec.get("ports") or []):
        wanted = port.get("nodePort")
        if wanted in taken:
            yield invalid(f"spec.ports[{i}].nodePort", wanted, "provided port is already allocated")
        elif wanted and wanted not in NODE_PORTS:
            detail = "provided port is not in the valid range. The range of valid ports is 30000-32767"
            yield invalid(f"spec.ports[{i}].nodePort", wanted, detail)
        else:
            port["nodePort"] = wanted or next(p for p in NODE_PORTS if p not in taken)
            taken.add(port["nodePort"])


# immutable fields


def _service_changes(old: Json, new: Json) -> Iterator[Cause]:
    before, after = old["spec"].get("clusterIP"), new["spec"].get("clusterIP")
    if before and after != before and new["spec"]["type"] != "ExternalName":
        yield invalid("spec.clusterIPs[0]", [after], "may not change once set")


def _frozen_changes(old: Json, new: Json) -> Iterator[Cause]:
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        yield forbidden_field("immutable", _IMMUTABLE)
    for field in ("data", "binaryData"):
        if (old.get(field) or {}) != (new.get(field) or {}):
            yield forbidden_field(field, _IMMUTABLE)


def _secret_changes(old: Json, new: Json) -> Iterator[Cause]:
    _secret_defaults(new)
    if old["type"] != new["type"]:
        yield invalid("type", new["type"], "field is immutable")
    yield from _frozen_changes(old, new)


def _claim_changes(old: Json, new: Json) -> Iterator[Cause]:
    before, after = clone(old["spec"]), clone(new.get("spec") or {})
    if not before.get("volumeName"):
        before.pop("volumeName", None)
        after.pop("volumeName", None)
    bound = (old.get("status") or {}).get("phase") == "Bound"
    for spec in (before, after):
        if bound:
            (spec.get("resources") or {}).pop("requests", None)
            spec.pop("volumeAttributesClassName", None)
    if before != after:
        yield forbidden_field("spec", _CLAIM_FIELDS + _difference(old["spec"], new.get("spec")))


def _pod_changes(old: Json, new: Json) -> Iterator[Cause]:
    if _fixed_pod(old["spec"]) != _fixed_pod(new.get("spec") or {}):
        yield forbidden_field("spec", _POD_FIELDS + _difference(old["spec"], new.get("spec")))


def _difference(old: object, new: object) -> str:
    """Return an error whose message ends in a diff of several lines."""
    before, after = (json.dumps(spec, indent=1, sort_keys=True).splitlines() for spec in (old, new))
    return "\n" + "\n".join([*difflib.unified_diff(before, after, lineterm="")][2:]) + "\n"


def _fixed_pod(spec: Json) -> Json:
    fixed: Json = clone(spec)
    for containers in ("containers", "initContainers"):
        for container in fixed.get(containers) or []:
            container.pop("image", None)
    for field in ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"):
        fixed.pop(field, None)
    return fixed


def _job_changes(old: Json, new: Json) -> Iterator[Cause]:
    uid, after = old["metadata"]["uid"], new["spec"]
    if after == old["spec"]:
        return
    labels = ((after.get("template") or {}).get("metadata") or {}).get("labels") or {}
    if not after.get("manualSelector"):
        for key in ("controller-uid", "batch.kubernetes.io/controller-uid"):
            if labels.get(key) != uid:
                yield required(f"spec.template.metadata.labels[{key}]", f"must be '{uid}'")
    if after.get("selector") != old["spec"].get("selector"):
        yield invalid("spec.selector", after.get("selector"), "field is immutable")
    if after.get("template") != old["spec"].get("template"):
        yield invalid("spec.template", after.get("template"), "field is immutable")


def _selector_changes(old: Json, new: Json) -> Iterator[Cause]:
    before, after = (old.get("spec") or {}).get("selector"), (new.get("spec") or {}).get("selector")
    if before != after:
        yield invalid("spec.selector", after, "field is immutable")


def _binding_changes(old: Json, new: Json) -> Iterator[Cause]:
    if old.get("roleRef") != new.get("roleRef"):
        yield invalid("roleRef", new.get("roleRef"), "cannot change roleRef")


_UPDATES: Mapping[str, Callable[[Json, Json], Iterator[Cause]]] = {
    "services": _service_changes,
    "configmaps": _frozen_changes,
    "secrets": _secret_changes,
    "persistentvolumeclaims": _claim_changes,
    "pods": _pod_changes,
    "jobs": _job_changes,
    "deployments": _selector_changes,
    "daemonsets": _selector_changes,
    "replicasets": _selector_changes,
    "rolebindings": _binding_changes,
    "clusterrolebindings": _binding_changes,
}
