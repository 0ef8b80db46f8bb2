"""Long work on data of other people, in a process of its own whose time and memory the kernel bounds.

A thread would not do: pure Python holds the interpreter's lock, and a thread cannot be stopped. Each piece of work has a
fresh process, so nothing is left of one that was stopped. The parent never waits on a clock: an overrun ends the child,
and the end of its output ends the wait.
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

_OUT_OF_MEMORY = 79
_ENVIRONMENT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ")
"""Tokens are in the environment of the bot, and none of the child's business."""


@dataclass(frozen=True, slots=True)
class WorkLimits:
    """`memory` is the child's whole address space, of which Python itself takes about 60 MiB."""

    seconds: float = 60.0
    memory: int = 384 << 20


def run_in_worker(
    what: str, function: Callable[..., T], *args: object, file: int | None = None, limits: WorkLimits | None = None
) -> T:
    """`function(*args)` by a child; blocking, so call it in a thread. Raises its DownloadError, or Overran.

    `function` is one of a module, and arguments and result can be pickled. `what` begins the message of an overrun:
    "Reading …". `file` is the child's standard input, from its beginning.
    """
    bounds = limits or WorkLimits()
    order = pickle.dumps((function, args, bounds))
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
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        )
    except BaseException:
        os.close(sink)
        raise
    finally:
        os.close(source)
    with child:
        _send(sink, order)
        assert child.stdout is not None
        answer = child.stdout.read()
    result: T = _result(what, child.returncode, answer, bounds)
    return result


def _send(sink: int, order: bytes) -> None:
    """A child that is gone already is told by its return code."""
    try:
        with os.fdopen(sink, "wb") as pipe:
            pipe.write(order)
    except BrokenPipeError:
        return


def _result(what: str, code: int, answer: bytes, bounds: WorkLimits) -> Any:
    if code == -signal.SIGALRM:
        raise WorkLimitExceeded(f"{what} took longer than {bounds.seconds:g} s and was stopped.")
    if code == _OUT_OF_MEMORY:
        raise WorkLimitExceeded(f"{what} needed more than {bounds.memory >> 20} MiB of memory and was stopped.")
    if code:
        raise WorkLimitExceeded(f"{what} ended before its time.", why=f"its process ended with {code}")
    raised, result = pickle.loads(answer)  # noqa: S301 - written by this module in the child
    if raised:
        raise result
    return result


def _work(order: bytes) -> tuple[bool, object]:
    function, args, bounds = pickle.loads(order)  # noqa: S301 - written by the parent
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (bounds.memory, bounds.memory))
    signal.setitimer(signal.ITIMER_REAL, bounds.seconds)
    try:
        return False, function(*args)
    except DownloadError as error:
        return True, error


def main() -> None:
    """SIGALRM keeps its default, which ends the process also inside a C library."""
    with os.fdopen(int(sys.argv[1]), "rb") as pipe:
        order = pipe.read()
    try:
        answer = pickle.dumps(_work(order))
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)
    sys.stdout.buffer.write(answer)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
