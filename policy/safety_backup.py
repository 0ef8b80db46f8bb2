"""Whether a restore is preceded by a backup of what it overwrites, as the rules have it where the command does not say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from policy.matching import Ask
from policy.rules import Rule

RESTORE = "restore.create"


@dataclass(frozen=True, slots=True)
class Net:
    """`by`: who says so, in words for a person."""

    wanted: bool
    by: str
    rule: str = ""


def net(rules: Sequence[Rule], ask: Ask, default: bool) -> Net:
    """The first rule that says something of it. Who touches a rule that wants one gets it; to go without, all has to lie
    inside a rule that spares it: so a wider restore never has less of a net than a narrow one.
    """
    for rule in rules:
        if rule.safety_backup is not None and _applies(rule, ask):
            return Net(rule.safety_backup, f"rule {rule.name}", rule.name)
    return Net(default, "the settings")


def _applies(rule: Rule, ask: Ask) -> bool:
    meant = rule.concerns(RESTORE) and rule.on(ask.cluster) and rule.who.includes(ask.actor) and rule.holds_at(ask.now)
    if not meant:
        return False
    if not rule.safety_backup:
        return not rule.where.outside(ask.reach, ask.labels)
    conditional = not rule.where.confined and rule.where.flagged
    return not rule.where.untouched(ask.reach, ask.labels, flags=conditional)
