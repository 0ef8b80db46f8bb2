"""Restores with an approval on a real Velero: requested, approved, run, undone, and into another cluster."""

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from sandbox.slack.records import Message
from tests.e2e.api import MERGE_PATCH, Json, Resource
from tests.e2e.cluster import RealCluster
from tests.e2e.objects import CONFIG_MAPS, backup, make_shop
from tests.e2e.processes import Keeper
from tests.e2e.product.shop import ROOT, RealHouse, all_rights, open_house

PODS = Resource("v1", "pods")
INSIDE = "shop-story"
SYNCED_WITHIN = 150.0
ASK = "/velero restore create {name} --from-backup story-1 --include-namespaces shop-story --reason 'prices are wrong'"


@pytest.fixture(scope="module")
async def couple(
    cluster: RealCluster,
    second_cluster: RealCluster,
    granted: None,
    keeper: Keeper,
    e2e_directory: Path,
    http: aiohttp.ClientSession,
) -> AsyncIterator[RealHouse]:
    """A bot of its own for both clusters, and a shop with a Completed backup."""
    await second_cluster.api.apply(*all_rights())
    directory = e2e_directory / "story"
    directory.mkdir()
    house = await open_house(cluster, keeper, directory, http, second_cluster)
    await house.process.start()
    await make_shop(house.api, INSIDE)
    await house.api.create("backups", backup("story-1", INSIDE))
    await house.api.wait_phase("backups", "story-1", "Completed", within=90)
    yield house
    await house.process.kill()
    await house.slack.stop()


async def price(house: RealHouse, number: int) -> str | None:
    found = await house.api.get(CONFIG_MAPS, f"price-{number}", INSIDE)
    return None if found is None else str(found["data"]["euro"])


async def requested(house: RealHouse, line: str, name: str) -> Message:
    await house.grace.says(line)
    request: Message = await house.sees("#approvals", f"restore create {name}", "Approval needed", deadline=60)
    return request


async def versions(house: RealHouse) -> dict[str, str]:
    """The resource versions of the shop's ConfigMaps and of all restores and backups."""
    found: list[Json] = (await house.api.list(CONFIG_MAPS, INSIDE))["items"]
    for kind in ("restores", "backups"):
        found += (await house.api.list(kind))["items"]
    return {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in found}


REFUSED = (
    ("ada", ASK.format(name="not-hers"), "Ask on-call"),
    (
        "grace",
        ASK.format(name="no-such").replace("shop-story", "shop-storey"),
        "Namespace `shop-storey` isn't in backup `story-1`",
    ),
    ("grace", ASK.format(name="no-such").replace("story-1", "story-9"), "Backup `story-9` doesn't exist"),
    (
        "grace",
        ASK.format(name="no-such") + " --namespace-mappings shop-story:Shop",
        "'Shop' isn't a valid namespace name",
    ),
    ("grace", ASK.format(name="no-such") + " --selector app=nobody --include-resources configmaps", "is selected"),
)


@pytest.mark.parametrize(("who", "line", "words"), REFUSED)
async def test_a_refusal_leaves_the_cluster_as_it_was(couple: RealHouse, who: str, line: str, words: str) -> None:
    before = await versions(couple)
    answer = await couple.slack.person(who).says(line)
    await answer.reply(words, deadline=60)
    assert await versions(couple) == before


async def test_a_restore_with_two_people_and_its_undo(couple: RealHouse) -> None:
    await couple.api.patch(CONFIG_MAPS, "price-0", {"data": {"euro": "999"}}, INSIDE)
    await couple.api.delete(CONFIG_MAPS, "price-1", INSIDE)
    line = ASK.format(name="again") + " --existing-resource-policy update --safety-backup"
    request = await requested(couple, line, "again")
    for words in (
        "Create safety backup `again-safety` and wait until it is Completed",
        "price-0 (data.euro)",
        "1 object would be created: ConfigMap shop-story/price-1",
        "story-1",
    ):
        assert words in request.full_text
    before = await versions(couple)
    await (await couple.grace.clicks("Approve", on=request)).reply("someone else has to approve it", deadline=30)
    await (await couple.ada.clicks("Approve", on=request)).reply(
        "You don't have permission to approve this request.", deadline=30
    )
    assert await versions(couple) == before
    await couple.bob.clicks("Approve", on=request)
    card = await couple.sees("#ops", "restore create again", "Completed", "Undo restore", deadline=120)
    await couple.sees("#approvals", "restore create again", "Approved by", "is Completed", "Approvals: 1 of 1")
    assert [await price(couple, number) for number in range(3)] == ["0", "1", "2"]
    safety = await couple.api.get("backups", "again-safety")
    assert safety is not None
    assert safety["status"]["phase"] == "Completed"
    assert safety["spec"]["includedNamespaces"] == [INSIDE]
    await undone(couple, card)


