"""Decides by the rules whether a restore starts with a safety backup, if the command doesn't say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from policy.matching import PolicyRequest
from policy.rules import Rule

RESTORE = "restore.create"


@dataclass(frozen=True, slots=True)
class SafetyBackupRule:
    """`by` names the source of the decision, for people."""

    wanted: bool
    by: str
    rule: str = ""


def safety_backup_rule(rules: Sequence[Rule], ask: PolicyRequest, default: bool) -> SafetyBackupRule:
    """Return the first applicable rule's choice, else the default.

    Touching a rule that requires a safety backup is enough to get one; to skip it, the whole reach must be inside a rule
    that skips it. So a wider restore is never less protected than a narrow one.
    """
    for rule in rules:
        if rule.safety_backup is not None and _applies(rule, ask):
            return SafetyBackupRule(rule.safety_backup, f"rule {rule.name}", rule.name)
    return SafetyBackupRule(default, "the settings")


def _applies(rule: Rule, ask: PolicyRequest) -> bool:
    applicable = (
        rule.is_about_verb(RESTORE)
        and rule.is_on_cluster(ask.cluster)
        and rule.who.includes(ask.actor)
        and rule.is_in_force(ask.now)
    )
    if not applicable:
        return False
    if not rule.safety_backup:
        return not rule.where.breaches(ask.reach, ask.labels)
    conditional = not rule.where.is_confined and rule.where.flagged
    return not rule.where.untouched_dimension(ask.reach, ask.labels, flags=conditional)
