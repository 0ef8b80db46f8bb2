"""No flag is read and dropped in silence: each one changes what is planned or said, or the line is refused with a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest

from commands.batch import facts_from_objects
from commands.grammar.flags import Flag
from commands.grammar.parser import parse
from commands.grammar.verb import Effect, Verb
from commands.grammar.vocabulary import SHARED_FLAGS
from commands.planning.context import PlanContext
from commands.planning.facts import Facts
from commands.registry import VERBS, verb_of
from domain.errors import UserError
from tests.commands.lines import GOLDEN
from tests.commands.shelf import namespace, situation

ACCEPTED = {"wait", "label-columns", "show-labels", "output"}
"""Said in their help: the card follows in any case; columns are of tables; output shows instead of doing."""

BASES = {
    "backup.create": ("backup create x --include-namespaces shop", "backup create x --from-schedule daily"),
    "backup.delete": ("backup delete done",),
    "backup.cancel": ("backup cancel done",),
    "restore.create": ("restore create x --from-backup done", "restore create x --from-schedule daily"),
    "restore.delete": ("restore delete r",),
    "schedule.create": ("schedule create x --schedule '0 1 * * *' --include-namespaces shop",),
    "schedule.edit": ("schedule edit never",),
    "schedule.pause": ("schedule pause live",),
    "schedule.resume": ("schedule resume never",),
    "schedule.skip": ("schedule skip live",),
    "schedule.unskip": ("schedule unskip live",),
    "schedule.run": ("schedule run daily",),
    "schedule.delete": ("schedule delete daily",),
    "backup-location.create": ("backup-location create x --provider aws --bucket b --config region=eu",),
    "backup-location.set": ("backup-location set secondary",),
    "backup-location.default": ("backup-location default secondary",),
    "backup-location.delete": ("backup-location delete secondary",),
    "snapshot-location.create": ("snapshot-location create x --provider aws",),
    "snapshot-location.set": ("snapshot-location set aws-east",),
}
VALUES = {
    "include-namespaces": "billing",
    "exclude-namespaces": "kube-system",
    "selector": "app=other",
    "or-selector": "'a=b or c=d'",
    "ordered-resources": "pods=shop/z",
    "namespace-mappings": "shop:copy",
    "labels": "a=b",
    "annotations": "a=b",
    "storage-location": "secondary",
    "volume-snapshot-locations": "gcp-1",
    "resource-policies-configmap": "pol",
    "resource-modifier-configmap": "mod",
    "resource-policy": "'{version: v1, volumePolicies: [{conditions: {nfs: {}}, action: {type: skip}}]}'",
    "modifier": "'{version: v1, resourceModifierRules: [{conditions: {groupResource: pods}, mergePatches: []}]}'",
    "schedule": "'30 2 * * *'",
    "existing-resource-policy": "update",
    "until": "tomorrow",
    "before": "now",
    "config": "region=us",
    "credential": "cloud=key",
    "access-mode": "ReadOnly",
    "from-backup": "done",
    "from-schedule": "daily",
    "type": "partial",
    "page": "2",
}
WHERE_IT_MATTERS = {
    ("restore.create", "allow-failed"): "restore create x --from-backup failed",
    ("restore.create", "hold-schedules"): "restore create x --from-backup daily-1 --namespace-mappings billing:shop",
    ("schedule.skip", "more"): "schedule skip held",
}
AS_WITHOUT = {("restore.create", "latest"), ("schedule.resume", "skip-missed"), ("restore.create", "to-cluster")}
"""With --from-schedule the latest is meant anyway; what is missed is skipped anyway; the conductor chooses the cluster."""
WRITERS = [verb for verb in VERBS if verb.effect is Effect.WRITE and verb.plan is not None]
CASES = [
    pytest.param(verb, base, flag, id=f"{base} --{flag.name}")
    for verb in WRITERS
    for flag in verb.flags
    for base in (
        [WHERE_IT_MATTERS[verb.key, flag.name]] if (verb.key, flag.name) in WHERE_IT_MATTERS else BASES[verb.key]
    )
    if flag.name not in ACCEPTED and f"--{flag.name} " not in f"{base} "
    if (verb.key, flag.name) not in AS_WITHOUT or "from-backup" in base
]


@pytest.fixture(scope="module")
def held() -> Facts:
    found = facts_from_objects(json.loads((GOLDEN / "fixtures.json").read_text()))
    found.add("namespaces", [namespace(name) for name in ("shop", "billing", "kube-system")], whole=True)
    daily = {"includedNamespaces": ["billing"], "storageLocation": "default"}
    done = {"phase": "Completed", "startTimestamp": "2026-11-21T01:00:00Z"}
    found.add("backups", [{"kind": "Backup", "metadata": {"name": "daily-1"}, "spec": daily, "status": done}])
    live = {"schedule": "0 1 * * *", "template": {"includedNamespaces": ["shop"]}}
    found.add("schedules", [{"kind": "Schedule", "metadata": {"name": "live"}, "spec": live, "status": {}}])
    skipped = {"lastSkipped": "2026-11-22T01:00:00Z"}
    found.add("schedules", [{"kind": "Schedule", "metadata": {"name": "held"}, "spec": live, "status": skipped}])
    restore = {"kind": "Restore", "metadata": {"name": "r"}, "spec": {"backupName": "done"}, "status": {}}
    found.add("restores", [{**restore, "status": {"phase": "Completed"}}])
    return found


def seen(line: str, held: Facts, about: PlanContext) -> Any:
    """Everything that is shown of a plan; the words of a refusal where there is none."""
    try:
        command = parse(line)
        verb = verb_of(command.key)
        assert verb is not None
        assert verb.plan is not None
        command = verb.settle(command, about) if verb.settle else command
        plan = verb.plan(command, held, about)
    except UserError as error:
        return error.text
    return [plan.fingerprint, plan.reach, plan.guards, plan.notes, dict(plan.offers), plan.summary]


def spelled(flag: Flag) -> str:
    if flag.type.bare is not None:
        return f"--{flag.name}"
    usual = {"number": "3", "duration": "36h"}.get(flag.type.name, "other")
    return f"--{flag.name}={VALUES.get(flag.name, usual)}"


@pytest.mark.parametrize(("verb", "base", "flag"), CASES)
def test_each_flag_changes_something_or_is_refused(verb: Verb, base: str, flag: Flag, held: Facts) -> None:
    about = situation()
    lines = [f"{base} {spelled(flag)}"] + ([f"{base} --{flag.name}=false"] if flag.type.bare is not None else [])
    before = seen(base, held, about)
    assert any(seen(line, held, about) != before for line in lines), f"{lines} changes nothing"


def test_every_writing_verb_is_walked() -> None:
    assert {verb.key for verb in WRITERS} == set(BASES)
    assert {flag.name for flag in SHARED_FLAGS if not flag.hidden} == {"cluster", "dry-run", "reason", "break-glass"}
