"""What only an emulator can: scripted outcomes, a past that never was, two clusters on one bucket, a year in a second."""

from datetime import timedelta

import pytest

from sandbox.kubernetes.objects import Objects
from sandbox.velero.emulator import VeleroEmulator
from sandbox.velero.history import Past
from sandbox.velero.settings import VeleroSettings


async def start(world, name, **spec):
    await world.create("backups", name, {"includedNamespaces": ["shop"], "storageLocation": "default", **spec})


class TestScripts:
    async def test_visible_progress(self, world, velero):
        velero.script("shop", items=240, seconds=12)
        await start(world, "slow")
        backup = await world.ended("backups", "slow")
        told = [x.object["status"]["progress"].get("itemsBackedUp", 0) for x in world.seen("backups", "slow")[4:-2]]
        assert told[1:13] == [20 * n for n in range(1, 13)]
        assert backup["status"]["progress"] == {"itemsBackedUp": 240, "totalItems": 240}

    async def test_failure_with_its_reason(self, world, velero, outside):
        velero.script("doomed", outcome="fails", reason="disk full")
        await start(world, "doomed")
        backup = await world.ended("backups", "doomed")
        assert (backup["status"]["phase"], backup["status"]["failureReason"]) == ("Failed", "disk full")
        assert "disk full" in outside.results("doomed")["errors"]["velero"][0]

    async def test_partial_and_warned(self, world, velero, outside):
        velero.script("half", outcome="partial", reason="no such volume")
        velero.script("warned", outcome="warns", reason="odd")
        for name in ("half", "warned"):
            await start(world, name)
        half, warned = [await world.ended("backups", name) for name in ("half", "warned")]
        assert (half["status"]["phase"], half["status"]["errors"]) == ("PartiallyFailed", 1)
        assert (warned["status"]["phase"], warned["status"]["warnings"]) == ("Completed", 1)
        assert outside.results("half")["errors"]["namespaces"]["shop"] == [
            " resource: /pods name: /web-0 message: /Error backing up item error: /no such volume"
        ]

    async def test_hanging_until_the_server_is_killed(self, world, velero, outside):
        velero.script("stuck", outcome="hangs")
        await start(world, "stuck")
        await world.pause(86400)
        assert world.phases("backups", "stuck")[-1] == "InProgress"
        await outside.kill()
        await outside.restart()
        assert world.phases("backups", "stuck")[-1] == "Failed"

    async def test_data_movement(self, world, velero):
        velero.script("moved", outcome="moves-data")
        await start(world, "moved")
        backup = await world.ended("backups", "moved")
        assert world.phases("backups", "moved")[-3:] == ["WaitingForPluginOperations", "Finalizing", "Completed"]
        assert backup["status"]["backupItemOperationsCompleted"] == 1
        [upload] = await world.all("datauploads")
        assert upload["status"]["phase"] == "Completed"
        assert upload["metadata"]["labels"]["velero.io/backup-name"] == "moved"

    async def test_only_the_next_time(self, world, velero):
        velero.script("b*", outcome="partial", times=1)
        for name in ("b1", "b2"):
            await start(world, name)
        assert (await world.ended("backups", "b1"))["status"]["phase"] == "PartiallyFailed"
        assert (await world.ended("backups", "b2"))["status"]["phase"] == "Completed"

    @pytest.mark.parametrize(
        ("outcome", "phase"),
        [
            ("partial", "PartiallyFailed"),
            ("fails", "Failed"),
            ("warns", "Completed"),
        ],
    )
    async def test_restores_too(self, world, velero, outcome, phase):
        await world.backup("b")
        velero.script("r", outcome=outcome, kind="restore")
        assert (await world.restore("r", "b"))["status"]["phase"] == phase

    async def test_hooks_after_a_restore(self, world, velero, outside):
        await world.create("pods", "web-0", {"containers": [{"name": "c", "image": "c:1"}]}, namespace="shop")
        await world.backup("b")
        velero.script("bad", outcome="hook-fails", reason="exit code 2", kind="restore")
        hook = {"name": "migrate", "postHooks": [{"exec": {"command": ["/bin/migrate"]}}]}
        for name, counted in (("good", {"hooksAttempted": 1}), ("bad", {"hooksAttempted": 1, "hooksFailed": 1})):
            restore = await world.restore(name, "b", hooks={"resources": [hook]})
            assert restore["status"]["hookStatus"] == counted
        assert "exit code 2" in outside.restored("bad")[0]["errors"]["namespaces"]["shop"][0]


class TestHistory:
    async def test_backups_of_the_past_with_files_on_demand(self, world, velero, outside):
        past = Past(30, world.now(), outcome=lambda n: "PartiallyFailed" if n == 3 else "Completed")
        names = velero.seed_history(past)
        await world.pause(300)
        backups = {b["metadata"]["name"]: b for b in await world.all("backups")}
        assert sorted(backups) == names
        assert {b["metadata"]["generation"] for b in backups.values()} == {1}
        assert backups[names[-1]]["status"]["startTimestamp"] < backups[names[-1]]["metadata"]["creationTimestamp"]
        assert outside.results(names[3])["errors"]["namespaces"]["shop"]
        assert len(outside.file(f"backups/{names[0]}/{names[0]}-resource-list.json.gz")["v1/ConfigMap"]) == 39

    async def test_they_can_be_restored(self, world, velero):
        names = velero.seed_history(Past(2, world.now()))
        restore = await world.restore("r", names[0], namespaceMapping={"shop": "old"})
        assert restore["status"]["phase"] == "Completed"
        assert (await world.get("configmaps", "settings-7", "old"))["data"] == {"revision": "0"}

    async def test_thousands_go_quickly_and_slow_nothing_down(self, world, velero):
        velero.seed_history(Past(2000, world.now(), every=timedelta(minutes=10)))
        assert (await world.backup("after"))["status"]["phase"] == "Completed"