async def undone(house: RealHouse, card: Message) -> None:
    await house.grace.clicks("Undo restore", on=card)
    request = await house.sees("#approvals", "from backup `again-safety`", "Approval needed", deadline=60)
    for words in ("Not undone", "kubectl delete configmap price-1 -n shop-story", "price-0 (data.euro)"):
        assert words in request.full_text
    assert await price(house, 0) == "0"
    await house.bob.clicks("Approve", on=request)
    await house.sees("#approvals", "from backup `again-safety`", "Approved by", "is Completed", deadline=120)
    assert [await price(house, number) for number in range(3)] == ["999", "1", "2"]


async def make_unfreezable(house: RealHouse) -> None:
    """A running pod whose hook can't run because there is no node: its backup ends PartiallyFailed."""
    marks = {"pre.hook.backup.velero.io/command": '["/bin/freeze"]'}
    containers = [{"name": "db", "image": "db:1"}]
    pod: Json = {
        "metadata": {"name": "db", "annotations": marks},
        "spec": {"containers": containers, "nodeName": "nowhere"},
    }
    await house.api.create(PODS, pod, INSIDE)
    path = f"{PODS.path(INSIDE, 'db')}/status"
    running = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    await house.api.do("PATCH", path, running, content_type=MERGE_PATCH)


async def test_without_a_completed_safety_backup_nothing_is_restored(couple: RealHouse) -> None:
    await make_unfreezable(couple)
    request = await requested(couple, ASK.format(name="unsafe") + " --safety-backup", "unsafe")
    await couple.bob.clicks("Approve", on=request)
    texts = ("restore create unsafe", "failed", "Backup unsafe-safety ended with PartiallyFailed")
    await couple.sees("#ops", *texts, deadline=90)
    assert await couple.api.get("restores", "unsafe") is None
    await couple.api.delete(PODS, "db", INSIDE, gracePeriodSeconds="0")


async def test_a_restore_into_another_cluster_with_a_shared_bucket(
    couple: RealHouse, second_cluster: RealCluster
) -> None:
    await couple.api.create("backups", backup("story-2", INSIDE))
    await couple.api.wait_phase("backups", "story-2", "Completed", within=90)
    line = ASK.format(name="away").replace("story-1", "story-2") + " --to-cluster staging"
    if await second_cluster.api.get("backups", "story-2") is None:  # Velero syncs once a minute
        answer = await couple.grace.says(line)
        await answer.reply(
            "Backup `story-2` doesn't exist in staging, or Velero there hasn't synced it yet.", deadline=60
        )
    await second_cluster.velero.restart()  # Velero syncs when it starts
    await second_cluster.api.wait_phase("backups", "story-2", "Completed", within=SYNCED_WITHIN)
    before = await versions(couple)
    request = await requested(couple, line, "away")
    assert "in staging" in request.full_text
    assert await second_cluster.api.get(CONFIG_MAPS, "price-0", INSIDE) is None
    await couple.bob.clicks("Approve", on=request)
    await couple.sees("#ops", "restore create away", "Completed", "in staging", deadline=120)
    there = await second_cluster.api.get(CONFIG_MAPS, "price-0", INSIDE)
    assert there is not None
    assert there["data"] == {"euro": str(await price(couple, 0))}
    assert await versions(couple) == before


async def test_the_audit_log_shows_the_operation_in_ten_lines(couple: RealHouse) -> None:
    request = await couple.sees("#approvals", "restore create again", "Approved by", "is Completed")
    operation = request.blocks[-1]["elements"][0]["text"].partition(" ")[0]
    lines = recorded(couple, "show", operation).splitlines()
    assert len(lines) <= 10
    for words in (
        "approval.requested",
        "approval.approve ",
        "approval.approved",
        "submitted",
        "succeeded",
        "Completed",
    ):
        assert any(words in line for line in lines), (words, lines)
    assert recorded(couple, "verify").startswith("ok")


def recorded(house: RealHouse, *words: str) -> str:
    argv = [sys.executable, "-m", "bot", "audit", *words, "--data-dir", str(house.settings.parent / "data")]
    return subprocess.run(argv, check=True, capture_output=True, text=True, cwd=ROOT, timeout=60).stdout
