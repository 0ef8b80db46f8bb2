"""SIGKILL during writes: acknowledged rows exist, and the chain is complete."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

from store.audit_chain.verify import verify
from store.writer import Store

WRITES_FOR_EVER = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from store.tables.audit import AuditEntry
from store.writer import Store

async def main():
    now = datetime.now(UTC)
    store = await Store.open(Path(sys.argv[1]), now, reserve_bytes=0)

    async def person(name):
        number = 0
        while True:
            key = f"{store.epoch}-{name}-{number}"

            def accept(tx):
                tx.inbox.accept(key, "slack", {"text": "x" * 500}, "prod/backup/shop", now)
                return tx.audit.append(AuditEntry(now, name, "command.accepted", "done", subject=key))

            await store.write(accept)
            print(key, flush=True)
            number += 1

    print("ready", flush=True)
    await asyncio.gather(*(person(f"p{i}") for i in range(8)))

asyncio.run(main())
"""


def killed_after(data_dir, lines):
    """The keys that a writer had acknowledged when it was killed."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITES_FOR_EVER, str(data_dir)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "ready\n"
        acknowledged = [child.stdout.readline().strip() for _ in range(lines)]
        child.kill()
        rest = child.stdout.read()
    return acknowledged + [line for line in rest.split("\n")[:-1] if line]


@pytest.mark.parametrize("seed", range(3))
async def test_a_killed_writer_has_lost_nothing_it_acknowledged(tmp_path, now, seed):
    chance = random.Random(seed)
    acknowledged = set()
    for _ in range(4):
        acknowledged |= set(killed_after(tmp_path, chance.randint(1, 300)))
    assert verify(tmp_path).exit_code == 0
    store = await Store.open(tmp_path, now, reserve_bytes=0)
    kept = {key for (key,) in await store.read(lambda tx: tx.connection.execute("SELECT key FROM inbox").fetchall())}
    told = await store.read(lambda tx: {row.entry.subject for row in tx.audit.latest(1_000_000)})
    await store.close()
    assert acknowledged <= kept
    assert kept == told
