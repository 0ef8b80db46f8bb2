"""Resource modifiers: patches of a ConfigMap laid over objects on their way back."""

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from sandbox.kubernetes import patches
from sandbox.kubernetes.failures import ApiFailure
from sandbox.velero.selection import matches

Json = dict[str, Any]


def modify(body: Json, resource: str, original_namespace: str, configmap: Json | None) -> Json:
    """Conditions speak of the namespace that the object came from, also where it goes elsewhere."""
    if configmap is None:
        return body
    for rule in yaml.safe_load(next(iter(configmap["data"].values())))["resourceModifierRules"]:
        if _fits(body, resource, original_namespace, rule["conditions"]):
            body = _changed(body, rule)
    return body


def _fits(body: Json, resource: str, namespace: str, conditions: Mapping[str, Any]) -> bool:
    if conditions["groupResource"] not in ("*", resource):
        return False
    if (spaces := conditions.get("namespaces")) and namespace not in spaces:
        return False
    if (pattern := conditions.get("resourceNameRegex")) and not re.search(pattern, body["metadata"]["name"]):
        return False
    labels = body["metadata"].get("labels") or {}
    selector = conditions.get("labelSelector")
    return matches(selector, labels) and all(_matches(body, one) for one in conditions.get("matches") or ())


def _matches(body: Json, one: Mapping[str, Any]) -> bool:
    operation = {"op": "test", "path": one["path"], "value": _value(one.get("value", ""))}
    try:
        patches.apply(body, [operation])
    except ApiFailure:
        return False
    return True


def _value(text: Any) -> Any:
    """`7` is a number, `"7"` in quotes a string, and what is no JSON a string as well."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _changed(body: Json, rule: Mapping[str, Any]) -> Json:
    operations = [_operation(patch) for patch in rule.get("patches") or ()]
    if operations:
        body = patches.apply(body, operations)
    for patch in (*(rule.get("mergePatches") or ()), *(rule.get("strategicPatches") or ())):
        body = patches.merge(body, yaml.safe_load(patch["patchData"]))
    return body


def _operation(patch: Mapping[str, Any]) -> Json:
    operation: Json = {"op": patch["operation"], "path": patch["path"]}
    if "value" in patch:
        operation["value"] = _value(patch["value"])
    if "from" in patch:
        operation["from"] = patch["from"]
    return operation
