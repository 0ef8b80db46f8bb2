"""One cluster with an emulated API server, Velero and object store, over HTTP."""

import asyncio
import base64
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from random import Random
from typing import Self

import pytest

from domain.errors import (
    Conflict,
    DownloadError,
    Forbidden,
    NotFound,
    NotUploaded,
    ObjectNotFound,
    Rejected,
    Unanswered,
)
from sandbox.bucket import Buckets
from sandbox.clock import RealClock
from sandbox.kubernetes.auth import Grant, User, admin
from sandbox.kubernetes.faults import Trouble
from sandbox.kubernetes.objects import Objects
from sandbox.kubernetes.server import KubernetesEmulator
from sandbox.velero.emulator import VeleroEmulator
from velero.access import REQUIRED_PERMISSIONS
from velero.artifacts.contents import StoredObject
from velero.artifacts.downloads import File
from velero.artifacts.resource_list import ItemOutcome
from velero.artifacts.volumes import VolumeDataState
from velero.cluster import SERVER, WATCHED_KINDS, Cluster, ClusterSettings
from velero.connection import Direct
from velero.health import Condition
from velero.names import label_value
from velero.reflector import ReflectorTimes
from velero.resources.backups import BackupRow
from velero.resources.configmaps import create_copy
from velero.resources.deletions import delete_backup
from velero.resources.pod_volumes import backup_selector
from velero.resources.requests import LEFTOVER_AGE, OWNER_LABELS

PACE = ReflectorTimes(
    silence_timeout=5.0,
    backoff_base=0.01,
    backoff_cap=0.1,
    lasting_error_delay=0.05,
    min_stream_seconds=0.5,
    batch_seconds=0.005,
)


@dataclass
class World:
    objects: Objects
    server: KubernetesEmulator
    velero: VeleroEmulator
    clusters: list[Cluster] = field(default_factory=list)
    hosts: tuple[str, ...] = ()

    def cluster(self, token: str = "admin-token", hosts: tuple[str, ...] | None = None) -> Cluster:
        """Another client of the same cluster."""
        access = Direct(self.server.url, token)
        settings = ClusterSettings(
            "prod", access, object_store_hosts=self.hosts if hosts is None else hosts, reflector_times=PACE
        )
        made = Cluster(settings, now=lambda: datetime.now(UTC), random=Random(1))
        self.clusters.append(made)
        return made


@pytest.fixture
async def world():
    clock = RealClock(speed=30)
    ids = count(1)
    objects = Objects(now=clock.now, new_id=lambda: f"{next(ids):08x}-0000-4000-8000-000000000000")
    buckets = Buckets(clock)
    store = await buckets.start()
    buckets.create("velero")
    server = KubernetesEmulator(objects, {"admin-token": admin()}, bookmark_every=0.2)
    await server.start()
    velero = VeleroEmulator(objects, buckets, clock)
    objects.create("namespaces", None, {"metadata": {"name": "shop", "labels": {"team": "shop"}}})
    objects.create("configmaps", "shop", {"metadata": {"name": "settings"}, "data": {"color": "green"}})
    await velero.start()
    config = {"s3Url": store, "region": "x"}
    spec = {"provider": "aws", "objectStorage": {"bucket": "velero"}, "config": config, "default": True}
    objects.create("backupstoragelocations", "velero", {"metadata": {"name": "default"}, "spec": spec})
    made = World(objects, server, velero, hosts=(store.removeprefix("http://"),))
    yield made
    for cluster in made.clusters:
        await cluster.close()
    await velero.stop()
    await server.close()
    await buckets.stop()


@pytest.fixture
def cluster(world):
    return world.cluster()


async def ended(cluster: Cluster, name: str):
    """The backup, when it is over."""
    async with asyncio.timeout(20):
        while not (backup := await cluster.backups.get(name)).has_ended:
            await asyncio.sleep(0.02)
    return backup


async def backed_up(cluster: Cluster, name: str = "nightly"):
    spec = {"includedNamespaces": ["shop"], "storageLocation": "default"}
    async with asyncio.timeout(20):
        while not (await cluster.storage_locations.get("default")).is_available:
            await asyncio.sleep(0.02)
    await cluster.backups.create({"metadata": {"name": name}, "spec": spec})
    return await ended(cluster, name)


