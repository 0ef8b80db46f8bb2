"""The line or manifest that stands for a plan makes the same objects: read by our own parser here, by the velero CLI end to end."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
import yaml

from commands.batch import facts_from_objects
from commands.grammar.parser import parse
from commands.planning.context import Application, PlanContext
from commands.planning.facts import Facts
from commands.registry import VERBS, verb_of
from domain.errors import UserError
from domain.json_types import Json
from domain.plan import Plan
from tests.commands.lines import GOLDEN
from tests.commands.shelf import namespace, situation

ROWS = [row["line"] for name in ("create", "effects") for row in json.loads((GOLDEN / f"{name}.json").read_text())]
POLICY = "'{version: v1, volumePolicies: [{conditions: {nfs: {}}, action: {type: skip}}]}'"
OURS = [
    "backup create x --namespaces all --description 'before the upgrade'",
    "backup create x --type partial",
    "backup create x --type full",
    f"backup create x --resource-policy {POLICY}",
    "backup create x -o yaml --ttl 30d",
    "backup create x --dry-run --reason test",
    "backup create x --from-schedule daily --description 'by hand'",
    "backup delete done --dry-run --reason test",
    "backup delete --all --dry-run",
    "schedule create x --schedule weekly --ttl 14d",
    "schedule create x --schedule daily --namespaces all",
    "schedule create x --schedule daily --type partial",
    "schedule create x --schedule daily --description why --delete-backups",
    "schedule create x --schedule daily --skip 2",
    "schedule edit daily --ttl 60d --schedule hourly",
    "schedule pause never --until tomorrow",
    "schedule pause live",
    "schedule pause --all",
    "schedule resume daily",
    "schedule resume daily --run-missed",
    "schedule skip live --runs 3",
    "schedule delete daily",
    "schedule delete daily --with-backups",
    "schedule run daily --name now --labels a=b",
    "backup-location set secondary --access-mode ReadOnly --default",
    "backup-location set secondary --config region=us-east-2 --validation-frequency 5m",
    "backup-location set secondary --credential cloud=key",
    "backup-location create x --provider aws --bucket b --config region=eu -o yaml",
    "restore create r --from-backup done --description why --existing-resource-policy update",
]
EXAMPLES = [example for verb in VERBS if verb.plan is not None for example in verb.examples]


def held() -> Facts:
    found = facts_from_objects(json.loads((GOLDEN / "fixtures.json").read_text()))
    found.add("namespaces", [namespace(name) for name in ("shop", "billing")], whole=True)
    live = {"schedule": "0 1 * * *", "template": {"includedNamespaces": ["shop"]}}
    names = ("live", "nightly", "often")
    found.add("schedules", [{"kind": "Schedule", "metadata": {"name": name}, "spec": live} for name in names])
    return found


def about() -> PlanContext:
    template = {"ttl": "72h0m0s", "hooks": {}, "snapshotVolumes": False}
    return situation(applications=(Application("shop", ("shop",), "app=shop", template),))


def plan_of(line: str) -> Plan | None:
    command = parse(line)
    verb = verb_of(command.key)
    if command.help or verb is None or verb.plan is None:
        return None
    command = verb.settle(command, about()) if verb.settle else command
    return verb.plan(command, held(), about())


def planned(line: str) -> Plan | None:
    try:
        plan = plan_of(line)
    except UserError:
        return None
    return plan if plan and not plan.refusals() else None


def same(steps: Any) -> list[Json]:
    """What they write, without uids, which no line can say."""
    return [{**step.as_json(), "namespace": step.namespace or "velero"} for step in steps]


def objects_of(text: str) -> tuple[list[Json], list[tuple[str, Json]]]:
    """What kubectl would be given: (objects applied, patches by name)."""
    head, found, rest = text.partition("<<'EOF'\n")
    manifests, _, rest = rest.partition("EOF") if found else ("", "", head)
    patches = [shlex.split(line) for line in rest.splitlines() if line]
    return list(yaml.safe_load_all(manifests)), [
        (words[3], json.loads(words[words.index("-p") + 1])) for words in patches
    ]


CASES = [line for line in dict.fromkeys([*ROWS, *OURS, *EXAMPLES]) if planned(line) is not None]


@pytest.mark.parametrize("line", CASES)
def test_it_makes_the_same(line: str) -> None:
    plan = planned(line)
    assert plan is not None
    if plan.cli.startswith("kubectl"):
        objects, patches = objects_of(plan.cli)
        assert objects == [step.manifest for step in plan.steps if step.verb == "create"]
        assert patches == [(step.name, step.manifest) for step in plan.steps if step.verb == "patch"]
    elif plan.cli:
        for part in plan.cli.split(" && "):
            command = parse(part)
            verb = verb_of(command.key)
            assert verb is not None
            known = {flag.name for flag in verb.flags if not flag.ours} | {"confirm"}
            assert set(command.flags) <= known - {"output"}, part
        if " && " not in plan.cli and plan.verb not in {"run", "cancel", "pause", "resume", "default"}:
            again = plan_of(plan.cli)
            assert again is not None
            assert {guard.code for guard in again.refusals()} <= {"reserved-labels"}  # ours to write, not people's
            assert same(again.steps) == same(plan.steps)
    else:
        assert not plan.steps or plan.verb == "plan", "nothing is shown for a change"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("schedule create x --schedule weekly", "velero schedule create x --schedule '0 0 * * MON'"),
        ("backup create x --dry-run --ttl 1d", "velero backup create x --ttl 24h0m0s"),
        ("backup create x -o yaml", "velero backup create x"),
        ("backup delete done --dry-run", "velero backup delete done --confirm"),
        ("schedule pause live", "velero schedule pause live"),
        (
            "schedule create x --schedule @daily --skip-immediately",
            "velero schedule create x --schedule @daily --skip-immediately=true",
        ),
    ],
)
def test_as_shown(line: str, shown: str) -> None:
    plan = planned(line)
    assert plan is not None
    assert plan.cli == shown


def test_settings_of_a_schedule_with_other_flags_are_spelled_out() -> None:
    plan = plan_of("backup create x --from-schedule never --include-namespaces billing --ttl 1d --dry-run")
    assert plan is not None
    (refusal,) = plan.refusals()
    assert "--include-namespaces, --ttl can't be combined with --from-schedule" in refusal.text
    assert refusal.nearest == ("backup create x --include-namespaces billing --ttl 24h0m0s --dry-run",)
    assert planned(refusal.nearest[0]) is not None


def test_a_flag_that_says_what_the_template_says_is_taken() -> None:
    assert planned("backup create x --from-schedule never --include-namespaces shop") is not None


def test_hooks_cannot_be_said_with_flags() -> None:
    plan = plan_of("backup create x --from-schedule daily --ttl 1d")
    assert plan is not None
    assert plan.refusals()[0].nearest == ()