class TestSharedBucket:
    @pytest.fixture
    async def other(self, world, clock, buckets, settings):
        """A second cluster whose location on the same bucket is read-only."""
        ids = (f"{n:08x}-ffff-4000-8000-000000000000" for n in range(10**6))
        objects = Objects(now=clock.now, new_id=lambda: next(ids))
        emulator = VeleroEmulator(objects, buckets, clock, settings=settings, new_id=lambda: next(ids))
        await emulator.start()
        spec = {"provider": "aws", "objectStorage": {"bucket": "velero"}, "accessMode": "ReadOnly"}
        objects.create("backupstoragelocations", "velero", {"metadata": {"name": "shared"}, "spec": spec})
        await clock.settle()
        yield objects
        await emulator.stop()

    async def test_backups_appear_already_finished(self, world, other):
        backup = await world.backup("b")
        seen = []
        other.on_change(lambda kind, resource, old, new: resource == "backups" and seen.append((kind, new)))
        await world.pause(70)
        [(kind, copy)] = seen
        assert (kind, copy["metadata"]["generation"], copy["status"]) == ("ADDED", 1, backup["status"])
        assert copy["spec"]["storageLocation"] == "shared"
        assert copy["metadata"]["labels"]["velero.io/storage-location"] == "shared"

    async def test_restore_in_the_other_cluster(self, world, other):
        await world.backup("b")
        await world.pause(70)
        other.create("restores", "velero", {"metadata": {"name": "r"}, "spec": {"backupName": "b"}})
        await world.pause(10)
        assert other.get("restores", "velero", "r")["status"]["phase"] == "Completed"
        assert len(other.list("configmaps", "shop")) == 4

    async def test_a_hold_in_one_cluster_is_unknown_to_the_other(self, world, other):
        await world.backup("b", ttl="10m")
        held = "2026-11-28T00:00:00Z"
        await world.patch("backups", "b", {"status": {"expiration": held}})
        await world.pause(70)
        assert other.get("backups", "velero", "b")["status"]["expiration"] == "2026-11-21T11:23:19Z"

    async def test_deleted_data_takes_the_copies_along(self, world, other):
        await world.backup("b")
        await world.pause(70)
        await world.delete_backup("b")
        await world.gone("backups", "b")
        await world.pause(70)
        assert other.list("backups", "velero") == []


class TestYear:
    @pytest.fixture
    def settings(self):
        return VeleroSettings(heartbeats=False)

    async def test_a_year_of_daily_runs(self, world):
        template = {"includedNamespaces": ["shop"], "ttl": "72h"}
        await world.create("schedules", "daily", {"schedule": "0 1 * * *", "template": template})
        await world.pause(365 * 86400)
        made = [x for x in world.lines if x.type == "ADDED" and x.resource == "backups"]
        assert len(made) == 365
        assert {x.at.strftime("%H:%M:%S") for x in made} == {"01:00:19"}
        assert 3 <= len(await world.all("backups")) <= 4


async def test_one_cluster_may_hold_two_namespaces_and_the_server_sees_its_own(world):
    await world.create("namespaces", "elsewhere", namespace=None)
    await world.create("backups", "foreign", {"includedNamespaces": ["shop"]}, namespace="elsewhere")
    await world.pause(300)
    assert world.phases("backups", "foreign") == [""]


class TestTwoWorkers:
    @pytest.fixture
    def settings(self):
        return VeleroSettings(concurrent_backups=2)

    async def test_different_namespaces_run_side_by_side(self, world, velero):
        velero.script("*", seconds=10)
        await world.create("namespaces", "other", namespace=None)
        await start(world, "a")
        await world.create("backups", "b", {"includedNamespaces": ["other"], "storageLocation": "default"})
        await world.pause(5)
        assert world.phases("backups", "a")[-1] == world.phases("backups", "b")[-1] == "InProgress"

    async def test_the_same_namespace_does_not(self, world, velero):
        velero.script("*", seconds=10)
        for name in ("a", "b"):
            await start(world, name)
        await world.pause(5)
        assert (world.phases("backups", "a")[-1], world.phases("backups", "b")[-1]) == ("InProgress", "Queued")


class TestNewerServerInAnotherZone:
    @pytest.fixture
    def settings(self):
        return VeleroSettings(timezone="Europe/Berlin", cron_dialect="netresearch", version="v1.19.0")

    async def test_expressions_and_names_are_local(self, world):
        await world.create("schedules", "s", {"schedule": "15 12 * * *", "template": {"includedNamespaces": ["shop"]}})
        await world.pause(130)
        assert [b["metadata"]["name"] for b in await world.all("backups")] == ["s-20261121121519"]

    async def test_sunday_may_be_seven(self, world):
        await world.create("schedules", "s", {"schedule": "0 1 * * 7", "template": {}})
        await world.pause(1)
        assert world.phases("schedules", "s")[-1] == "Enabled"


async def test_starting_twice_is_starting_once(objects, buckets, clock):
    emulator = VeleroEmulator(objects, buckets, clock, settings=VeleroSettings(timezone="Europe/Berlin"))
    await emulator.start()
    assert emulator.running
    await emulator.start()
    await emulator.stop()
    assert not emulator.running
    assert emulator.log == []


async def test_an_expiration_moved_into_the_past_waits_for_the_next_round(world, velero):
    assert velero.settings.garbage_collection_period == 10
    await world.pause(2)
    await world.backup("b")
    await world.patch("backups", "b", {"status": {"expiration": "2026-11-21T10:00:00Z"}})
    await world.pause(7)
    assert await world.get("backups", "b") is not None
    await world.gone("backups", "b", 3)
