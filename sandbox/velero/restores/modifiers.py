"""Resource modifiers: patches in a ConfigMap that are applied to restored objects."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from domain.json_types import Json
from sandbox.kubernetes import patches
from sandbox.kubernetes.failures import ApiFailure
from sandbox.velero.selection import matches


@dataclass(frozen=True, slots=True)
class Modified:
    """The modified object. An invalid rule doesn't stop its restore; `errors` count as the restore's errors."""

    body: Json
    errors: tuple[str, ...] = ()


def modify(body: Json, resource: str, original_namespace: str, configmap: Json | None) -> Modified:
    """Apply the rules. Conditions see the object before any rule, and its original namespace."""
    if configmap is None:
        return Modified(body)
    origin, errors = body, []
    for rule in yaml.safe_load(next(iter(configmap["data"].values())))["resourceModifierRules"]:
        if not _fits(origin, resource, original_namespace, rule["conditions"]):
            continue
        try:
            body = _changed(body, rule)
        except ApiFailure as failure:
            errors.append(f"error in applying patch error in applying JSON Patch {failure.message}")
    return Modified(body, tuple(errors))


def _fits(body: Json, resource: str, namespace: str, conditions: Mapping[str, Any]) -> bool:
    if not _globbed(conditions["groupResource"], resource):
        return False
    spaces = conditions.get("namespaces") or ()
    if namespace and spaces and not any(_globbed(space, namespace) for space in spaces):
        return False
    if (pattern := conditions.get("resourceNameRegex")) and not re.search(pattern, body["metadata"]["name"]):
        return False
    labels = body["metadata"].get("labels") or {}
    selector = conditions.get("labelSelector")
    return matches(selector, labels) and all(_matches(body, one) for one in conditions.get("matches") or ())


def _globbed(pattern: str, name: str) -> bool:
    """Return whether a glob matches: `*` and `?` don't match dots, `**` does."""
    parts = re.split(r"(\*\*|\*|\?)", pattern)
    signs = {"**": ".*", "*": "[^.]*", "?": "[^.]"}
    return re.fullmatch("".join(signs.get(part, re.escape(part)) for part in parts), name) is not None


def _matches(body: Json, one: Mapping[str, Any]) -> bool:
    return _holds(body, {"op": "test", "path": one["path"], "value": _value(one.get("value", ""))})


def _holds(body: Json, test: Json) -> bool:
    try:
        patches.apply(body, [test])
    except ApiFailure:
        return False
    return True


def _value(text: Any) -> Any:
    """Parse a value: `7` is a number, `"7"` a string; text that isn't JSON is a string."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _changed(body: Json, rule: Mapping[str, Any]) -> Json:
    operations = [_operation(patch) for patch in rule.get("patches") or ()]
    made = body
    for operation in operations:
        if operation["op"] == "test" and not _holds(made, operation):
            return body
        made = patches.apply(made, [operation])
    for patch in (*(rule.get("mergePatches") or ()), *(rule.get("strategicPatches") or ())):
        made = patches.merge(made, yaml.safe_load(patch["patchData"]))
    return made


def _operation(patch: Mapping[str, Any]) -> Json:
    operation: Json = {"op": patch["operation"], "path": patch["path"]}
    if "value" in patch:
        operation["value"] = _value(patch["value"])
    if "from" in patch:
        operation["from"] = patch["from"]
    return operation