async def test_opening_finds_out_what_is_there(world, cluster):
    health = await cluster.open()
    assert health.ok
    assert cluster.uid == world.objects.get("namespaces", None, "kube-system")["metadata"]["uid"]
    assert cluster.features.is_installed
    assert {"Backup", "DataUpload"} <= cluster.features.kinds
    assert cluster.features.kubernetes.startswith("v1.")


async def test_a_cluster_that_is_down_is_a_value_and_comes_back(world, cluster):
    await world.server.down()
    health = await cluster.open()
    assert health.condition is Condition.UNREACHABLE
    assert health.reason == "Cluster prod doesn't respond. Connection failed: connection refused."
    await world.server.up()
    assert (await cluster.open()).ok
    assert cluster.health.last_ok is not None


async def test_without_crds_velero_is_missing(world, cluster):
    world.server.faults.absent.add("velero.io")
    assert (await cluster.open()).ok
    assert not cluster.features.is_installed


async def test_velero_itself_answers(cluster):
    status = await cluster.server_status()
    assert (status.answered, status.version) == (True, "v1.18.2")
    assert cluster.features.knows_field("status.lastSkipped")
    assert cluster.board.get(SERVER).ok


async def test_velero_itself_is_down(world, cluster):
    await world.velero.stop()
    status = await cluster.server_status(within=0.3)
    assert not status.answered
    assert cluster.board.get(SERVER).reason == "Velero in prod doesn't respond."
    assert world.objects.list("serverstatusrequests", "velero") == []


async def test_a_backup_and_what_is_kept_beside_it(cluster):
    backup = await backed_up(cluster)
    assert backup.phase == "Completed"

    results = await cluster.artifacts.results("nightly")
    listed = await cluster.artifacts.resources("nightly")
    log = await cluster.artifacts.log("nightly")
    volumes = await cluster.artifacts.volumes("nightly")

    assert results.errors == ()
    assert ("v1", "ConfigMap", "shop", "settings") in [(r.api_version, r.kind, r.namespace, r.name) for r in listed]
    assert log
    assert all(volume.data in VolumeDataState for volume in volumes)
    assert await cluster.artifacts.operations("nightly") == ()


@dataclass
class Seen:
    places: list[tuple[str, str, str]] = field(default_factory=list)

    def visit(self, stored: StoredObject) -> None:
        self.places.append((stored.kind, stored.namespace, stored.name))


async def test_the_contents_of_a_backup(cluster):
    await backed_up(cluster)
    seen = (await cluster.artifacts.contents("nightly", Seen())).places
    assert ("ConfigMap", "shop", "settings") in seen
    assert len(seen) == len(set(seen))


async def test_no_request_is_left_behind(world, cluster):
    await backed_up(cluster)
    await cluster.artifacts.results("nightly")
    assert world.objects.list("downloadrequests", "velero") == []


async def test_requests_that_a_killed_process_left_are_removed(world, cluster):
    """Requests of others stay, and those that a process may still wait for."""
    await world.velero.stop()
    now = datetime.now(UTC)
    target = {"target": {"kind": "BackupLog", "name": "nightly"}}
    for kind, spec in (("downloadrequests", target), ("serverstatusrequests", {})):
        for name, labels in (("ours", OWNER_LABELS), ("foreign", {})):
            world.objects.create(kind, "velero", {"metadata": {"name": name, "labels": labels}, "spec": spec})
    assert await cluster.remove_leftovers(now) == 0
    assert await cluster.remove_leftovers(now + LEFTOVER_AGE * 2) == 2
    for kind in ("downloadrequests", "serverstatusrequests"):
        assert [each["metadata"]["name"] for each in world.objects.list(kind, "velero")] == ["foreign"]


async def test_every_request_carries_the_mark_by_which_it_is_found(world, cluster):
    marks = {}

    def note(_type, resource, _old, new):
        if new is not None:
            marks.setdefault(resource, new["metadata"].get("labels"))

    world.objects.on_change(note)
    await backed_up(cluster)
    await cluster.server_status()
    await cluster.artifacts.results("nightly")
    assert marks["serverstatusrequests"] == marks["downloadrequests"] == OWNER_LABELS


