"""Resource policies: an existing ConfigMap is part of what was approved; one written inline becomes our own, unchangeable."""

from __future__ import annotations

from dataclasses import replace

from commands.grammar.command import Command
from commands.planning.context import PlanContext
from commands.planning.facts import Facts
from domain.errors import UsageError
from domain.json_types import Json
from domain.plan import Guard, Level, Step, StepVerb, digest
from policy.cluster_facts import ClusterFacts
from velero.documents import CONFIG_MAP_BOUNDS, TYPED_BOUNDS, BadDocument, read_yaml

POLICY_KEY = "policies.yaml"
ACTIONS = ("skip", "fs-backup", "snapshot")
_KEYS = frozenset({"version", "volumePolicies", "includeExcludePolicy"})
_EXAMPLE = "{version: v1, volumePolicies: [{conditions: {nfs: {}}, action: {type: skip}}]}"


def config_map_step(cmd: Command, context: PlanContext) -> Step | None:
    """Makes the ConfigMap. Named by the operation: planned again it is the same, and nobody else's."""
    text = cmd.text("resource-policy")
    if not text:
        return None
    if cmd.text("resource-policies-configmap"):
        raise UsageError(
            "--resource-policy and --resource-policies-configmap can't be combined.",
            why="A backup has one resource policy.",
        )
    check_policy(text)
    name = f"policy-{context.operation or digest(text)[:12]}"
    manifest: Json = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": context.namespace},
        "immutable": True,
        "data": {POLICY_KEY: text},
    }
    return Step(StepVerb.CREATE, "ConfigMap", "configmaps", name, manifest, context.namespace)


def policy_reference(name: str) -> Json:
    return {"apiGroup": None, "kind": "configmap", "name": name}


def check_policy(text: str) -> Json:
    """What Velero would refuse only when it runs. Source: velero 1.18 internal/resourcepolicies."""
    try:
        found = read_yaml(text, TYPED_BOUNDS)
    except BadDocument as error:
        raise UsageError(
            "--resource-policy cannot be read.", why=f"The document is refused: {error}.", fix=_EXAMPLE
        ) from None
    if not isinstance(found, dict):
        raise UsageError("--resource-policy is no YAML mapping.", fix=_EXAMPLE)
    unknown = sorted(set(found) - _KEYS)
    if unknown:
        raise UsageError(f"--resource-policy: unknown field `{unknown[0]}`.", nearest=tuple(sorted(_KEYS)))
    if found.get("version") != "v1":
        raise UsageError("--resource-policy needs `version: v1`.", fix=_EXAMPLE)
    rules = found.get("volumePolicies")
    for rule in rules if isinstance(rules, list) else []:
        _rule(rule)
    if not rules and not found.get("includeExcludePolicy"):
        raise UsageError("--resource-policy contains no rules.", fix=_EXAMPLE)
    return found


def _rule(rule: object) -> None:
    action = rule.get("action") if isinstance(rule, dict) else None
    kind = action.get("type") if isinstance(action, dict) else None
    if not isinstance(rule, dict) or not isinstance(rule.get("conditions"), dict):
        raise UsageError("Each rule in --resource-policy needs `conditions`.", fix=_EXAMPLE)
    if kind not in ACTIONS:
        raise UsageError(f"--resource-policy: unknown action `{kind}`.", nearest=ACTIONS)


def _document(text: str) -> Json | None:
    try:
        found = read_yaml(text, CONFIG_MAP_BOUNDS)
    except BadDocument:
        return None
    return found if isinstance(found, dict) else None


def with_policy(around: ClusterFacts, cmd: Command, inline: Step | None, facts: Facts) -> ClusterFacts:
    """With the policy that the backup refers to, as far as it was read: one that was not may take anything in."""
    if inline is not None:
        return replace(
            around,
            own_configmaps=frozenset({inline.name}),
            policies={inline.name: _document(inline.manifest["data"][POLICY_KEY]) or {}},
        )
    name = cmd.text("resource-policies-configmap")
    found = facts.get("configmaps", name) if name else None
    document = _document(next(iter((found.get("data") or {}).values()), "")) if found else None
    return replace(around, policies={name: document}) if document is not None else around


def evidence(cmd: Command, facts: Facts) -> Json:
    """Digest of the ConfigMap that the command refers to: changed after approval, it does not run."""
    name = cmd.text("resource-policies-configmap")
    if not name:
        return {}
    found = facts.get("configmaps", name) or {}
    return {"policy": digest([found.get("data"), found.get("binaryData")])}


def guards(cmd: Command, facts: Facts) -> tuple[Guard, ...]:
    name = cmd.text("resource-policies-configmap")
    if not name or not facts.is_absent("configmaps", name):
        return ()
    text = (
        f"ConfigMap `{name}` doesn't exist in Velero's namespace. Velero would fail the backup with FailedValidation."
    )
    return (Guard("unknown-policy", Level.REFUSE, text),)
