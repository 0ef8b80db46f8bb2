"""A backup's life on a real Velero: its phases, its files, its end."""

import gzip
import json

import pytest

from tests.e2e.api import Refused
from tests.e2e.cluster import NAMESPACES, RealCluster
from tests.e2e.control_plane import STRANGER_TOKEN
from tests.e2e.objects import CONFIG_MAPS, backup, delete_request, download_request, make_shop, restore


async def backed_up(cluster: RealCluster, name: str, *namespaces: str) -> None:
    await cluster.api.create("backups", backup(name, *namespaces))
    await cluster.api.wait_phase("backups", name, "Completed")


async def vanish(cluster: RealCluster, name: str) -> None:
    await cluster.api.delete(NAMESPACES, name)
    await cluster.api.wait_gone(NAMESPACES, name)


async def test_a_cluster_stands_in_time(cluster: RealCluster) -> None:
    assert cluster.started_in < 15
    location = await cluster.api.get("backupstoragelocations", "default")
    assert location is not None
    assert location["status"]["phase"] == "Available"


async def test_a_backup_passes_its_phases_in_order(cluster: RealCluster) -> None:
    await make_shop(cluster.api, "phases")
    async with cluster.api.watching("backups") as seen:
        await cluster.api.create("backups", backup("phases", "phases"))
        done = await seen.until_phase("phases", "Completed")
    order = [None, "Queued", "ReadyToStart", "InProgress", "Finalizing", "Completed"]
    assert seen.phases("phases") == [phase for phase in order if phase in seen.phases("phases")]
    assert {None, "InProgress", "Completed"} <= set(seen.phases("phases"))
    assert seen.of("phases")[0].kind == "ADDED"
    assert done["status"]["progress"]["itemsBackedUp"] == done["status"]["progress"]["totalItems"] > 3


async def test_a_backup_of_a_namespace_that_is_not_there_is_partial(cluster: RealCluster) -> None:
    await cluster.api.create("backups", backup("nowhere", "nowhere"))
    done = await cluster.api.wait_phase("backups", "nowhere", "PartiallyFailed")
    assert done["status"]["errors"] == 1


async def test_a_backup_to_a_location_that_is_not_there_fails_validation(cluster: RealCluster) -> None:
    await cluster.api.create("backups", backup("misplaced", "nowhere", storageLocation="moon"))
    done = await cluster.api.wait_phase("backups", "misplaced", "FailedValidation")
    assert "moon" in " ".join(done["status"]["validationErrors"])


async def test_a_restore_brings_a_lost_namespace_back(cluster: RealCluster) -> None:
    await make_shop(cluster.api, "lost", items=2)
    await backed_up(cluster, "lost", "lost")
    await vanish(cluster, "lost")
    await cluster.api.create("restores", restore("lost", of="lost"))
    await cluster.api.wait_phase("restores", "lost", "Completed")
    price = await cluster.api.get(CONFIG_MAPS, "price-1", "lost")
    assert price is not None
    assert price["data"] == {"euro": "1"}
    assert price["metadata"]["labels"]["velero.io/restore-name"] == "lost"


async def test_a_restore_into_another_namespace_leaves_the_first_alone(cluster: RealCluster) -> None:
    await make_shop(cluster.api, "source")
    await backed_up(cluster, "source", "source")
    await cluster.api.patch(CONFIG_MAPS, "price-1", {"data": {"euro": "99"}}, "source")
    await cluster.api.create("restores", restore("copy", of="source", namespaceMapping={"source": "copy"}))
    await cluster.api.wait_phase("restores", "copy", "Completed")
    kept = await cluster.api.get(CONFIG_MAPS, "price-1", "source")
    copied = await cluster.api.get(CONFIG_MAPS, "price-1", "copy")
    assert kept is not None
    assert copied is not None
    assert (kept["data"]["euro"], copied["data"]["euro"]) == ("99", "1")


async def test_a_download_request_names_where_the_file_is(cluster: RealCluster) -> None:
    await make_shop(cluster.api, "files")
    await backed_up(cluster, "files", "files")
    await cluster.api.create("downloadrequests", download_request("files", "BackupResourceList", "files"))
    request = await cluster.api.wait_phase("downloadrequests", "files", "Processed")
    url = request["status"]["downloadURL"]
    assert url.startswith(cluster.store.url)
    async with cluster.session.get(url) as response:
        listed = json.loads(gzip.decompress(await response.read()))
    assert "files/price-0" in listed["v1/ConfigMap"]