async def test_nothing_is_fetched_from_a_host_that_is_not_listed(world):
    cluster = world.cluster(hosts=())
    await backed_up(cluster)
    with pytest.raises(DownloadError, match="can't be downloaded"):
        await cluster.artifacts.results("nightly")


async def test_a_restore_and_what_is_kept_beside_it(cluster):
    await backed_up(cluster)
    spec = {"backupName": "nightly", "includedNamespaces": ["shop"], "namespaceMapping": {"shop": "copy"}}
    await cluster.restores.create({"metadata": {"name": "r1"}, "spec": spec})
    async with asyncio.timeout(20):
        while not (restore := await cluster.restores.get("r1")).has_ended:
            await asyncio.sleep(0.02)

    listed = await cluster.artifacts.resources("r1", restore=True)
    results = await cluster.artifacts.results("r1", restore=True)

    assert restore.phase == "Completed"
    assert restore.namespace_mapping == {"shop": "copy"}
    assert ("copy", "settings", ItemOutcome.CREATED) in [(one.namespace, one.name, one.outcome) for one in listed]
    assert results.errors == ()
    assert await cluster.artifacts.log("r1", restore=True)
    assert await cluster.artifacts.volumes("r1", restore=True) == ()


async def test_what_belongs_to_a_run_is_found_by_its_label(world, cluster):
    def volume(name: str, backup: str) -> dict:
        pod = {"kind": "Pod", "namespace": "shop", "name": "db-0"}
        spec = {"backupStorageLocation": "default", "node": "n", "pod": pod, "volume": "data", "repoIdentifier": ""}
        return {"metadata": {"name": name, "labels": {"velero.io/backup-name": label_value(backup)}}, "spec": spec}

    long = "n" * 70
    world.objects.create("podvolumebackups", "velero", volume("one", long))
    world.objects.create("podvolumebackups", "velero", volume("two", "other"))
    [found] = await cluster.pod_volume_backups.list(selector=backup_selector(long))
    assert (found.name, found.pod) == ("one", "db-0")


async def test_the_authority_of_a_file_is_that_of_its_location(world, cluster):
    encoded = base64.b64encode(b"PEM of the store").decode()
    store = {"provider": "aws", "objectStorage": {"bucket": "velero", "caCert": encoded}}
    world.objects.create("backupstoragelocations", "velero", {"metadata": {"name": "own"}, "spec": store})
    for name, location in (("a", "own"), ("b", "default")):
        body = {"metadata": {"name": name}, "spec": {"storageLocation": location}, "status": {"phase": "Completed"}}
        world.objects.create("backups", "velero", body)
    world.objects.create("restores", "velero", {"metadata": {"name": "r"}, "spec": {"backupName": "a"}})

    authority = cluster.artifacts.downloads.authority
    assert await authority(File.BACKUP_LOG, "a") == "PEM of the store"
    assert await authority(File.RESTORE_LOG, "r") == "PEM of the store"
    assert await authority(File.BACKUP_LOG, "b") == ""


async def test_a_schedule_is_skipped_by_its_horizon(cluster):
    template = {"includedNamespaces": ["shop"], "storageLocation": "default"}
    created = await cluster.schedules.create(
        {"metadata": {"name": "daily"}, "spec": {"schedule": "0 1 * * *", "template": template}}
    )
    patched = await cluster.schedules.patch("daily", {"status": {"lastSkipped": "2030-01-01T01:00:00Z"}})
    assert patched.last_skipped == datetime(2030, 1, 1, 1, 0, tzinfo=UTC)
    assert patched.spec_hash == created.spec_hash


async def test_a_concurrent_change_is_a_conflict(cluster):
    first = await backed_up(cluster)
    await cluster.backups.patch("nightly", {"metadata": {"labels": {"a": "1"}}})
    with pytest.raises(Conflict):
        await cluster.backups.patch(
            "nightly", {"metadata": {"labels": {"a": "2"}}}, resource_version=first.meta.resource_version
        )


async def test_a_run_that_a_restart_ended_has_no_files(world, cluster):
    await backed_up(cluster)
    body = {"metadata": {"name": "cut"}, "spec": {"storageLocation": "default"}, "status": {"phase": "Failed"}}
    world.objects.create("backups", "velero", body)
    with pytest.raises(NotUploaded):
        await cluster.artifacts.results("cut")


