"""Resource modifiers: what was approved is what runs, so the restore refers to an immutable copy of our own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from commands.command import Command
from commands.facts import Facts
from commands.secret_values import refuse_in_document
from commands.situation import Situation
from domain.errors import UsageError
from domain.plan import Guard, Level, Step, StepVerb, digest
from velero.documents import TYPED, BadDocument, read_yaml

Json = dict[str, Any]

KEY = "modifiers.yaml"
_WAYS = ("patches", "mergePatches", "strategicPatches")


def step(cmd: Command, situation: Situation) -> Step | None:
    """Makes the ConfigMap of --modifier. Named by the operation: planned again it is the same, and nobody else's."""
    text = cmd.text("modifier")
    if not text:
        return None
    if cmd.text("resource-modifier-configmap"):
        raise UsageError("--modifier and --resource-modifier-configmap cannot stand together.", fix="Use one of them.")
    check(text)
    refuse_in_document("--modifier", text)
    return made(f"modifier-{situation.operation or digest(text)[:12]}", {KEY: text}, situation.namespace)


def made(name: str, data: Json, namespace: str) -> Step:
    manifest: Json = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "immutable": True,
        "data": data,
    }
    return Step(StepVerb.CREATE, "ConfigMap", "configmaps", name, manifest, namespace)


def copied(step: Step, facts: Facts, situation: Situation) -> tuple[Step, ...]:
    """A restore that refers to somebody's ConfigMap refers to our copy of it instead, which is made first."""
    named = ((step.manifest.get("spec") or {}).get("resourceModifier") or {}).get("name", "")
    found = facts.get("configmaps", str(named)) if step.kind == "Restore" and named else None
    if found is None or step.verb is not StepVerb.CREATE:
        return (step,)
    refuse_in_document(f"ConfigMap {named}", "\n".join(map(str, (found.get("data") or {}).values())))
    copy = made(
        f"modifier-{situation.operation or digest(found.get('data'))[:12]}", found.get("data") or {}, step.namespace
    )
    spec = {**step.manifest["spec"], "resourceModifier": reference(copy.name)}
    return copy, replace(step, manifest={**step.manifest, "spec": spec})


def guards(cmd: Command, facts: Facts) -> tuple[Guard, ...]:
    """Velero takes exactly one key in it."""
    name = cmd.text("resource-modifier-configmap")
    if ("configmaps", name) in facts.missing:
        text = f"There is no ConfigMap {name!r} in Velero's namespace."
        return (Guard("no-modifier", Level.REFUSE, text, facts.names("configmaps")[:5]),)
    found = facts.get("configmaps", name) if name else None
    if found is not None and len(found.get("data") or {}) != 1:
        return (Guard("bad-modifier", Level.REFUSE, f"ConfigMap {name!r} has to have exactly one key."),)
    return ()


def reference(name: str) -> Json:
    return {"apiGroup": "", "kind": "configmap", "name": name}


def check(text: str) -> None:
    """What Velero would refuse only when it runs. Source: velero 1.18 internal/resourcemodifiers."""
    try:
        found = read_yaml(text, TYPED)
    except BadDocument as fault:
        raise UsageError("--modifier cannot be read.", why=f"The document is refused: {fault}.") from None
    rules = found.get("resourceModifierRules") if isinstance(found, dict) else None
    if not isinstance(found, dict) or found.get("version") != "v1" or not isinstance(rules, list) or not rules:
        raise UsageError(
            "--modifier needs `version: v1` and at least one rule in `resourceModifierRules`.",
            fix="version: v1, resourceModifierRules: [{conditions: {groupResource: configmaps}, mergePatches: […]}]",
        )
    for rule in rules:
        _rule(rule)


def _rule(rule: object) -> None:
    conditions = rule.get("conditions") if isinstance(rule, dict) else None
    if not isinstance(rule, dict) or not isinstance(conditions, dict) or not conditions.get("groupResource"):
        raise UsageError("Each rule of --modifier needs conditions.groupResource.")
    if sum(way in rule for way in _WAYS) != 1:
        raise UsageError(f"Each rule of --modifier has exactly one of {', '.join(_WAYS)}.")


def evidence(cmd: Command, facts: Facts) -> Json:
    """Digest of the ConfigMap that the command refers to: changed after approval, it does not run."""
    name = cmd.text("resource-modifier-configmap")
    found = facts.get("configmaps", name) if name else None
    if not name:
        return {}
    return {"modifier": digest([(found or {}).get("data"), (found or {}).get("binaryData")])}
