"""A bot that is killed and started again, many times a minute: its modules are loaded once, and every life is a fork.

Run as a program it forks a `serve` for each line on its standard input, tells its process id, and when it is gone.
"""

import asyncio
import os
import signal
import sys
from contextlib import closing
from pathlib import Path
from socket import create_connection, socket
from typing import Self


class Lives:
    """One life at a time, on one port."""

    def __init__(self, settings: Path, log: Path, port: int) -> None:
        self._settings, self._log, self.port = settings, log, port
        self._nest: asyncio.subprocess.Process | None = None
        self.pid = 0

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        words = [sys.executable, "-m", "tests.scenarios.process", str(self._settings), str(self._log)]
        self._nest = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.pid:
            await self.end(signal.SIGKILL)
        self._nest.stdin.close()
        await self._nest.wait()

    async def begin(self, *, listening: bool = True) -> None:
        self._nest.stdin.write(b"\n")
        self.pid = int(await self._nest.stdout.readline())
        if listening:
            async with asyncio.timeout(20):
                while not self.listens():
                    await asyncio.sleep(0.01)

    def listens(self) -> bool:
        try:
            with closing(create_connection(("127.0.0.1", self.port), 0.5)):
                return True
        except OSError:
            return False

    async def end(self, number: signal.Signals) -> int:
        """How it ended, as `waitpid` says."""
        os.kill(self.pid, number)
        status = int(await self._nest.stdout.readline())
        self.pid = 0
        return status


def free_port() -> int:
    with closing(socket()) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _nest(settings: str, log: str) -> None:
    import bot.app  # noqa: F401 - loaded once
    from bot.terminal.serve import COMMAND

    while sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
            os.dup2(os.open(os.devnull, os.O_RDWR), 0)
            os.dup2(2, 1)
            COMMAND.main(["--config", settings], standalone_mode=True)
        print(pid, flush=True)
        print(os.waitpid(pid, 0)[1], flush=True)


if __name__ == "__main__":
    _nest(*sys.argv[1:])
