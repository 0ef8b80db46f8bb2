"""`python process_lives.py DIRECTORY HOW`: bots that live one after another on the same data, until the inbox is empty.

Each life is a process of its own with a real worker on a real store. The item "deadly" ends its process: killed, or out
of memory. Prints the exit codes, what became of each item, and who was told.
"""

import asyncio
import json
import os
import resource
import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from bot.worker import Worker
from store.writer import Store

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MOST_LIVES = 8
MEMORY = 256 * 1024 * 1024


class Desk:
    def __init__(self, how: str) -> None:
        self.how = how

    async def process(self, item) -> str:
        await asyncio.sleep(0)
        if item.payload["what"] == "deadly":
            if self.how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            held = []
            with suppress(MemoryError):
                while True:
                    held.append(bytes(16 * 1024 * 1024))
            # As the kernel's OOM killer has it: memory that is not there ends the process, not the request for it.
            os.kill(os.getpid(), signal.SIGKILL)
        return "done"


async def life(directory: Path, how: str) -> None:
    store = await Store.open(directory, NOW, reserve_bytes=0)

    async def aside(item, _reference) -> None:
        (directory / f"told-{item.payload['what']}").touch()

    worker = Worker(store, {"slack": Desk(how)}, lambda: NOW, aside)
    worker.probation = 0.0
    while await store.read(lambda tx: tx.inbox.count()):
        seen = store.commits
        await worker.round()
        await store.committed(seen)
    await store.close()


async def accept(directory: Path) -> None:
    store = await Store.open(directory, NOW, reserve_bytes=0)
    items = [("before", "a"), ("deadly", "shop"), ("behind", "shop"), ("beside", "b")]
    await store.write(lambda tx: [tx.inbox.accept(what, "slack", {"what": what}, lane, NOW) for what, lane in items])
    await store.close()


async def results(directory: Path) -> tuple[dict, list]:
    store = await Store.open(directory, NOW, reserve_bytes=0)
    rows = await store.read(lambda tx: tx.connection.execute("SELECT key, result FROM inbox").fetchall())
    failed = await store.read(lambda tx: tx.failed_items.all())
    await store.close()
    return dict(rows), [(each.kind, each.error_type) for each in failed]


def main() -> None:
    directory, how = Path(sys.argv[1]), sys.argv[2]
    asyncio.run(accept(directory))
    codes = []
    while not codes or (codes[-1] and len(codes) < MOST_LIVES):
        child = os.fork()
        if child == 0:
            if how == "out of memory":
                resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
            asyncio.run(life(directory, how))
            os._exit(0)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    found, failed = asyncio.run(results(directory))
    told = sorted(path.name for path in directory.glob("told-*"))
    print(json.dumps({"codes": codes, "results": found, "failed": failed, "told": told}))


main()
