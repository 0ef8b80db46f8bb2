"""Drawn command lines go through the real velero CLI and through our translation: equal objects, or both refuse.

A difference becomes a row of `tests/data/golden-cli/found.json`, which the ordinary tests read, and is mended.
"""

import asyncio
import json
import os
import shlex
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings

from commands.batch import answer_line, facts_from_objects
from commands.planning.context import ClusterView, PlanContext
from commands.planning.facts import Facts
from tests.commands.golden import expected_ok, normal
from tests.e2e.api import Api, Json
from tests.e2e.cluster import RealCluster, location
from tests.e2e.command_lines import CommandLine, command_lines
from tests.e2e.objects import schedule, velero_object

USUAL = 500
EXAMPLES = int(os.environ.get("E2E_EXAMPLES", USUAL))
CALLS_AT_ONCE = 4
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KINDS = ("backups", "restores", "schedules", "backupstoragelocations", "volumesnapshotlocations")
NAMED = "velero.io/schedule-name"
GOLDEN = Path(__file__).parents[1] / "data" / "golden-cli"
OUR_WORDS = (
    "backup create x --namespaces all --description 'before the upgrade'",
    "backup create x --from-schedule daily --description 'by hand' --labels a=b",
    "backup create x --dry-run --ttl 30d --reason test",
    "schedule create x --schedule weekly --namespaces all --ttl 14d",
    "schedule create x --schedule hourly --paused --skip-immediately=false --reason test",
    "schedule run daily --name by-hand --labels a=b",
    "restore create r --from-backup done --description why --existing-resource-policy update",
    "backup-location create x --provider aws --bucket b --config region=eu --validation-frequency 1h -o json",
)


def standing_objects(store_url: str) -> list[Json]:
    """The objects that lines refer to; each has a detail that a translation may get wrong."""
    exec_hook = {"exec": {"container": "db", "command": ["/bin/freeze"]}}
    hook = {"name": "freeze", "includedNamespaces": ["shop"], "pre": [exec_hook]}
    rich = {
        "includedNamespaces": ["shop"],
        "excludedResources": ["secrets"],
        "ttl": "48h0m0s",
        "labelSelector": {"matchLabels": {"app": "web"}},
        "snapshotVolumes": False,
        "orderedResources": {"pods": "shop/a,shop/b"},
        "hooks": {"resources": [hook]},
    }
    labelled = {"includedNamespaces": ["shop"], "metadata": {"labels": {"only": "template"}}}
    policy = {"resourcePolicy": {"kind": "configmap", "name": "pol"}}
    marks: Json = {"labels": {"team": "shop"}, "annotations": {"note": "hello"}}
    never = "0 0 1 1 *"
    return [
        location(store_url, "ReadWrite", "secondary", "other"),
        velero_object("VolumeSnapshotLocation", "aws-east", {"provider": "aws", "config": {"region": "us-east-1"}}),
        velero_object("VolumeSnapshotLocation", "gcp-1", {"provider": "gcp"}),
        velero_object("Schedule", "daily", {"schedule": never, "template": rich, "paused": True}, **marks),
        velero_object("Schedule", "labelled", {"schedule": never, "template": {**labelled, **policy}, "paused": True}),
        schedule("owner", never, "shop", paused=True, useOwnerReferencesInBackup=True),
        schedule("never", never, "shop", paused=True),
        ended_backup("done", "Completed", "2026-11-21T10:43:42Z"),
        ended_backup("half", "PartiallyFailed", "2026-11-21T10:43:45Z"),
        ended_backup("daily-1", "Completed", "2026-11-20T01:00:00Z", **{NAMED: "daily"}),
        ended_backup("daily-2", "PartiallyFailed", "2026-11-21T01:00:00Z", **{NAMED: "daily"}),
    ]


def ended_backup(name: str, phase: str, started: str, **labels: str) -> Json:
    """Without the label of a location, so that no sync looks for its files."""
    spec = {"includedNamespaces": ["shop"], "storageLocation": "secondary", "ttl": "0s"}
    made = velero_object("Backup", name, spec, labels=labels)
    return {**made, "status": {"phase": phase, "startTimestamp": started, "completionTimestamp": started}}


@pytest.fixture(scope="module")
async def standing(cluster: RealCluster) -> AsyncIterator[Facts]:
    await cluster.store.make_bucket("other")
    made = standing_objects(cluster.store.url)
    for manifest in made:
        manifest["metadata"]["namespace"] = cluster.namespace
    await cluster.api.apply(*made)
    yield await facts_of(cluster.api)
    for manifest in made:
        await cluster.api.delete(f"{manifest['kind'].lower()}s", manifest["metadata"]["name"])


