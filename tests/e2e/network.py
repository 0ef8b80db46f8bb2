"""Network namespaces: every Velero binds :8080, so one network holds only one.

They have no names: a namespace and its cable vanish with the last process inside, so a crash leaves nothing to clean.
"""

import asyncio
import ctypes
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.processes import Keeper, Process

TOOLS = ("ip", "nsenter", "unshare")
NEW_NETWORK = 0x40000000  # CLONE_NEWNET


class NotPermitted(Exception):
    """This machine does not let us make network namespaces; the words say why."""


@dataclass(frozen=True, slots=True)
class Cable:
    """Two ends with one address each, known by the number that makes them unlike any other run's."""

    number: int

    @property
    def outside(self) -> str:
        return f"10.213.{self.number % 256}.1"

    @property
    def inside(self) -> str:
        return f"10.213.{self.number % 256}.2"

    @property
    def outside_name(self) -> str:
        return f"vce2e{self.number}a"

    @property
    def inside_name(self) -> str:
        return f"vce2e{self.number}b"


@dataclass(frozen=True, slots=True)
class Annex:
    """The second network: `address` reaches this machine from inside, and `enter` runs a command inside."""

    holder: Process
    cable: Cable

    @property
    def address(self) -> str:
        return self.cable.outside

    def enter(self, argv: Sequence[str]) -> list[str]:
        return ["nsenter", "--net", "--target", str(self.holder.pid), "--", *argv]

    async def close(self) -> None:
        await self.holder.kill()


def move_out() -> None:
    """This thread, and all that it starts from now on, into a network that holds nothing but loopback."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEW_NETWORK):
        raise NotPermitted(os.strerror(ctypes.get_errno()))
    _ip(["ip", "link", "set", "lo", "up"])


def may_move_out() -> bool:
    """Whether `move_out` would work; tried by a process that ends at once."""
    if missing_tools():
        return False
    attempt = ["unshare", "--net", "ip", "link", "set", "lo", "up"]
    return subprocess.run(attempt, check=False, capture_output=True).returncode == 0


def missing_tools() -> list[str]:
    return [tool for tool in TOOLS if shutil.which(tool) is None]


async def open_annex(directory: Path, keeper: Keeper) -> Annex:
    if missing := missing_tools():
        raise NotPermitted(f"{', '.join(missing)} missing")
    cable = Cable(os.getpid() % 10_000)
    holder = Process("annex", ["unshare", "--net", "sleep", "infinity"], directory / "annex.log", keeper)
    own = Path("/proc/self/ns/net").readlink()
    holder.start()
    try:
        await _moved_out(holder, own)
        for command in _plumbing(cable, holder.pid):
            await asyncio.to_thread(_ip, command)
    except NotPermitted:
        await holder.kill()
        raise
    return Annex(holder, cable)


async def _moved_out(holder: Process, own: Path) -> None:
    """`unshare` becomes `sleep` in the same process once it stands in its own network."""
    async with asyncio.timeout(5):
        while holder.alive:
            if Path(f"/proc/{holder.pid}/ns/net").readlink() != own:
                return
            await asyncio.sleep(0.01)
    raise NotPermitted(holder.last_words())


def _plumbing(cable: Cable, pid: int) -> list[list[str]]:
    within = ["nsenter", "--net", "--target", str(pid), "--", "ip"]
    return [
        ["ip", "link", "add", cable.outside_name, "type", "veth", "peer", "name", cable.inside_name],
        ["ip", "link", "set", cable.inside_name, "netns", str(pid)],
        ["ip", "address", "add", f"{cable.outside}/30", "dev", cable.outside_name],
        ["ip", "link", "set", cable.outside_name, "up"],
        [*within, "address", "add", f"{cable.inside}/30", "dev", cable.inside_name],
        [*within, "link", "set", cable.inside_name, "up"],
        [*within, "link", "set", "lo", "up"],
    ]


def _ip(argv: Sequence[str]) -> None:
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    if done.returncode:
        raise NotPermitted(f"{' '.join(argv)}: {done.stderr.strip()}")