async def test_files_of_nothing_are_not_waited_for(cluster):
    await backed_up(cluster)
    with pytest.raises(DownloadError) as caught:
        await cluster.artifacts.volumes("other")
    assert caught.value.why == "Velero can't find other or its storage location"


async def test_deleting_a_backup_with_its_data(cluster):
    backup = await backed_up(cluster)
    request = await delete_backup(cluster.deletions, backup.name, backup.uid)
    assert request.name.startswith("nightly-")
    async with asyncio.timeout(20):
        while await cluster.backups.find("nightly") is not None:
            await asyncio.sleep(0.02)
    with pytest.raises(ObjectNotFound):
        await cluster.backups.get("nightly")


async def test_a_field_that_the_cluster_does_not_know_is_refused(cluster):
    with pytest.raises(Rejected) as caught:
        await cluster.backups.create({"metadata": {"name": "x"}, "spec": {"zz": 1}})
    assert "spec.zz" in caught.value.why


async def test_deleting_by_uid_spares_a_namesake(cluster):
    backup = await backed_up(cluster)
    with pytest.raises(Conflict):
        await cluster.backups.delete("nightly", uid="another")
    assert (await cluster.backups.get("nightly")).uid == backup.uid


async def test_a_patch_is_merged(cluster):
    await backed_up(cluster)
    await cluster.backups.patch("nightly", {"metadata": {"labels": {"hold": "yes"}}})
    assert (await cluster.backups.get("nightly")).labels["hold"] == "yes"


async def test_a_config_map_is_copied_once_and_for_all(cluster):
    cluster_maps = cluster.config_maps
    policy = await cluster_maps.create({"metadata": {"name": "policy"}, "data": {"p.yaml": "version: v1"}})
    first = await create_copy(cluster_maps, policy)
    again = await create_copy(cluster_maps, policy)
    assert first.immutable
    assert (first.uid, first.digest) == (again.uid, policy.digest)
    with pytest.raises(Rejected):
        await cluster_maps.patch(first.name, {"data": {"p.yaml": "version: v2"}})


async def test_a_changed_config_map_is_another_copy(cluster):
    policy = await cluster.config_maps.create({"metadata": {"name": "policy"}, "data": {"p": "1"}})
    first = await create_copy(cluster.config_maps, policy)
    changed = await cluster.config_maps.patch("policy", {"data": {"p": "2"}})
    second = await create_copy(cluster.config_maps, changed)
    assert first.name != second.name


async def test_a_config_map_with_the_copys_name_is_not_used(cluster):
    policy = await cluster.config_maps.create({"metadata": {"name": "policy"}, "data": {"p": "1"}})
    name = (await create_copy(cluster.config_maps, policy)).name
    await cluster.config_maps.delete(name)
    await cluster.config_maps.create({"metadata": {"name": name}, "data": {"p": "evil"}})
    with pytest.raises(Conflict):
        await create_copy(cluster.config_maps, policy)


async def test_namespaces_and_their_labels(cluster):
    shop = await cluster.namespaces.get("shop")
    assert shop.labels["team"] == "shop"
    assert not shop.excluded


async def test_the_bot_finds_its_missing_rights(world):
    follow = {"get", "list", "watch"}
    world.server.tokens["bot"] = User("bot", (Grant({"backups"}, follow, {"velero"}),))
    missing = await world.cluster("bot").missing_permissions()
    wanted = sum(len(verbs) for _, verbs in REQUIRED_PERMISSIONS)
    assert len(missing) == wanted - 3
    assert ("create", "backups.velero.io") in [(right.verb, right.resource) for right in missing]


async def test_an_administrator_misses_nothing(cluster):
    assert await cluster.missing_permissions() == ()


async def test_kinds_by_name(cluster):
    assert cluster.gateway("Backup") is cluster.backups
    with pytest.raises(NotFound) as caught:
        cluster.gateway("Secret")
    assert "Backup" in caught.value.nearest


