"""Whether a restore is preceded by a backup of what it overwrites, as the rules have it where the command does not say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from policy.matching import PolicyRequest
from policy.rules import Rule

RESTORE = "restore.create"


@dataclass(frozen=True, slots=True)
class SafetyBackupRule:
    """`by`: who says so, in words for a person."""

    wanted: bool
    by: str
    rule: str = ""


def safety_backup_rule(rules: Sequence[Rule], ask: PolicyRequest, default: bool) -> SafetyBackupRule:
    """The first rule that says something of it. Who touches a rule that wants one gets it; to go without, all has to lie
    inside a rule that spares it: so a wider restore never has less of a net than a narrow one.
    """
    for rule in rules:
        if rule.safety_backup is not None and _applies(rule, ask):
            return SafetyBackupRule(rule.safety_backup, f"rule {rule.name}", rule.name)
    return SafetyBackupRule(default, "the settings")


def _applies(rule: Rule, ask: PolicyRequest) -> bool:
    meant = (
        rule.is_about_verb(RESTORE)
        and rule.is_on_cluster(ask.cluster)
        and rule.who.includes(ask.actor)
        and rule.is_in_force(ask.now)
    )
    if not meant:
        return False
    if not rule.safety_backup:
        return not rule.where.breaches(ask.reach, ask.labels)
    conditional = not rule.where.is_confined and rule.where.flagged
    return not rule.where.untouched_dimension(ask.reach, ask.labels, flags=conditional)
