"""Resource modifiers of a restore: checked, and pinned in an immutable ConfigMap that the bot creates.

Velero reads the ConfigMap when the restore runs. Anyone who may edit it could change an approved restore, so the restore
refers to a copy with the content that was approved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from commands.grammar.command import Command
from commands.planning.context import PlanContext
from commands.planning.facts import Facts
from commands.secret_values import refuse_secrets_in_document
from domain.errors import UsageError
from domain.json_types import Json
from domain.plan import Guard, Level, Step, StepMode, StepVerb, digest
from policy.cluster_facts import ClusterFacts
from policy.modifiers import CONDITION_KEYS, PATCH_LISTS, RULE_KEYS, is_plain_patch
from velero.documents import TYPED_BOUNDS, BadDocument, read_json, read_yaml

KEY = "modifiers.yaml"


def step(cmd: Command, context: PlanContext) -> Step | None:
    """Creates the ConfigMap for --modifier. The operation's id in its name keeps the plan stable and the name unique."""
    text = cmd.text("modifier")
    if not text:
        return None
    if cmd.text("resource-modifier-configmap"):
        raise UsageError("--modifier and --resource-modifier-configmap can't be combined.", fix="Use one of them.")
    check(text)
    refuse_secrets_in_document("--modifier", text)
    return new_config_map(f"modifier-{context.operation or digest(text)[:12]}", {KEY: text}, context.namespace)


def new_config_map(name: str, data: Json, namespace: str) -> Step:
    manifest: Json = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "immutable": True,
        "data": data,
    }
    return Step(StepVerb.CREATE, "ConfigMap", "configmaps", name, manifest, namespace, mode=StepMode.TEMPORARY)


def copy_config_map(step: Step, facts: Facts, context: PlanContext) -> tuple[Step, ...]:
    """The steps that copy the ConfigMap of a restore and refer to the copy; the step alone if there is nothing to copy."""
    named = ((step.manifest.get("spec") or {}).get("resourceModifier") or {}).get("name", "")
    found = facts.get("configmaps", str(named)) if step.kind == "Restore" and named else None
    if found is None or step.verb is not StepVerb.CREATE:
        return (step,)
    refuse_secrets_in_document(f"ConfigMap {named}", "\n".join(map(str, (found.get("data") or {}).values())))
    copy = new_config_map(
        f"modifier-{context.operation or digest(found.get('data'))[:12]}", found.get("data") or {}, step.namespace
    )
    spec = {**step.manifest["spec"], "resourceModifier": reference(copy.name)}
    return copy, replace(step, manifest={**step.manifest, "spec": spec})


def guards(cmd: Command, facts: Facts) -> tuple[Guard, ...]:
    """Checks the ConfigMap of --resource-modifier-configmap. Velero accepts exactly one key in it."""
    name = cmd.text("resource-modifier-configmap")
    if ("configmaps", name) in facts.missing:
        text = f"ConfigMap `{name}` doesn't exist in Velero's namespace."
        return (Guard("no-modifier", Level.REFUSE, text, facts.names("configmaps")[:5]),)
    found = facts.get("configmaps", name) if name else None
    if found is None:
        return ()
    data = found.get("data") or {}
    if len(data) != 1:
        return (Guard("bad-modifier", Level.REFUSE, f"ConfigMap `{name}` must have exactly one key."),)
    try:
        check(str(next(iter(data.values()))), f"ConfigMap `{name}`")
    except UsageError as error:
        return (Guard("bad-modifier", Level.REFUSE, " ".join(filter(None, (error.text, error.why)))),)
    return ()


def with_modifiers(cluster: ClusterFacts, cmd: Command, inline: Step | None, facts: Facts) -> ClusterFacts:
    """The cluster facts with the modifiers that the restore refers to, as far as they were read."""
    if inline is not None:
        own, data = frozenset({inline.name}), inline.manifest["data"]
        return replace(cluster, own_configmaps=own, modifiers={inline.name: document(data)})
    name = cmd.text("resource-modifier-configmap")
    found = facts.get("configmaps", name) if name else None
    return replace(cluster, modifiers={name: document(found.get("data") or {})}) if found is not None else cluster


