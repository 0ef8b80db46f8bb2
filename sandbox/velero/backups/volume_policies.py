"""Volume policies: their validation errors, and their decision about a volume."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from domain.json_types import Json

ConfigMaps = Mapping[str, Json]

ACTIONS = ("skip", "fs-backup", "snapshot", "custom")


def _document(configmap: Json) -> Any:
    """Return the ConfigMap's single document; None if it isn't YAML."""
    try:
        return yaml.safe_load(next(iter(configmap["data"].values())))
    except yaml.YAMLError:
        return None


def policy_faults(spec: Json, namespace: str, configmaps: ConfigMaps) -> Iterator[str]:
    """Return the first error of the ConfigMap that the backup refers to, at most one."""
    reference = spec.get("resourcePolicy")
    if not reference or str(reference.get("kind", "")).lower() != "configmap":
        return
    name = reference["name"]
    where = f"{namespace}/{name}"
    configmap = configmaps.get(name)
    if configmap is None:
        yield f'fail to get ResourcePolicies {where} ConfigMap with error ConfigMap "{name}" not found'
        return
    if len(configmap.get("data") or {}) != 1:
        problem = f"illegal resource policies {where} configmap"
        yield f"fail to read the ResourcePolicies from ConfigMap {where} with error {problem}"
        return
    yield from (
        f"fail to validate ResourcePolicies in ConfigMap {where} with error {fault}"
        for fault in _document_faults(_document(configmap))
    )


def _document_faults(document: Any) -> Iterator[str]:
    version = document.get("version") if isinstance(document, dict) else None
    if version != "v1":
        yield f"incompatible version number {version or ''} with supported version v1"
        return
    for rule in document.get("volumePolicies") or ():
        if (kind := (rule.get("action") or {}).get("type")) not in ACTIONS:
            yield f"invalid action type {kind}"
            return


def action_for(volume: Json, configmap: Json | None) -> str | None:
    """Return the action of the first rule that matches a persistent volume or a pod's own volume."""
    if configmap is None:
        return None
    for rule in (_document(configmap) or {}).get("volumePolicies") or ():
        if _fits(volume, rule.get("conditions") or {}):
            return str(rule["action"]["type"])
    return None


def _fits(volume: Json, conditions: Json) -> bool:
    spec = volume.get("spec", volume)
    for name, wanted in conditions.items():
        if name == "storageClass" and spec.get("storageClassName") not in wanted:
            return False
        if name in ("nfs", "csi") and not _source(spec.get(name), wanted):
            return False
        if name == "volumeTypes" and not any(kind in spec for kind in wanted):
            return False
    return True


def _source(source: Json | None, wanted: Json | None) -> bool:
    return source is not None and all(source.get(key) == value for key, value in (wanted or {}).items() if value)
