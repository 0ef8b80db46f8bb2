"""The doctor against emulated Slack and clusters: each problem is reported with its fix."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.cli import cli
from bot.configuration.settings import Settings
from bot.doctor import CheckGrade, CheckResult, check_locations, check_scopes, check_server, worst_grade, zone_of
from sandbox import world as worlds
from sandbox.kubernetes.auth import Grant, User
from sandbox.world import World
from velero.access import REQUIRED_PERMISSIONS
from velero.resources.server_status import ServerStatus

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = await worlds.build(tmp_path, clusters=("prod",), velero=worlds.QUICK)
    yield made
    await made.close()


@pytest.fixture
def settings(world: World, tmp_path: Path) -> Path:
    return worlds.settings(world, tmp_path / "data")


async def checked(settings: Path) -> tuple[int | None, str]:
    words = ["config", "check", "--live", "--config", str(settings)]
    result = await asyncio.to_thread(CliRunner().invoke, cli, words)
    return result.exit_code, result.output


async def checked_on_a_terminal(settings: Path) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        "config",
        "check",
        "--live",
        "--config",
        str(settings),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()


async def available(world: World) -> None:
    async with asyncio.timeout(10):
        while (world.prod.get("backupstoragelocations", "default") or {}).get("status", {}).get("phase") != "Available":
            await asyncio.sleep(0.05)


async def test_a_world_that_is_as_it_should_be(world, settings):
    await available(world)
    code, said = await checked_on_a_terminal(settings)
    assert (code, said.count("FAILURE")) == (os.EX_OK, 0), said
    for words in (
        "scopes are granted",
        "The bot has all required permissions",
        "Velero v1.18.2",
        "Storage location default is Available",
    ):
        assert words in said
    assert "The Velero server's time zone is UTC" in said


async def test_nothing_is_left_behind(world, settings):
    await available(world)
    await checked(settings)
    assert world.prod.all("serverstatusrequests") == []
    assert world.slack.called("chat.postMessage") == []


async def test_a_channel_that_the_bot_is_not_in(world, settings):
    await available(world)
    channel = world.slack.workspace.channel("approvals")
    channel.members.discard(world.slack.workspace.bot.id)
    code, said = await checked(settings)
    assert code == 1
    assert "The bot isn't in #approvals (approvals)" in said
    assert "Run /invite @" in said


async def test_scopes_that_are_missing(world, settings):
    world.slack.site.scopes -= {"usergroups:read", "channels:history"}
    code, said = await checked(settings)
    assert code == 1
    assert "Scope usergroups:read is missing. Use Slack user groups in rules and as approvers." in said
    assert "warning  slack scopes" in said


async def test_a_token_that_slack_does_not_know(world, settings):
    world.slack.site.token_trouble = "token_revoked"
    code, said = await checked(settings)
    assert code == 1
    assert "Slack rejects the bot token: token_revoked" in said


async def test_rights_that_are_missing(world, settings):
    grants = [
        Grant([kind.resource], [verb for verb in verbs if (kind.name, verb) != ("Backup", "create")])
        for kind, verbs in REQUIRED_PERMISSIONS
    ]
    world.prod.api.tokens[world.prod.token] = User("bot", grants)
    code, said = await checked(settings)
    assert code == 1
    assert "The bot has no permission to create backups.velero.io in namespace velero" in said
    assert "The Velero server's time zone can't be read; the bot assumes UTC" in said


async def test_a_cluster_that_is_down_is_reported_with_the_others(world, settings):
    await world.prod.api.down()
    code, said = await checked(settings)
    assert code == 1
    assert "Cluster prod doesn't respond." in said
    assert "scopes are granted" in said


async def test_another_time_zone_than_the_settings_say(world, settings):
    await available(world)
    container = {"name": "velero", "image": "velero/velero:v1.18.2", "env": [{"name": "TZ", "value": "Asia/Tokyo"}]}
    patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
    world.prod.objects.patch("deployments", "velero", "velero", patch)
    code, said = await checked(settings)
    assert code == 1
    assert 'Set velero_timezone = "Asia/Tokyo".' in said


async def test_a_server_that_is_down(world, settings):
    await available(world)
    await world.prod.velero.stop()
    code, said = await checked(settings)
    assert code == 1
    assert "The Velero server doesn't respond" in said


def test_the_worst_decides():
    found = [CheckResult("a", CheckGrade.OK, ""), CheckResult("b", CheckGrade.WARNING, "")]
    assert worst_grade(found) is CheckGrade.WARNING
    assert worst_grade([*found, CheckResult("c", CheckGrade.FAILURE, "")]) is CheckGrade.FAILURE
    assert worst_grade([]) is CheckGrade.OK


def test_scopes_that_slack_does_not_tell_are_doubted_not_missing():
    assert [finding.grade for finding in check_scopes(Settings(), "")] == [CheckGrade.WARNING]


@pytest.mark.parametrize(
    ("version", "grade"),
    [
        ("v1.18.2", CheckGrade.OK),
        ("v1.13.0", CheckGrade.OK),
        ("v1.12.4", CheckGrade.WARNING),
        ("main", CheckGrade.WARNING),
    ],
)
def test_a_version_that_cannot_skip_is_a_warning(version, grade):
    wanted = Settings.model_validate({"clusters": [{"name": "prod"}]}).clusters[0]
    (found,) = check_server("cluster prod", wanted, ServerStatus(answered=True, version=version))
    assert found.grade is grade


def test_no_location_at_all():
    wanted = Settings.model_validate({"clusters": [{"name": "prod"}]}).clusters[0]
    (found,) = check_locations("cluster prod", wanted, [])
    assert (found.grade, found.fix) == (
        CheckGrade.FAILURE,
        "Create one: `backup-location create NAME --provider PROVIDER --bucket BUCKET`.",
    )


def test_a_deployment_without_a_zone_runs_in_utc():
    assert zone_of({}) == "UTC"
