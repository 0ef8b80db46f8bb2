"""The examples of deploy/examples, run as their runners would, against a bot with a Velero behind it."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
import yaml

from tests.bot.webhooks.pipelines import SECRET, TOKEN
from tests.e2e.ports import free_ports

EXAMPLES = Path("deploy/examples")
RUNNER = {
    "GITHUB_SHA": "4f2c",
    "GITHUB_SERVER_URL": "https://git.example.com",
    "GITHUB_REPOSITORY": "shop/web",
    "GITHUB_RUN_ID": "77",
    "GITHUB_RUN_ATTEMPT": "1",
    "CI_COMMIT_SHORT_SHA": "4f2c",
    "CI_PIPELINE_URL": "https://git.example.com/pipelines/77",
    "CI_JOB_ID": "78",
}


@pytest.fixture
def tool(tmp_path) -> Path:
    """A directory with `velero-chatops` in it, as an image has."""
    place = tmp_path / "tool"
    place.mkdir()
    script = place / "velero-chatops"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{Path.cwd()}" exec "{sys.executable}" -m bot "$@"\n')
    script.chmod(0o755)
    return place


@pytest.fixture
def run(pipeline, tool):
    async def running(*command: str, **environment: str) -> tuple[int, str]:
        known = {
            "PATH": f"{tool}:{os.environ['PATH']}",
            "VELERO_CHATOPS_URL": pipeline.url,
            "VELERO_CHATOPS_SECRET": SECRET,
            "VELERO_CHATOPS_TOKEN": TOKEN,
        }
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**known, **RUNNER, **environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await process.communicate()
        return process.returncode, out.decode()

    return running


def taken(pipeline) -> list[str]:
    return [item["metadata"]["name"] for item in pipeline.house.prod.all("backups")]


async def test_github_actions(pipeline, run):
    steps = yaml.safe_load((EXAMPLES / "github-actions.yaml").read_text())["jobs"]["deploy"]["steps"]
    code, out = await run("bash", "-e", "-c", steps[0]["run"])
    assert (code, "PASS Namespace shop: backup gate-" in out) == (0, True)
    assert len(taken(pipeline)) == 1
    card = await pipeline.house.sees("#ops", "backup create gate-", "Completed")
    assert "https://git.example.com/shop/web/actions/runs/77" in json.dumps(card.blocks)


async def test_github_actions_stops_the_deployment(pipeline, run):
    pipeline.house.prod.velero.script("gate-*", outcome="fails")
    steps = yaml.safe_load((EXAMPLES / "github-actions.yaml").read_text())["jobs"]["deploy"]["steps"]
    code, out = await run("bash", "-e", "-c", steps[0]["run"])
    assert (code, "FAIL The backup ended Failed" in out) == (1, True)


async def test_gitlab(pipeline, run):
    (script,) = yaml.safe_load((EXAMPLES / "gitlab-ci.yaml").read_text())["backup-gate"]["script"]
    code, out = await run("sh", "-e", "-c", script)
    assert (code, "PASS Namespace shop: backup gate-" in out) == (0, True)
    assert len(taken(pipeline)) == 1


async def test_argo_cd(pipeline, run):
    job = yaml.safe_load((EXAMPLES / "argocd-presync.yaml").read_text())
    assert job["metadata"]["annotations"]["argocd.argoproj.io/hook"] == "PreSync"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert {each["name"] for each in container["env"]} == {
        "VELERO_CHATOPS_URL",
        "VELERO_CHATOPS_SECRET",
        "VELERO_CHATOPS_TOKEN",
    }
    code, out = await run(*container["command"], *container["args"])
    assert (code, "PASS Namespace shop: backup gate-" in out) == (0, True)


BODY = {"cluster": "prod", "namespaces": ["shop"], "max_age": "24h"}


async def test_curl_takes_one_and_waits(pipeline, run):
    code, out = await run(str(EXAMPLES / "gate.sh"), json.dumps({**BODY, "take_if_older": True}))
    assert code == 0
    assert json.loads(out)["gate"]["passed"]
    assert len(taken(pipeline)) == 1


@pytest.mark.parametrize("with_curl", [True, False])
async def test_a_restart_of_the_bot_is_waited_for(pipeline, run, with_curl):
    await pipeline.house.stop()
    settings, (port,) = pipeline.house.settings, free_ports("127.0.0.1", 1)
    settings.write_text(settings.read_text().replace('"127.0.0.1:0"', f'"127.0.0.1:{port}"'))
    await pipeline.house.start()
    pipeline.house.prod.velero.script("gate-*", seconds=2)
    asked = json.dumps({**BODY, "take_if_older": True})
    words = ["gate", "--cluster", "prod", "--namespace", "shop", "--max-age", "24h", "--take-if-older"]
    asking = asyncio.create_task(
        run(*((str(EXAMPLES / "gate.sh"), asked) if with_curl else ("velero-chatops", *words)))
    )
    await pipeline.house.eventually(lambda: taken(pipeline))
    await pipeline.house.restart()
    code, out = await asking
    assert code == 0, out
    assert len(taken(pipeline)) == 1


async def test_curl_fails_where_there_is_none(run):
    code, out = await run(str(EXAMPLES / "gate.sh"), json.dumps(BODY))
    assert (code, json.loads(out)["gate"]["reason"]) == (1, "no-backup")


async def test_the_curl_example_reports_wrong_usage(run):
    code, out = await run(str(EXAMPLES / "gate.sh"), json.dumps({**BODY, "max_age": "soon"}))
    assert (code, "max_age" in out) == (2, True)


async def test_the_curl_example_reports_a_wrong_secret(run):
    code, out = await run(
        str(EXAMPLES / "gate.sh"), json.dumps(BODY), VELERO_CHATOPS_SECRET="whsec_d3Jvbmcgc2VjcmV0IG9mIHNvbWVib2R5"
    )
    assert (code, "answered 401" in out) == (3, True)
