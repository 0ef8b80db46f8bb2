"""The harness itself: it builds once, says what it lacks, and leaves nothing behind."""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e import build
from tests.e2e.keeper import remaining

KILLED_SUITE = """
import sys, time
from pathlib import Path
from tests.e2e.processes import Keeper, Process
process = Process("long", ["sleep", "1000"], Path(sys.argv[1]), Keeper())
process.start()
print(process.pid, flush=True)
time.sleep(1000)
"""


def ended(pidfd: int, within: float) -> bool:
    return bool(select.select([pidfd], [], [], within)[0])


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda sign: sign.name)
def test_whatever_ends_the_suite_its_processes_end_too(tmp_path: Path, sign: signal.Signals) -> None:
    argv = [sys.executable, "-c", KILLED_SUITE, str(tmp_path / "log")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as suite:
        assert suite.stdout is not None
        left = os.pidfd_open(int(suite.stdout.readline()))
        assert not ended(left, within=0)
        suite.send_signal(sign)
        assert ended(left, within=10)
    os.close(left)


def test_the_keeper_ends_only_what_is_left() -> None:
    assert remaining(["+ 11\n", "+ 12\n", "- 11\n", "+ 13\n"]) == {12, 13}


def test_what_is_built_is_not_built_again_and_needs_no_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in build.MODULES:
        build.module_directory(tmp_path, module).mkdir()
    build.s3_directory(tmp_path).mkdir()
    monkeypatch.setenv("PATH", "")
    assert build.ensure(tmp_path).velero == build.module_directory(tmp_path, build.MODULES[0]) / "velero"


def test_without_go_the_words_say_so_and_nothing_half_made_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    build.s3_directory(tmp_path).mkdir()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(build.BuildError, match="Go is not installed"):
        build.ensure(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"lock", build.s3_directory(tmp_path).name}


def test_a_build_that_fails_shows_its_last_words(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "import sys; sys.exit('cannot find module')"]
    with pytest.raises(build.BuildError, match="cannot find module"):
        build.run("a part", argv, tmp_path / "log")


def test_a_part_moves_with_its_sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "HERE", tmp_path)
    module = build.GoModule("kube", {"etcd": "go.etcd.io/etcd/server/v3"})
    module.source.mkdir(parents=True)
    (module.source / "go.mod").write_text("module kube\n")
    (module.source / "go.sum").write_text("etcd h1:one\n")
    before = build.module_directory(tmp_path, module)
    (module.source / "go.sum").write_text("etcd h1:two\n")
    assert build.module_directory(tmp_path, module) != before


def test_the_plugins_directory_holds_the_plugin_alone() -> None:
    plugins = build.ensure().plugins
    assert [path.name for path in plugins.iterdir()] == ["velero-plugin-for-aws"]


def test_finding_everything_takes_no_time() -> None:
    build.ensure()
    begun = time.monotonic()
    build.ensure()
    assert time.monotonic() - begun < 0.5
