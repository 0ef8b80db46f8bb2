"""Resource policies: a ConfigMap that exists, or YAML in `--resource-policy`.

The digest of an existing ConfigMap is part of the plan, so a change after the approval stops the backup. Inline YAML
becomes an immutable ConfigMap that the bot creates before the backup.
"""

from __future__ import annotations

from dataclasses import replace

from commands.grammar.command import Command
from commands.planning.context import PlanContext
from commands.planning.facts import Facts
from domain.errors import UsageError
from domain.json_types import Json
from domain.plan import Guard, Level, Step, StepMode, StepVerb, digest
from policy.cluster_facts import ClusterFacts
from velero.documents import CONFIG_MAP_BOUNDS, TYPED_BOUNDS, BadDocument, read_yaml

POLICY_KEY = "policies.yaml"
ACTIONS = ("skip", "fs-backup", "snapshot")
_KEYS = frozenset({"version", "volumePolicies", "includeExcludePolicy"})
_EXAMPLE = "{version: v1, volumePolicies: [{conditions: {nfs: {}}, action: {type: skip}}]}"


def config_map_step(cmd: Command, context: PlanContext, mode: StepMode = StepMode.TEMPORARY) -> Step | None:
    """Return the step that creates the ConfigMap. The operation's id is its name: planning again gives the same step."""
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
    return Step(StepVerb.CREATE, "ConfigMap", "configmaps", name, manifest, context.namespace, mode=mode)


def policy_reference(name: str) -> Json:
    return {"apiGroup": None, "kind": "configmap", "name": name}


def check_policy(text: str) -> Json:
    """Refuse what Velero would refuse only when the backup runs. Source: velero 1.18 internal/resourcepolicies."""
    try:
        document = read_yaml(text, TYPED_BOUNDS)
    except BadDocument as error:
        raise UsageError(
            "--resource-policy isn't valid YAML.", why=f"The document is refused: {error}.", fix=_EXAMPLE
        ) from None
    if not isinstance(document, dict):
        raise UsageError("--resource-policy isn't a YAML mapping.", fix=_EXAMPLE)
    unknown = sorted(set(document) - _KEYS)
    if unknown:
        raise UsageError(f"--resource-policy: unknown field `{unknown[0]}`.", nearest=tuple(sorted(_KEYS)))
    if document.get("version") != "v1":
        raise UsageError("--resource-policy needs `version: v1`.", fix=_EXAMPLE)
    rules = document.get("volumePolicies")
    for rule in rules if isinstance(rules, list) else []:
        _check_rule(rule)
    if not rules and not document.get("includeExcludePolicy"):
        raise UsageError("--resource-policy contains no rules.", fix=_EXAMPLE)
    return document


def _check_rule(rule: object) -> None:
    action = rule.get("action") if isinstance(rule, dict) else None
    kind = action.get("type") if isinstance(action, dict) else None
    if not isinstance(rule, dict) or not isinstance(rule.get("conditions"), dict):
        raise UsageError("Each rule in --resource-policy needs `conditions`.", fix=_EXAMPLE)
    if kind not in ACTIONS:
        raise UsageError(f"--resource-policy: unknown action `{kind}`.", nearest=ACTIONS)


def _read_document(text: str) -> Json | None:
    try:
        document = read_yaml(text, CONFIG_MAP_BOUNDS)
    except BadDocument:
        return None
    return document if isinstance(document, dict) else None


def with_policy(cluster: ClusterFacts, cmd: Command, policy_step: Step | None, facts: Facts) -> ClusterFacts:
    """Add the policy that the backup refers to. One that wasn't read stays out: such a backup may include anything."""
    if policy_step is not None:
        return replace(
            cluster,
            own_configmaps=frozenset({policy_step.name}),
            policies={policy_step.name: _read_document(policy_step.manifest["data"][POLICY_KEY]) or {}},
        )
    name = cmd.text("resource-policies-configmap")
    config_map = facts.get("configmaps", name) if name else None
    policy = _read_document(next(iter((config_map.get("data") or {}).values()), "")) if config_map else None
    return replace(cluster, policies={name: policy}) if policy is not None else cluster


def evidence(cmd: Command, facts: Facts) -> Json:
    """Return the digest of the ConfigMap, as part of the plan: a change after the approval stops the backup."""
    name = cmd.text("resource-policies-configmap")
    if not name:
        return {}
    config_map = facts.get("configmaps", name) or {}
    return {"policy": digest([config_map.get("data"), config_map.get("binaryData")])}


def guards(cmd: Command, facts: Facts) -> tuple[Guard, ...]:
    name = cmd.text("resource-policies-configmap")
    if not name or not facts.is_absent("configmaps", name):
        return ()
    text = (
        f"ConfigMap `{name}` doesn't exist in Velero's namespace. Velero would fail the backup with FailedValidation."
    )
    return (Guard("unknown-policy", Level.REFUSE, text),)
