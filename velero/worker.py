"""Runs long work on untrusted data in a process of its own, whose time and memory the kernel limits.

A thread wouldn't help: pure Python holds the interpreter lock, and a thread can't be stopped. Each call starts a new
process, so a stopped one leaves nothing behind. The parent sets no timer: the kernel kills a child that exceeds its
limits, and the end of the child's output ends the wait. The child gets no secrets from the environment.
"""

from __future__ import annotations

import os
import pickle
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from domain.errors import DownloadError, WorkLimitExceeded

T = TypeVar("T")

_OUT_OF_MEMORY_CODE = 79
_PASSED_VARIABLES = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ")
"""The child gets only these variables: the bot's environment contains tokens."""


@dataclass(frozen=True, slots=True)
class WorkLimits:
    """`memory` is the child's whole address space in bytes, including about 60 MiB for Python itself."""

    seconds: float = 60.0
    memory: int = 384 << 20


def run_in_worker(
    task: str, function: Callable[..., T], *args: object, file: int | None = None, limits: WorkLimits | None = None
) -> T:
    """Return `function(*args)`, run by a child process. Blocking: call it in a thread.

    `function` belongs to a module; arguments and result can be pickled. `task` is the subject of error messages:
    "Reading …". `file` becomes the child's standard input, from its beginning. Raises the child's DownloadError, or
    WorkLimitExceeded.
    """
    bounds = limits or WorkLimits()
    payload = pickle.dumps((function, args, bounds))
    if file is not None:
        os.lseek(file, 0, os.SEEK_SET)
    source, sink = os.pipe()
    try:
        child = subprocess.Popen(  # noqa: S603 - this module, by this interpreter
            [sys.executable, "-P", "-m", "velero.worker", str(source)],
            stdin=subprocess.DEVNULL if file is None else file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=(source,),
            env={name: os.environ[name] for name in _PASSED_VARIABLES if name in os.environ},
        )
    except BaseException:
        os.close(sink)
        raise
    finally:
        os.close(source)
    with child:
        _send(sink, payload)
        assert child.stdout is not None
        answer = child.stdout.read()
    result: T = _result(task, child.returncode, answer, bounds)
    return result


def _send(sink: int, payload: bytes) -> None:
    """Send the work; a child that has already ended is recognized by its return code."""
    try:
        with os.fdopen(sink, "wb") as pipe:
            pipe.write(payload)
    except BrokenPipeError:
        return


def _result(task: str, code: int, answer: bytes, bounds: WorkLimits) -> Any:
    if code == -signal.SIGALRM:
        raise WorkLimitExceeded(f"{task} took longer than {bounds.seconds:g} s and was stopped.")
    if code == _OUT_OF_MEMORY_CODE:
        raise WorkLimitExceeded(f"{task} needed more than {bounds.memory >> 20} MiB of memory and was stopped.")
    if code:
        raise WorkLimitExceeded(f"{task} failed.", why=f"its process ended with code {code}")
    is_error, result = pickle.loads(answer)  # noqa: S301 - written by this module in the child
    if is_error:
        raise result
    return result


def _run(payload: bytes) -> tuple[bool, object]:
    function, args, bounds = pickle.loads(payload)  # noqa: S301 - written by the parent
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (bounds.memory, bounds.memory))
    signal.setitimer(signal.ITIMER_REAL, bounds.seconds)
    try:
        return False, function(*args)
    except DownloadError as error:
        return True, error


def main() -> None:
    """Run the work that the parent sends. SIGALRM keeps its default action, which also ends a C library's loop."""
    with os.fdopen(int(sys.argv[1]), "rb") as pipe:
        payload = pipe.read()
    try:
        answer = pickle.dumps(_run(payload))
    except MemoryError:
        os._exit(_OUT_OF_MEMORY_CODE)
    sys.stdout.buffer.write(answer)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
