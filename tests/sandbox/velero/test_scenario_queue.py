"""The queue: one at a time, positions that are only about right, and the ways in which it gets stuck."""

import pytest

from sandbox.velero.settings import VeleroSettings


async def many(world, names, namespaces=("shop",)):
    for name in names:
        await world.create("backups", name, {"includedNamespaces": list(namespaces), "storageLocation": "default"})


async def queued(world, outside, names):
    """The first is held in progress, the others wait for it."""
    outside.hold(names[0])
    await many(world, names[:1])
    await world.reaches("backups", names[0], "InProgress")
    for name in names[1:]:
        await many(world, [name])
        await world.reaches("backups", name, "Queued")


async def test_one_runs_and_the_others_move_up(world, outside):
    await queued(world, outside, ["a", "b", "c"])
    outside.hold("b")
    outside.release("a")
    await world.reaches("backups", "b", "InProgress")
    assert world.phases("backups", "c")[-1] == "Queued"
    outside.release("b")
    for name in ("a", "b", "c"):
        await world.ended("backups", name)
    assert [line.object["status"].get("queuePosition") for line in world.seen("backups", "c")[1:4]] == [2, 1, None]
    starts = [(await world.get("backups", name))["status"]["startTimestamp"] for name in ("a", "b", "c")]
    assert starts == sorted(starts)


async def test_next_starts_when_the_first_begins_to_finalize(world, outside):
    await queued(world, outside, ["a", "b"])
    outside.release("a")
    await world.ended("backups", "b")
    order = [(x.name, x.phase) for x in world.lines if x.resource == "backups"]
    assert order.index(("a", "Finalizing")) < order.index(("b", "ReadyToStart")) < order.index(("b", "InProgress"))


async def test_a_queued_backup_may_simply_be_deleted(world, outside):
    await queued(world, outside, ["a", "b", "c"])
    await world.delete("backups", "b")
    outside.release("a")
    assert (await world.ended("backups", "c"))["status"]["phase"] == "Completed"
    assert await world.get("backups", "b") is None


async def test_a_deleted_one_leaves_a_gap_in_the_positions(world, outside):
    await queued(world, outside, ["a", "b", "c", "d"])
    await world.delete("backups", "b")
    await world.pause(1)
    assert [(await world.get("backups", name))["status"]["queuePosition"] for name in ("c", "d")] == [2, 3]


class TestStalls:
    @pytest.fixture
    def settings(self):
        return VeleroSettings(queue_stalls=True)

    async def test_same_namespace_waits_for_the_tick(self, world):
        await many(world, ["a", "b"])
        await world.pause(10)
        assert world.phases("backups", "a")[-1] == "Completed"
        assert world.phases("backups", "b")[-1] == "Queued"
        await world.ended("backups", "b", 60)

    async def test_a_newcomer_sets_it_going(self, world):
        await many(world, ["a", "b"])
        await world.pause(10)
        await many(world, ["c"])
        await world.pause(1)
        assert world.phases("backups", "b")[-1] == "Completed"

    async def test_different_namespaces_do_not_wait(self, world):
        for name in ("n1", "n2", "n3"):
            await world.create("namespaces", name, namespace=None)
            await many(world, [name], (name,))
        for name in ("n1", "n2", "n3"):
            await world.ended("backups", name, 5)

    async def test_the_log_says_why(self, world, velero):
        await many(world, ["a", "b"])
        await world.pause(1)
        assert any("Backup b has namespace conflict, leaving queued" in line for line in velero.log)


class TestWedge:
    @pytest.fixture
    def settings(self):
        return VeleroSettings(queue_wedge=True)

    async def test_after_a_failed_validation_nothing_runs_until_the_restart(self, world, outside):
        await world.create("backups", "bad", {"includedNamespaces": ["a"], "excludedNamespaces": ["a"]})
        await many(world, ["good"])
        await world.pause(3600)
        found = await world.get("backups", "good")
        assert found["status"] == {"phase": "Queued", "queuePosition": 1}
        await outside.kill()
        await outside.restart()
        assert (await world.ended("backups", "good"))["status"]["phase"] == "Completed"
