"""The processes of a cluster: each in a group of its own, with a log, and ended whatever happens."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

KEEPER = Path(__file__).with_name("keeper.py")
KILL_SECONDS = 10.0


class Keeper:
    """Tells the keeper process which groups are alive; when this process ends, however, the keeper ends them."""

    def __init__(self) -> None:
        argv = [sys.executable, "-S", "-E", str(KEEPER)]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, text=True, bufsize=1, start_new_session=True)

    def _tell(self, word: str, group: int) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word} {group}\n")

    def watch(self, group: int) -> None:
        self._tell("+", group)

    def forget(self, group: int) -> None:
        self._tell("-", group)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()


class ProcessEnded(Exception):
    """A process that should be running is not; the words end with what it said last."""


@dataclass(slots=True)
class Process:
    """One program that can be killed and started again; its log goes on where it was."""

    name: str
    argv: Sequence[str]
    log: Path
    keeper: Keeper
    environment: Mapping[str, str] = field(default_factory=dict)
    _running: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        if self._running is None:
            raise ProcessEnded(f"{self.name} is not running")
        return self._running.pid

    @property
    def alive(self) -> bool:
        return self._running is not None and self._running.poll() is None

    @property
    def status(self) -> int:
        """With which it ended."""
        if self._running is None or self._running.returncode is None:
            raise ProcessEnded(f"{self.name} has not ended by itself")
        return self._running.returncode

    def start(self) -> None:
        assert not self.alive, f"{self.name} runs already"
        with self.log.open("ab") as output:
            self._running = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                cwd=self.log.parent,
                start_new_session=True,
            )
        self.keeper.watch(self._running.pid)

    def check(self) -> None:
        if not self.alive:
            status = None if self._running is None else self._running.returncode
            raise ProcessEnded(f"{self.name} ended with status {status}:\n{self.last_words()}")

    def last_words(self, lines: int = 30) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    async def kill(self) -> None:
        """At once, with everything that it started."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Asks first."""
        await self._end(signal.SIGTERM)

    async def _end(self, sign: signal.Signals) -> None:
        if (running := self._running) is None:
            return
        self._signal(sign)
        try:
            await asyncio.wait_for(asyncio.to_thread(running.wait, KILL_SECONDS), KILL_SECONDS + 1)
        except (subprocess.TimeoutExpired, TimeoutError):
            self._signal(signal.SIGKILL)
            await asyncio.to_thread(running.wait)
        self._signal(signal.SIGKILL)  # plugins that outlived their parent
        self.keeper.forget(running.pid)
        self._running = None

    def _signal(self, sign: signal.Signals) -> None:
        if self._running is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._running.pid, sign)
