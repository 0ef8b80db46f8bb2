"""DownloadRequests and ServerStatusRequests: answered at once, cleaned up late."""

from datetime import datetime, timedelta
from urllib.parse import urlsplit

import pytest


async def expires(world, request="d"):
    """As if its ten minutes were over."""
    past = (world.now() - timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    await world.patch("downloadrequests", request, {"status": {"expiration": past}})


async def ask(world, kind, name, request="d"):
    await world.create("downloadrequests", request, {"target": {"kind": kind, "name": name}})


async def test_download_is_answered_at_once_also_while_something_runs(world, outside):
    await world.backup("b")
    outside.hold("slow")
    await world.create("backups", "slow", {"includedNamespaces": ["shop"], "storageLocation": "default"})
    await world.reaches("backups", "slow", "InProgress")
    await ask(world, "BackupLog", "b")
    request = await world.ended("downloadrequests", "d", 0.1)
    expiration = datetime.fromisoformat(request["status"]["expiration"])
    assert abs(expiration - world.now() - timedelta(minutes=10)) < timedelta(seconds=30)
    assert world.phases("backups", "slow")[-1] == "InProgress"


async def test_what_does_not_exist_never_gets_a_phase_and_goes_away(world):
    await ask(world, "BackupLog", "gone")
    await world.pause(1)
    assert (await world.get("downloadrequests", "d"))["status"].keys() == {"expiration"}
    await expires(world)
    await world.gone("downloadrequests", "d", 61)


async def test_restore_files_need_the_backup(world):
    await world.backup("b")
    await world.restore("r", "b")
    await ask(world, "RestoreLog", "r", "before")
    await world.ended("downloadrequests", "before", 1)
    await world.delete("backups", "b")
    await ask(world, "RestoreLog", "r", "after")
    await world.pause(1)
    assert (await world.get("downloadrequests", "after"))["status"].keys() == {"expiration"}


async def test_location_gone_is_no_answer_either(world):
    await world.backup("b")
    await world.delete("backupstoragelocations", "default")
    await ask(world, "BackupLog", "b")
    await world.pause(5)
    assert world.phases("downloadrequests", "d") == [""]


async def test_expired_requests_go(world):
    await world.backup("b")
    for request in ("d", "later"):
        await ask(world, "BackupLog", "b", request)
        await world.ended("downloadrequests", request)
    await expires(world)
    await world.gone("downloadrequests", "d", 61)
    assert await world.get("downloadrequests", "later") is not None


async def test_untouched_they_go_at_the_first_minute_tick_after_their_expiration(world):
    await world.backup("b")
    await ask(world, "BackupLog", "b")
    request = await world.ended("downloadrequests", "d")
    await world.gone("downloadrequests", "d", 661)
    assert request["status"]["expiration"] == "2026-11-21T11:23:19Z"
    assert world.now().strftime("%H:%M:%S") == "11:23:19"


async def test_the_link_points_below_the_prefix(world):
    await world.location("below", objectStorage={"bucket": "velero", "prefix": "/team/"})
    await world.reaches("backupstoragelocations", "below", "Available")
    await world.backup("b", storageLocation="below")
    await ask(world, "BackupContents", "b")
    request = await world.ended("downloadrequests", "d")
    assert "/velero/team/backups/b/b.tar.gz?" in request["status"]["downloadURL"]


FILES = {
    "backups/b/": [
        "b-itemoperations.json.gz",
        "b-logs.gz",
        "b-podvolumebackups.json.gz",
        "b-resource-list.json.gz",
        "b-results.gz",
        "b-volumeinfo.json.gz",
        "b-volumesnapshots.json.gz",
        "b.tar.gz",
        "velero-backup.json",
    ],
    "restores/r/": [
        "r-volumeinfo.json.gz",
        "restore-r-itemoperations.json.gz",
        "restore-r-logs.gz",
        "restore-r-resource-list.json.gz",
        "restore-r-results.gz",
    ],
}
WHOLE = {
    "b": ["Contents", "ItemOperations", "Log", "ResourceList", "Results", "VolumeInfos", "VolumeSnapshots"],
    "r": ["ItemOperations", "Log", "ResourceList", "Results", "VolumeInfo"],
}


async def test_twelve_kinds_of_files_lie_where_their_links_point_and_two_never_do(world, outside):
    await world.backup("b")
    await world.restore("r", "b")
    for prefix, files in FILES.items():
        assert sorted(outside.bucket.keys(prefix)) == [f"{prefix}{name}" for name in files]
    assert outside.results("b") == outside.restored("r")[0] == {"errors": {}, "warnings": {}}
    kinds = [("b", f"Backup{kind}") for kind in WHOLE["b"]] + [("r", f"Restore{kind}") for kind in WHOLE["r"]]
    for name, kind in kinds:
        assert await behind(world, outside, kind, name) is not None
    for kind in ("CSIBackupVolumeSnapshots", "CSIBackupVolumeSnapshotContents"):
        assert await behind(world, outside, kind, "b") is None


async def behind(world, outside, kind, name):
    request = f"d-{kind.lower()}"
    await ask(world, kind, name, request)
    answered = await world.ended("downloadrequests", request)
    return outside.bucket.get(urlsplit(answered["status"]["downloadURL"]).path.removeprefix("/velero/"))


async def test_of_what_did_not_run_to_its_end_there_are_links_and_no_files(world, outside):
    await world.create("backups", "bad", {"includedNamespaces": ["a"], "excludedNamespaces": ["a"]})
    await world.ended("backups", "bad")
    assert outside.bucket.keys("backups/bad/") == []
    assert await behind(world, outside, "BackupLog", "bad") is None


async def test_status_request(world):
    await world.create("serverstatusrequests", "s", {})
    request = await world.ended("serverstatusrequests", "s", 1)
    assert request["status"].get("serverVersion", "v1.18.2") == "v1.18.2"
    plugins = [(p["kind"], p["name"]) for p in request["status"]["plugins"]]
    assert plugins.count(("ObjectStore", "velero.io/aws")) == 1
    assert plugins.count(("BackupItemAction", "velero.io/pod")) == 2


class TestWithoutVersion:
    @pytest.fixture
    def settings(self, settings):
        from dataclasses import replace

        return replace(settings, version=None)

    async def test_the_key_is_absent(self, world):
        await world.create("serverstatusrequests", "s", {})
        assert "serverVersion" not in (await world.ended("serverstatusrequests", "s", 1))["status"]


async def test_a_status_request_goes_when_it_is_looked_at_a_minute_later(world):
    await world.create("serverstatusrequests", "s", {})
    request = await world.ended("serverstatusrequests", "s")
    answered = datetime.fromisoformat(request["status"]["processedTimestamp"])
    past = (answered - timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    await world.patch("serverstatusrequests", "s", {"status": {"processedTimestamp": past}})
    await world.gone("serverstatusrequests", "s", 5)


async def test_status_requests_are_removed_after_five_minutes(world):
    await world.create("serverstatusrequests", "s", {})
    await world.pause(221)
    assert await world.get("serverstatusrequests", "s") is not None
    await world.gone("serverstatusrequests", "s", 156)
