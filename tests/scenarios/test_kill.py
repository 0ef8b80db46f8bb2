"""Kill -9 at a random moment, sixty times over all cases, while Slack fails in its ways: nothing lost, nothing twice.

The oracle is what the Slack emulator committed and what stands in the cluster, never what the bot believes.
"""

import asyncio
import random
import signal
import time
from collections import Counter

import pytest

from sandbox.slack.faults import Fault
from store.audit_chain.verify import ChainFinding, verify
from store.connection import DATABASE_FILE
from store.sqlite import sqlite3
from tests.scenarios.process import Lives, free_port
from tests.scenarios.product import BRISK, phase

SHARES = {
    Fault.COMMIT_THEN_RESET: 0.06,
    Fault.DROP: 0.06,
    Fault.SERVER_ERROR: 0.03,
    Fault.COMMIT_THEN_503: 0.05,
    Fault.LATE_COMMIT: 0.03,
}
KILLS = 15


@pytest.fixture
async def lives(build):
    """(house, lives): the bot is not in this process."""
    port = free_port()
    house = await build(extra=BRISK, listen=f"127.0.0.1:{port}")
    house.slack.connect(f"http://127.0.0.1:{port}/slack/events")
    async with Lives(house.settings, house.world.directory / "bot.log", port) as lives:
        yield house, lives


def rows(house, query: str):
    """What the bot wrote, read beside it."""
    path = house.world.directory / "data" / DATABASE_FILE
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def unfinished(house) -> int:
    """Commands, events, notices, cards, and second copies that may still turn up."""
    queries = (
        "SELECT count(*) FROM inbox WHERE state != 'done'",
        "SELECT count(*) FROM outbox WHERE routed = 0",
        "SELECT count(*) FROM notice WHERE state IN ('pending', 'sending', 'unknown')",
        "SELECT count(*) FROM notice WHERE sweep_at IS NOT NULL AND sweeps = 0",
        "SELECT count(*) FROM operation WHERE state IN ('planned', 'approved', 'submitting', 'submitted', 'running')",
        "SELECT count(*) FROM message WHERE role = 'card' AND gone = 0 AND revision < wanted",
    )
    return sum(rows(house, query)[0][0] for query in queries)


class Traffic:
    """Commands on and on; `acknowledged` are those of which Slack got a 200 without a word of busy."""

    def __init__(self, house, case: int) -> None:
        self.house, self.case = house, case
        self.acknowledged: list[str] = []
        self.by_hand: list[str] = []
        self._count = 0

    async def run(self) -> None:
        while True:
            self._count += 1
            name = f"k{self.case}-{self._count}"
            answer = await self.house.grace.says(f"/velero backup create {name} --include-namespaces shop")
            if answer.status == 200 and not answer.body:
                self.acknowledged.append(name)
            if self._count % 5 == 0:
                self.by_hand.append(f"h{self.case}-{self._count}")
                self.house.backup(self.by_hand[-1])
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("case", range(4))
async def test_nothing_is_lost_and_nothing_twice(lives, case):
    house, lives = lives
    chance = random.Random(case)
    house.prod.velero.script(f"h{case}-*", outcome="fails", reason="boom")
    await lives.begin()
    await house.until(lambda: len(rows(house, "SELECT 1 FROM cursor")) >= 8, 30)
    house.faults.mix("chat.postMessage", SHARES, chance)
    traffic = Traffic(house, case)
    task = asyncio.create_task(traffic.run())
    for number in range(KILLS):
        if number % 3:
            before = len(traffic.acknowledged)
            await house.until(lambda before=before: len(traffic.acknowledged) > before, 20)
        await asyncio.sleep(chance.uniform(0.0, 0.4))
        await lives.end(signal.SIGKILL)
        await lives.begin(listening=False)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    house.faults.clear()
    await house.until(lives.listens, 20)
    await house.until(lambda: all(phase(one) in {"Completed", "Failed"} for one in house.prod.all("backups")), 40)
    await house.until(lambda: unfinished(house) == 0, 60)
    nothing_lost(house, traffic)
    nothing_twice(house)
    began = time.monotonic()
    assert await lives.end(signal.SIGTERM) == 0
    assert time.monotonic() - began < 5
    verdict = verify(house.world.directory / "data")
    assert verdict.finding is ChainFinding.OK, verdict


def nothing_lost(house, traffic):
    assert len(traffic.acknowledged) >= KILLS * 2 // 3
    for name in traffic.acknowledged:
        assert house.prod.get("backups", name) is not None, f"{name} was acknowledged and not created"
        assert len(house.told("#ops", f"Backup *{name}* is *Completed*")) == 1, name
        assert len(house.told("#ops", f"Backup {name} Completed", f"<@{house.grace.id}>")) == 1, name
    for name in traffic.by_hand:
        assert len(house.told("#incidents", f"Backup {name} Failed", "boom")) == 1, name


def nothing_twice(house):
    twice = {ident: count for ident, count in house.slack.workspace.metadata_ids().items() if count != 1}
    assert twice == {}
    made = Counter(b["metadata"]["labels"].get("velero-chatops.io/operation") for b in house.prod.all("backups"))
    made.pop(None, None)
    assert set(made.values()) <= {1}
    sent = {row[0] for row in rows(house, "SELECT id FROM notice WHERE state = 'sent'")}
    assert sent == set(house.slack.workspace.metadata_ids())


async def test_sigterm_in_full_swing_loses_no_acknowledged_command(lives):
    house, lives = lives
    await lives.begin()
    await house.until(lambda: len(rows(house, "SELECT 1 FROM cursor")) >= 8, 30)
    asked = [f"t{number}" for number in range(30)]
    answers = await asyncio.gather(
        *(house.grace.says(f"/velero backup create {name} --include-namespaces shop") for name in asked)
    )
    began = time.monotonic()
    assert await lives.end(signal.SIGTERM) == 0
    assert time.monotonic() - began < 5
    taken = [name for name, answer in zip(asked, answers, strict=True) if answer.status == 200 and not answer.body]
    await lives.begin()
    await house.until(lambda: all(house.prod.get("backups", name) for name in taken), 30)
    await house.until(lambda: unfinished(house) == 0, 60)
    for name in taken:
        assert len(house.told("#ops", f"Backup *{name}* is *Completed*")) == 1


async def test_sigterm_while_a_cluster_hangs_is_as_quick(lives):
    from sandbox.kubernetes.faults import Trouble

    house, lives = lives
    await lives.begin()
    await house.until(lambda: len(rows(house, "SELECT 1 FROM cursor")) >= 8, 30)
    house.prod.api.faults.on(Trouble.HANG)
    await house.grace.says("/velero backup create b1 --include-namespaces shop")
    began = time.monotonic()
    assert await lives.end(signal.SIGTERM) == 0
    assert time.monotonic() - began < 5
    house.prod.api.faults.clear()
    await lives.begin()
    await house.until(lambda: house.told("#ops", "Backup *b1* is *Completed*"), 20)


async def test_a_second_instance_refuses_and_says_who_holds_it(lives):
    house, lives = lives
    await lives.begin()
    other = house.world.directory / "other.log"
    second = Lives(house.settings, other, free_port())
    async with second:
        await second.begin(listening=False)
        status = int(await second._nest.stdout.readline())
        second.pid = 0
    assert status != 0
    assert f"is in use by process {lives.pid}" in other.read_text()
