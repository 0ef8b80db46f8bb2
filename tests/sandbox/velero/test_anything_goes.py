"""Whatever people do in whatever order, with the server killed in between: what never happens."""

import asyncio
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.bucket import Buckets, Faults
from sandbox.clock import ManualClock
from sandbox.kubernetes.objects import ApiFailure, Objects
from sandbox.velero.emulator import VeleroEmulator
from sandbox.velero.settings import VeleroSettings
from tests.sandbox.velero.conftest import START, World, new_ids

AFTER = {
    "": {"Queued"},
    "Queued": {"ReadyToStart"},
    "ReadyToStart": {"InProgress", "FailedValidation"},
    "InProgress": {"Finalizing", "FinalizingPartiallyFailed", "Failed"},
    "Finalizing": {"Completed"},
    "FinalizingPartiallyFailed": {"PartiallyFailed"},
}
ENDED = {"Completed", "PartiallyFailed", "Failed", "FailedValidation"}

names = st.sampled_from(["a", "b", "c"])
actions = st.one_of(
    st.tuples(st.just("backup"), names, st.sampled_from([["shop"], ["shop", "gone"], ["*", "shop"]])),
    st.tuples(st.just("remove"), names),
    st.tuples(st.just("request"), names),
    st.tuples(st.just("restore"), names),
    st.tuples(st.just("pause"), st.sampled_from([0.0, 0.5, 5.0, 90.0])),
    st.tuples(st.just("restart")),
    st.tuples(st.just("outage")),
    st.tuples(st.just("recovery")),
)


async def act(world, objects, velero, bucket, number, action):
    match action:
        case ("backup", name, spaces):
            await world.create("backups", name, {"includedNamespaces": spaces, "storageLocation": "default"})
        case ("remove", name):
            await world.delete("backups", name)
        case ("request", name):
            await world.delete_backup(name, f"dbr-{number}", **{"velero.io/backup-name": name})
        case ("restore", name):
            await world.create("restores", f"r-{number}", {"backupName": name, "namespaceMapping": {"shop": "copy"}})
        case ("pause", seconds):
            await world.pause(seconds)
        case ("restart",):
            await velero.stop()
            await velero.start()
        case ("outage",):
            bucket.fail(Faults(unavailable=True))
        case ("recovery",):
            bucket.fail()


async def live(script):
    clock = ManualClock(START)
    objects, buckets = Objects(now=clock.now, new_id=new_ids()), Buckets(clock)
    bucket = buckets.create("velero")
    quick = VeleroSettings(validation_period=5, backup_items_per_second=2)
    velero = VeleroEmulator(objects, buckets, clock, settings=quick, new_id=new_ids())
    world = World(objects, clock)
    await velero.start()
    await world.location("default")
    await world.create("namespaces", "shop", namespace=None)
    await world.create("configmaps", "settings", namespace="shop", data={"color": "green"})
    for number, action in enumerate(script):
        try:
            await act(world, objects, velero, bucket, number, action)
        except ApiFailure as refused:
            if refused.status not in (404, 409):
                raise
    bucket.fail()
    await world.pause(1200)
    await velero.stop()
    return world


def histories(world, resource):
    """Lines of each object, told apart by uid."""
    found = {}
    for line in world.lines:
        if line.resource == resource:
            found.setdefault(line.object["metadata"]["uid"], []).append(line)
    return found.values()


@settings(max_examples=60, deadline=None)
@given(st.lists(actions, max_size=12))
def test_invariants(script):
    world = asyncio.run(live(script))
    running = set()
    for line in world.lines:
        if line.resource == "backups":
            alive = line.type != "DELETED" and line.phase == "InProgress"
            (running.add if alive else running.discard)(line.object["metadata"]["uid"])
            assert len(running) <= 1
    for lines in histories(world, "backups"):
        for before, after in itertools.pairwise(lines):
            legal = {before.phase, "Deleting", *AFTER.get(before.phase, set())}
            assert after.phase in legal
        assert lines[-1].type == "DELETED" or lines[-1].phase in ENDED | {"Deleting"}
    for lines in histories(world, "restores"):
        assert lines[-1].type == "DELETED" or lines[-1].phase in ENDED