def document(data: Mapping[str, Any]) -> Json | None:
    """The modifiers with each patchData parsed in place; None if they can't be read or there isn't exactly one key."""
    if len(data) != 1:
        return None
    try:
        found = read_yaml(str(next(iter(data.values()))), TYPED_BOUNDS)
        return {**found, "resourceModifierRules": [_parse_rule(rule) for rule in found["resourceModifierRules"]]}
    except (BadDocument, TypeError, KeyError, AttributeError):
        return None


def _parse_rule(rule: Json) -> Json:
    return {**rule, **{way: [_read_patch(patch) for patch in rule[way]] for way in PATCH_LISTS if rule.get(way)}}


def _read_patch(patch: Json) -> Json:
    return {key: _read_value(key, text) for key, text in patch.items()}


def _read_value(key: str, text: Any) -> Any:
    """PatchData is YAML; a value that starts like JSON is JSON for Velero."""
    if key == "patchData":
        return read_yaml(text, TYPED_BOUNDS)
    if key == "value" and isinstance(text, str) and text.startswith(("{", "[")):
        return read_json(text, TYPED_BOUNDS)
    return text


def reference(name: str) -> Json:
    return {"apiGroup": "", "kind": "configmap", "name": name}


def check(text: str, source: str = "--modifier") -> None:
    """Raises UsageError for what Velero would refuse only when the restore runs, or would read differently.

    Source: velero 1.18 internal/resourcemodifiers.
    """
    try:
        found = read_yaml(text, TYPED_BOUNDS)
    except BadDocument as error:
        raise UsageError(f"{source} can't be read.", why=f"{error}.") from None
    rules = found.get("resourceModifierRules") if isinstance(found, dict) else None
    if not isinstance(found, dict) or found.get("version") != "v1" or not isinstance(rules, list) or not rules:
        raise UsageError(
            f"{source} needs `version: v1` and at least one rule in `resourceModifierRules`.",
            fix="version: v1, resourceModifierRules: [{conditions: {groupResource: configmaps}, mergePatches: […]}]",
        )
    _check_keys(found, ("version", "resourceModifierRules"), source)
    for rule in rules:
        _check_rule(rule, source)


def _check_rule(rule: object, source: str) -> None:
    conditions = rule.get("conditions") if isinstance(rule, dict) else None
    if not isinstance(rule, dict) or not isinstance(conditions, dict) or not conditions.get("groupResource"):
        raise UsageError(f"Each rule in {source} needs conditions.groupResource.")
    _check_keys(rule, RULE_KEYS, source)
    _check_keys(conditions, CONDITION_KEYS, source)
    if sum(way in rule for way in PATCH_LISTS) != 1:
        raise UsageError(f"Each rule in {source} needs exactly one of {', '.join(PATCH_LISTS)}.")
    for patch in rule.get("patches") or ():
        if not _is_unambiguous(patch):
            raise UsageError(
                f"Velero would read this patch in {source} differently: {str(patch)[:200]!r}.",
                why="Velero puts operation, from, path and value in quotes and doesn't escape them.",
                fix="Use mergePatches for values that contain quotes or backslashes.",
            )


def _is_unambiguous(patch: Any) -> bool:
    try:
        return isinstance(patch, dict) and is_plain_patch(_read_patch(patch))
    except BadDocument:
        return False


def _check_keys(table: Json, keys: tuple[str, ...], source: str) -> None:
    for key in table:
        if key not in keys:
            raise UsageError(f"{source}: unknown key `{key}`. Allowed: {', '.join(keys)}.", nearest=keys[:3])


def evidence(cmd: Command, facts: Facts) -> Json:
    """Digest of the ConfigMap that the command refers to: if it changes after the approval, the restore doesn't run."""
    name = cmd.text("resource-modifier-configmap")
    found = facts.get("configmaps", name) if name else None
    if not name:
        return {}
    return {"modifier": digest([(found or {}).get("data"), (found or {}).get("binaryData")])}