async def facts_of(api: Api) -> Facts:
    return facts_from_objects([await api.list(kind) for kind in KINDS])


@dataclass(frozen=True, slots=True)
class Said:
    """The result of the CLI for one line."""

    line: CommandLine
    code: int
    object: Json | None
    error: str

    @property
    def row(self) -> Json:
        """The entry of the golden file."""
        row: Json = {"line": self.line.typed, "rc": self.code}
        return row | ({"object": self.object} if self.object else {"error": self.error.splitlines()[0]})


def asked(cluster: RealCluster, line: CommandLine) -> Said:
    done = cluster.run_cli(*line.words, check=False)
    words, start, manifest = done.stdout.partition("apiVersion: ")  # warnings may stand before it
    made = yaml.safe_load(start + manifest) if start and done.returncode == 0 else None
    return Said(line, done.returncode, made, done.stderr or words or "-")


def difference(said: Said, facts: Facts) -> str | None:
    """None where ours says the same."""
    line = said.line.typed
    ours = answer_line(line, facts, PlanContext(now=NOW, new_id=lambda: "op1", cluster=ClusterView("prod")))
    if ours["ok"] != expected_ok(line, said.code, printed=said.object is not None):
        return f"{line}\n  velero: {said.row.get('error', 'takes it')}\n  ours:   {ours['error'] or 'takes it'}"
    if ours["ok"] and said.object is not None:
        (step,) = ours["steps"]
        made, wanted = normal(step["manifest"]), normal(said.object)
        return None if made == wanted else f"{line}\n  velero: {wanted}\n  ours:   {made}"
    return None


def lines(count: int) -> list[CommandLine]:
    """The same ones every time for the same count, unless there are more than usual."""
    drawn: list[CommandLine] = []

    @settings(
        max_examples=2 * count,
        derandomize=count <= USUAL,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(command_lines())
    def draw(line: CommandLine) -> None:
        drawn.append(line)

    draw()
    return list(dict.fromkeys(drawn))[:count]


@pytest.mark.timeout(3600)
async def test_drawn_lines_mean_the_same_to_velero_and_to_us(cluster: RealCluster, standing: Facts) -> None:
    drawn = await asyncio.to_thread(lines, EXAMPLES)
    assert len(drawn) == EXAMPLES
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
        said = await asyncio.gather(*(loop.run_in_executor(pool, asked, cluster, line) for line in drawn))
    taken = [one for one in said if one.object is not None]
    assert len(taken) > len(said) / 4
    differences = [(one, found) for one in said if (found := difference(one, standing)) is not None]
    rows = json.dumps([one.row for one, _ in differences])
    if differences:
        pytest.fail("\n".join([*(found for _, found in differences), rows]), pytrace=False)


def equivalent_of(line: str, facts: Facts) -> tuple[str, Json] | None:
    """The velero line that we show for a creating command, and the object that it has to make."""
    ours = answer_line(line, facts, PlanContext(now=NOW, new_id=lambda: "op1", cluster=ClusterView("prod")))
    refused = any(guard["level"] == "refuse" for guard in ours["guards"])
    if not ours["ok"] or refused or not (ours["cli"] or "").startswith("velero ") or " create " not in ours["cli"]:
        return None
    (step,) = ours["steps"]
    return ours["cli"], step["manifest"]


def golden_lines() -> list[str]:
    rows: list[Json] = json.loads((GOLDEN / "create.json").read_text())
    return [row["line"] for row in rows] + list(OUR_WORDS)


@pytest.mark.timeout(3600)
async def test_the_equivalent_line_makes_the_same_object_on_the_real_cli(cluster: RealCluster, standing: Facts) -> None:
    shown = [found for line in golden_lines() if (found := equivalent_of(line, standing)) is not None]
    assert len(shown) > len(golden_lines()) / 2
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
        lines = [CommandLine((*shlex.split(cli)[1:], "-o", "yaml")) for cli, _ in shown]
        said = await asyncio.gather(*(loop.run_in_executor(pool, asked, cluster, line) for line in lines))
    differences = [
        f"{cli}\n  velero: {one.object and normal(one.object)} {one.error}\n  ours:   {normal(manifest)}"
        for (cli, manifest), one in zip(shown, said, strict=True)
        if one.object is None or normal(one.object) != normal(manifest)
    ]
    if differences:
        pytest.fail("\n".join(differences), pytrace=False)
