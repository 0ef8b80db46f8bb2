"""`audit verify` of a long chain, compared with sha256 of the same bytes."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.figure import Figure, in_turn
from store.audit_chain.verify import verify
from store.connection import DATABASE_FILE, open_for_reading
from store.tables.audit import AuditEntry, pages
from store.transaction import Transaction
from store.writer import Store

ROWS = 60_000
START = datetime(2026, 11, 21, 12, tzinfo=UTC)


async def fill(directory: Path) -> None:
    store = await Store.open(directory, START, reserve_bytes=0)
    for begin in range(0, ROWS, 5000):
        await store.write(lambda tx, begin=begin: _some(tx, begin))
    await store.close()


def _some(tx: Transaction, begin: int) -> None:
    for number in range(begin, begin + 5000):
        tx.audit.append(
            AuditEntry(
                at=START + timedelta(seconds=number),
                actor="U0000000001",
                action="backup.create.submitted",
                outcome="done",
                subject=f"nightly-{number}",
                cluster="prod-eu",
                operation=f"{number:010x}",
                detail={"reason": "", "fingerprint": f"{number:064x}"},
            )
        )


def contents(directory: Path) -> list[bytes]:
    """Return the rows as bytes, as any verification has to hash them."""
    connection = open_for_reading(directory / DATABASE_FILE)
    try:
        return [repr(row).encode() for page in pages(connection) for row in page]
    finally:
        connection.close()


def measure() -> Figure:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name) / "data"
        asyncio.run(fill(directory))
        rows = contents(directory)

        def hashed() -> None:
            for row in rows:
                hashlib.sha256(row).digest()

        def verified() -> None:
            assert verify(directory).exit_code == 0

        took, floor = in_turn(verified, hashed, 5)
    return Figure("audit verify", ROWS / took, 100_000, "rows a second", ROWS / floor, least=True, of_ratio=False)
