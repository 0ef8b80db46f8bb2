"""The Dockerfile without an engine: its own steps, one by one, in a directory instead of an image."""

import asyncio
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.process import _port, _ready
from sandbox import world as worlds
from tests.deploy.rendering import DEPLOY, ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
STAGES = DOCKERFILE.split("\nFROM ")
VENV = "/opt/velero-chatops"


def instructions(stage: str, word: str) -> list[str]:
    return [line.removeprefix(word).strip() for line in stage.splitlines() if line.startswith(word + " ")]


class Image:
    """Absolute paths of the build lie below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.source = root / "src"
        self.venv = root / VENV.lstrip("/")

    def build(self) -> None:
        self.source.mkdir(parents=True)
        for line in STAGES[1].splitlines():
            if line.startswith("COPY "):
                self._copy(shlex.split(line)[1:])
            elif line.startswith("RUN "):
                self._run(line.removeprefix("RUN "))

    def _copy(self, words: list[str]) -> None:
        *names, target = words
        for name in names:
            there = self.source / (Path(name).name if target == "./" else target)
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, there, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, there)

    def _run(self, command: str) -> None:
        inside = re.sub(r"(?<![\w./:])/(build|dist|opt)\b", rf"{self.root}/\1", command)
        words = [sys.executable if word == "python" else word for word in shlex.split(inside)]
        done = subprocess.run(words, cwd=self.source, capture_output=True, text=True, check=False)
        if "Could not find a version" in done.stderr or "Connection" in done.stderr:
            pytest.skip(f"no package index: {done.stderr.splitlines()[-1]}")
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"

    def runs(self, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.venv / "bin" / "velero-chatops", *words],
            cwd=cwd,
            env=self.environment(cwd),
            capture_output=True,
            text=True,
            check=False,
        )

    def environment(self, cwd: Path) -> dict[str, str]:
        """As the last stage sets it; there is no home, and no settings of ours."""
        del cwd
        return {"PATH": f"{self.venv}/bin:/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}

    def files(self) -> set[tuple[str, int]]:
        return {(str(path), path.stat().st_mtime_ns) for path in self.root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Image:
    made = Image(tmp_path_factory.mktemp("image"))
    made.build()
    return made


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    place = tmp_path / "elsewhere"
    place.mkdir()
    return place


def installed(image: Image) -> set[str]:
    return {path.name.split("-")[0].lower().replace("_", "-") for path in image.venv.rglob("*.dist-info")}


def test_what_is_installed_is_what_runs_and_nothing_of_the_workshop(image):
    names = installed(image)
    assert {"velero-chatops", "slack-bolt", "kubernetes", "aiohttp"} <= names
    assert not names & {
        "pytest",
        "mypy",
        "ruff",
        "hypothesis",
        "hatchling",
        "pip",
        "import-linter",
        "wheel",
        "setuptools",
    }


def test_the_parts_of_the_lock_file_are_up_to_date():
    done = subprocess.run([sys.executable, DEPLOY / "locks.py", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_versions_are_those_of_the_lock_file(image):
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    pinned = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", lock, re.MULTILINE))
    pinned = {name.lower().replace("_", "-"): version for name, version in pinned.items()}
    for path in image.venv.rglob("*.dist-info"):
        name, version = path.name.removesuffix(".dist-info").rsplit("-", 1)
        name = name.lower().replace("_", "-")
        assert name == "velero-chatops" or pinned[name] == version, path.name


def test_no_sandbox_and_no_tests(image):
    packages = {path.name for path in next(image.venv.glob("lib/python*/site-packages")).iterdir()}
    assert {"bot", "operations", "tracking", "commands", "policy", "notifier", "velero", "store", "domain"} <= packages
    assert not packages & {"sandbox", "tests", "benchmarks", "deploy"}


def test_the_entry_point_runs(image, elsewhere):
    assert re.fullmatch(r"velero-chatops, version [\d.]+\n", image.runs("--version", cwd=elsewhere).stdout)
    done = image.runs("config", "check", "--config", str(DEPLOY / "example.toml"), cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    done = image.runs("plan", "backup create nightly --include-namespaces shop", cwd=elsewhere)
    assert "velero backup create nightly" in done.stdout, done.stderr


async def test_it_serves_and_writes_in_its_data_directory_alone(image, elsewhere, tmp_path):
    world = await worlds.build(tmp_path, clusters=("prod",))
    settings = worlds.settings(world, tmp_path / "data")
    before = image.files()
    process = await asyncio.create_subprocess_exec(
        image.venv / "bin" / "velero-chatops",
        "serve",
        "--config",
        str(settings),
        cwd=elsewhere,
        env=image.environment(elsewhere),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        port = await _port(process)
        async with asyncio.timeout(30):
            while not await asyncio.to_thread(_ready, port):
                await asyncio.sleep(0.05)
    finally:
        process.terminate()
        await process.communicate()
        await world.close()
    assert process.returncode == os.EX_OK
    assert image.files() == before
    assert list(elsewhere.iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"elsewhere", "secrets", "settings.toml", "data"}


def test_the_last_stage_is_small_and_without_rights():
    last = STAGES[2]
    (copied,) = instructions(last, "COPY")
    assert copied == f"--from=build {VENV} {VENV}"
    assert instructions(last, "USER") == ["10001:10001"]
    assert instructions(last, "VOLUME") == ["/var/lib/velero-chatops"]
    assert "/healthz" in instructions(last, "HEALTHCHECK")[0]
    assert "apt" not in last
    assert "pip" not in last


def test_the_base_can_be_pinned_by_digest():
    """One argument holds the whole reference, digest included, for both stages."""
    assert instructions("\n" + STAGES[0], "ARG") == ["BASE=python:3.12-slim-bookworm"]
    assert [stage.split()[0] for stage in STAGES[1:]] == ["${BASE}", "${BASE}"]
    assert "Pin the base image" in (ROOT / "docs" / "runbook.md").read_text("utf-8")


def test_the_pod_is_that_user():
    deployment = (DEPLOY / "manifests" / "deployment.yaml").read_text("utf-8")
    assert "runAsUser: 10001" in deployment
    assert "mountPath: /var/lib/velero-chatops" in deployment


def test_nothing_goes_to_the_engine_but_what_is_copied():
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    copied = {word for line in instructions(STAGES[1], "COPY") for word in shlex.split(line)[:-1]}
    assert kept == copied