async def test_a_download_request_for_a_backup_that_is_not_there_is_never_answered(cluster: RealCluster) -> None:
    await cluster.api.create("downloadrequests", download_request("nobody", "BackupLog", "nobody"))
    request = await cluster.api.wait("downloadrequests", "nobody", lambda o: "expiration" in o.get("status", {}))
    assert "phase" not in request["status"]


async def test_an_unknown_kind_of_download_is_refused_with_the_known_ones(cluster: RealCluster) -> None:
    with pytest.raises(Refused, match="BackupResourceList") as refusal:
        await cluster.api.create("downloadrequests", download_request("odd", "Odd", "files"))
    assert refusal.value.status == 422


async def test_deleting_a_backup_takes_its_files_and_its_restores(cluster: RealCluster) -> None:
    await make_shop(cluster.api, "doomed")
    await backed_up(cluster, "doomed", "doomed")
    await cluster.api.create("restores", restore("doomed", of="doomed"))
    await cluster.api.wait_phase("restores", "doomed", "Completed")
    assert await cluster.store.keys("backups/doomed/")
    async with cluster.api.watching("deletebackuprequests") as seen:
        await cluster.api.create("deletebackuprequests", delete_request("doomed", "doomed"))
        await seen.until(lambda event: event.name == "doomed" and event.kind == "DELETED")
    assert await cluster.api.get("backups", "doomed") is None
    await cluster.api.wait_gone("restores", "doomed")
    assert await cluster.store.keys("backups/doomed/") == []


async def test_deleting_a_backup_that_is_not_there_says_so(cluster: RealCluster) -> None:
    await cluster.api.create("deletebackuprequests", delete_request("ghost", "ghost"))
    request = await cluster.api.wait_phase("deletebackuprequests", "ghost", "Processed")
    assert request["status"]["errors"] == ["backup not found"]


async def test_velero_killed_and_started_again_goes_on(cluster: RealCluster) -> None:
    await make_shop(cluster.api, "survivor")
    await cluster.velero.kill()
    await cluster.api.create("backups", backup("survivor", "survivor"))
    await cluster.velero.start()
    await cluster.api.wait_phase("backups", "survivor", "Completed")


async def test_the_api_server_killed_and_started_again_keeps_everything(cluster: RealCluster) -> None:
    await make_shop(cluster.api, "kept")
    async with cluster.api.watching("backups") as seen:
        await cluster.apiserver.kill()
        await cluster.apiserver.start()
        assert await cluster.api.get(CONFIG_MAPS, "price-0", "kept") is not None
        await cluster.api.create("backups", backup("afterwards", "kept"))
        await seen.until_phase("afterwards", "Completed", within=60)


async def test_the_real_command_line_talks_to_the_same_cluster(cluster: RealCluster) -> None:
    done = await cluster.cli("backup", "create", "by-hand", "--include-namespaces", "nowhere")
    assert "submitted successfully" in done.stdout
    await cluster.api.wait_phase("backups", "by-hand", "PartiallyFailed")


async def test_a_token_that_nobody_has_bound_may_nothing(cluster: RealCluster) -> None:
    answer = await cluster.api_as(STRANGER_TOKEN).call("GET", cluster.api.path("backups"))
    assert answer.status == 403
    assert 'User "stranger" cannot list resource "backups"' in answer.body["message"]


async def test_a_second_cluster_restores_what_the_first_has_saved(
    cluster: RealCluster, second_cluster: RealCluster
) -> None:
    await make_shop(cluster.api, "shared")
    await backed_up(cluster, "shared", "shared")
    await second_cluster.velero.restart()  # looks into the bucket at once, else within its minute
    await second_cluster.api.wait("backups", "shared", lambda _: True, within=90)
    await second_cluster.api.create("restores", restore("shared", of="shared"))
    await second_cluster.api.wait_phase("restores", "shared", "Completed")
    assert await second_cluster.api.get(CONFIG_MAPS, "price-0", "shared") is not None
