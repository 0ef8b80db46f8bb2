"""Builds the real parts once, into a cache outside the tree: `python -m tests.e2e.build`.

A part's directory is named by the hash of what pins it, so a second run finds it and calls no compiler at all.
"""

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRESS_SECONDS = 15.0


class BuildError(Exception):
    """A part could not be built; the words say what to do."""


@dataclass(frozen=True, slots=True)
class GoModule:
    """One go.mod and the commands that are built from it, by the name of their binary."""

    name: str
    commands: Mapping[str, str]

    @property
    def source(self) -> Path:
        return HERE / "go" / self.name


MODULES = (
    GoModule("velero", {"velero": "github.com/vmware-tanzu/velero/cmd/velero"}),
    GoModule("aws", {"velero-plugin-for-aws": "github.com/vmware-tanzu/velero-plugin-for-aws/velero-plugin-for-aws"}),
    GoModule(
        "kube",
        {
            "etcd": "go.etcd.io/etcd/server/v3",
            "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
            "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
        },
    ),
    GoModule("alertmanager", {"alertmanager": "github.com/prometheus/alertmanager/cmd/alertmanager"}),
)
S3_LOCK = HERE / "s3.lock"


@dataclass(frozen=True, slots=True)
class Parts:
    """Where the built parts are."""

    etcd: Path
    apiserver: Path
    controller_manager: Path
    velero: Path
    plugins: Path  # holds the plugin and nothing else: Velero runs whatever is executable in there
    alertmanager: Path
    s3_python: Path


def cache_directory(environment: Mapping[str, str] = os.environ) -> Path:
    if chosen := environment.get("VELERO_CHATOPS_E2E_CACHE"):
        return Path(chosen)
    root = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "velero-chatops-e2e"


def fingerprint(*texts: bytes) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(len(text).to_bytes(8, "big") + text)
    return digest.hexdigest()[:16]


def module_directory(cache: Path, module: GoModule) -> Path:
    pins = [(module.source / name).read_bytes() for name in ("go.mod", "go.sum")]
    commands = repr(sorted(module.commands.items())).encode()
    return cache / f"{module.name}-{fingerprint(*pins, commands, platform.machine().encode())}"


def s3_directory(cache: Path) -> Path:
    python = f"{sys.implementation.cache_tag} {platform.machine()} {sys.base_prefix}".encode()
    return cache / f"s3-{fingerprint(S3_LOCK.read_bytes(), python)}"


def locate(cache: Path) -> Parts:
    velero, aws, kube, alertmanager = (module_directory(cache, module) for module in MODULES)
    return Parts(
        etcd=kube / "etcd",
        apiserver=kube / "kube-apiserver",
        controller_manager=kube / "kube-controller-manager",
        velero=velero / "velero",
        plugins=aws,
        alertmanager=alertmanager / "alertmanager",
        s3_python=s3_directory(cache) / "bin" / "python",
    )


def ensure(cache: Path | None = None) -> Parts:
    """The parts, built if they are not there yet."""
    cache = cache or cache_directory()
    directories = [*(module_directory(cache, module) for module in MODULES), s3_directory(cache)]
    if not all(directory.is_dir() for directory in directories):
        cache.mkdir(parents=True, exist_ok=True)
        with only_builder(cache):
            build_missing(cache)
    return locate(cache)


def build_missing(cache: Path) -> None:
    if not (s3 := s3_directory(cache)).is_dir():
        with finished_at_once(s3) as partial:
            install_s3(partial)
    for module in MODULES:
        if not (target := module_directory(cache, module)).is_dir():
            with finished_at_once(target) as partial:
                compile_module(module, partial)


@contextlib.contextmanager
def only_builder(cache: Path) -> Iterator[None]:
    with (cache / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build is in progress; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def finished_at_once(target: Path) -> Iterator[Path]:
    """A directory that gets its real name only when everything in it is there."""
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def install_s3(target: Path) -> None:
    log = target.with_suffix(".log")
    run("the S3 server's environment", [sys.executable, "-m", "venv", str(target)], log)
    python = str(target / "bin" / "python")
    install = ["-m", "pip", "install", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    run("the S3 server", [python, *install, "-r", str(S3_LOCK)], log)
    log.unlink()


def compile_module(module: GoModule, target: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise BuildError(
            "Go is not installed, and the end-to-end suite builds its Kubernetes and Velero with it. "
            f"Install Go (the version that {module.source / 'go.mod'} names, or later), then run this again."
        )
    log = target.with_suffix(".log")
    # Without cgo no C compiler is needed, and the binaries run wherever the cache is copied to.
    environment = {**os.environ, "CGO_ENABLED": "0"}
    flags = ["-v", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags=-s -w"]
    for binary, package in module.commands.items():
        argv = [go, "build", *flags, "-o", str(target / binary), package]
        run(binary, argv, log, cwd=module.source, environment=environment)
    log.unlink()


def run(
    what: str, argv: Sequence[str], log: Path, cwd: Path = HERE, environment: Mapping[str, str] | None = None
) -> None:
    """Runs one step to its end, says every now and then how far it is, and shows its last words if it fails."""
    say(f"building {what}")
    begun = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(argv, cwd=cwd, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        while (status := finished(process)) is None:
            lines = log.read_bytes().count(b"\n")
            say(f"  {what}: {time.monotonic() - begun:.0f} s, {lines} steps")
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if status:
        last = log.read_text(errors="replace").splitlines()[-30:]
        raise BuildError("\n".join([f"{what} could not be built:", *last]))
    say(f"  {what}: ready after {time.monotonic() - begun:.0f} s")


def finished(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(PROGRESS_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def main() -> int:
    try:
        ensure()
    except BuildError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("stopped; what the compiler has done so far is kept in its own cache")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