@dataclass
class Watcher:
    """Commits what a reflector says."""

    cluster: Cluster
    kind: str = "Backup"
    known: dict[str, str] = field(default_factory=dict)
    phases: dict[str, list[str]] = field(default_factory=dict)
    changes: list[tuple[str, str]] = field(default_factory=list)
    place: str = ""
    last: object = None
    task: asyncio.Task | None = None

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self.follow())
        return self

    async def __aexit__(self, *_) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def follow(self) -> None:
        async def known() -> dict[str, str]:
            return dict(self.known)

        reflector = self.cluster.reflector(self.kind, known, resource_version=self.place)
        async with aclosing(reflector.batches()) as batches:
            async for batch in batches:
                for one in batch.observations:
                    self.note(one)
                self.place = batch.resource_version

    def note(self, one) -> None:
        self.changes.append((one.change.value, one.name))
        if one.change.value in {"deleted", "gone"}:
            self.known.pop(one.uid, None)
            return
        self.known[one.uid] = one.name
        self.last = one.value
        self.phases.setdefault(one.name, []).append(getattr(one.value, "phase", ""))

    async def until(self, done: Callable[["Watcher"], bool]) -> None:
        async with asyncio.timeout(20):
            while not done(self):
                await asyncio.sleep(0.01)


def completed(name: str) -> Callable[[Watcher], bool]:
    return lambda watcher: "Completed" in watcher.phases.get(name, [])


async def test_a_run_is_followed_to_its_end(cluster):
    async with Watcher(cluster) as watcher:
        await backed_up(cluster)
        await watcher.until(completed("nightly"))
    assert watcher.changes[0] == ("added", "nightly")
    assert "InProgress" in watcher.phases["nightly"]
    assert isinstance(watcher.last, BackupRow)
    assert watcher.last.spec.namespaces == ["shop"]


async def test_an_api_server_that_restarts_is_followed_on(world, cluster):
    """Every older place is too old then; what ended meanwhile is seen, and what vanished is named."""
    async with Watcher(cluster) as watcher:
        await backed_up(cluster, "one")
        await watcher.until(completed("one"))
        await world.server.down()
        world.objects.delete("backups", "velero", "one")
        body = {"metadata": {"name": "two"}, "spec": {"storageLocation": "default", "includedNamespaces": ["shop"]}}
        world.objects.create("backups", "velero", body)
        world.objects.forget_watches()
        await world.server.up()
        await watcher.until(completed("two"))
        await watcher.until(lambda w: ("gone", "one") in w.changes)
    assert cluster.board.get("Backup").ok


@pytest.mark.parametrize(
    "trouble", [Trouble.THROTTLED, Trouble.BAD_GATEWAY, Trouble.BROKEN, Trouble.RESET, Trouble.TRUNCATED_WATCH]
)
async def test_troubles_pass(world, cluster, trouble):
    world.server.faults.retry_after = 0
    world.server.faults.on(trouble, times=3, which=lambda request: "watch" in request.query)
    async with Watcher(cluster) as watcher:
        await backed_up(cluster)
        await watcher.until(completed("nightly"))


async def test_a_kind_that_is_forbidden_degrades_only_itself(world, cluster):
    world.server.faults.forbidden.add("restores")
    async with Watcher(cluster, "Restore"), Watcher(cluster) as backups_:
        await backed_up(cluster)
        await backups_.until(completed("nightly"))
        await backups_.until(lambda _: cluster.board.get("Restore").condition is Condition.FORBIDDEN)
        [degraded] = cluster.board.degraded()
        assert degraded.kind == "Restore"
        assert "list restores" in degraded.reason
        with pytest.raises(Forbidden):
            await cluster.restores.list()
        world.server.faults.clear()
        await backups_.until(lambda _: cluster.board.get("Restore").ok)


async def test_every_watched_kind_has_a_reflector(cluster):
    for kind in WATCHED_KINDS:
        async with Watcher(cluster, kind) as watcher:
            await watcher.until(lambda w: bool(w.place))


async def test_an_answer_that_is_lost_after_the_write_is_unanswered(world, cluster):
    """Nobody can tell whether it was done: the caller looks for it."""
    world.server.faults.on(Trouble.LOST_ANSWER, times=1)
    body = {"metadata": {"name": "x"}, "spec": {"storageLocation": "default"}}
    with pytest.raises(Unanswered):
        await cluster.backups.create(body)
    assert (await cluster.backups.get("x")).name == "x"
