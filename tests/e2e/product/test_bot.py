"""From a signed slash command to a real Velero, and back to the channel."""

import pytest

from tests.e2e.cluster import NAMESPACES, namespace
from tests.e2e.objects import CONFIG_MAPS, backup, make_shop
from tests.e2e.product.shop import RealHouse


async def backed_up(house: RealHouse, name: str, inside: str = "shop") -> None:
    await make_shop(house.api, inside)
    await house.api.create("backups", backup(name, inside))
    await house.api.wait_phase("backups", name, "Completed", within=90)


async def test_a_backup_runs_and_its_status_message_shows_it(house: RealHouse) -> None:
    await make_shop(house.api, "shop")
    await house.grace.says("/velero backup create b1 --include-namespaces shop --ttl 1h")
    card = await house.sees("#ops", "backup create b1", "Completed", deadline=90)
    made = await house.api.get("backups", "b1")
    assert made is not None
    assert made["spec"]["includedNamespaces"] == ["shop"]
    assert made["spec"]["storageLocation"] == "default"
    assert "velero-chatops.io/operation" in made["metadata"]["labels"]
    reply = await house.sees("#ops", "Backup b1 Completed", f"<@{house.grace.id}>")
    assert reply.thread_ts == card.ts


async def test_describe_shows_the_result(house: RealHouse) -> None:
    await backed_up(house, "described")
    answer = await house.grace.says("/velero backup describe described")
    await answer.reply("described: Completed", deadline=30)


async def test_logs_are_uploaded_from_the_object_store(house: RealHouse) -> None:
    await backed_up(house, "logged")
    await house.grace.says("/velero backup logs logged")

    def files() -> list[bytes]:
        return [
            f.content for f in house.slack.workspace.files.values() if f.shares and b"backup=velero/logged" in f.content
        ]

    assert await house.eventually(files)


async def test_an_unknown_namespace_is_refused_before_velero_fails(house: RealHouse) -> None:
    answer = await house.grace.says("/velero backup create nowhere-1 --include-namespaces not-there")
    await answer.reply("Namespace `not-there` doesn't exist", deadline=30)
    assert await house.api.get("backups", "nowhere-1") is None


async def test_failures_of_cli_backups_are_notified(house: RealHouse) -> None:
    await house.cluster.cli("backup", "create", "by-cli", "--include-namespaces", "not-there-either")
    await house.sees("#incidents", "Backup by-cli PartiallyFailed", deadline=90)


async def test_failed_validation_is_notified_with_veleros_reason(house: RealHouse) -> None:
    await house.api.create("backups", backup("misplaced-again", "shop", storageLocation="moon"))
    await house.sees("#incidents", "Backup misplaced-again FailedValidation", "moon", deadline=90)


async def test_an_unknown_location_is_refused(house: RealHouse) -> None:
    answer = await house.grace.says("/velero backup create lost-one --storage-location nowhere")
    assert "default" in (await answer.reply("nowhere", deadline=30)).full_text
    assert await house.api.get("backups", "lost-one") is None


async def test_delete_removes_the_data(house: RealHouse) -> None:
    await backed_up(house, "unwanted")
    await house.grace.says("/velero backup delete unwanted")
    await house.sees("#ops", "Deletion of backup unwanted", deadline=60)
    await house.api.wait_gone("backups", "unwanted", within=60)
    assert await house.cluster.store.keys("backups/unwanted/") == []


ASK = "/velero restore create {name} --from-backup {name} --include-namespaces shop --reason oops"


async def test_a_restore_runs_after_someone_else_approves(house: RealHouse) -> None:
    await backed_up(house, "wanted")
    await house.api.delete(CONFIG_MAPS, "price-0", "shop")
    await house.grace.says(ASK.format(name="wanted"))
    request = await house.sees("#approvals", "restore create wanted", "Approval needed", deadline=60)
    assert "1 object would be created: ConfigMap shop/price-0" in request.full_text
    answer = await house.grace.clicks("Approve", on=request)
    await answer.reply("someone else has to approve it", deadline=30)
    assert await house.api.get("restores", "wanted") is None
    await house.bob.clicks("Approve", on=request)
    await house.sees("#ops", "restore create wanted", "Completed", deadline=90)
    assert await house.api.get(CONFIG_MAPS, "price-0", "shop") is not None


async def test_a_rejected_restore_does_not_run(house: RealHouse) -> None:
    await backed_up(house, "refused")
    await house.grace.says(ASK.format(name="refused"))
    request = await house.sees("#approvals", "restore create refused", "Approval needed", deadline=60)
    await house.bob.clicks("Reject", on=request)
    await house.bob.submits(values={"reason": "not on a Friday"})
    await house.sees("#ops", "was rejected by", "not on a Friday")
    assert await house.api.get("restores", "refused") is None


async def test_an_approval_request_survives_a_restart(house: RealHouse) -> None:
    await backed_up(house, "patient")
    await house.grace.says(ASK.format(name="patient"))
    request = await house.sees("#approvals", "restore create patient", "Approval needed", deadline=60)
    await house.process.restart()
    await house.bob.clicks("Approve", on=request)
    await house.sees("#ops", "restore create patient", "Completed", deadline=90)


@pytest.mark.parametrize("acknowledged", [1, 4])
async def test_a_kill_runs_every_command_exactly_once(house: RealHouse, acknowledged: int) -> None:
    names = [f"mid-{acknowledged}-{number}" for number in range(6)]
    for name in names:
        await house.api.apply(namespace(name))
    answers = []
    for number, name in enumerate(names):
        if number == acknowledged:
            await house.process.kill()
            await house.process.start()
        answers.append(await house.grace.says(f"/velero backup create {name} --include-namespaces {name}"))
    assert [answer.status for answer in answers] == [200] * len(names)
    for name in names:
        await house.sees("#ops", f"backup create {name}", "Completed", deadline=120)
        await house.sees("#ops", f"Backup {name} Completed", f"<@{house.grace.id}>", deadline=60)
    for name in names:
        assert len([m for m in house.told("#ops", f"backup create {name}") if not m.is_reply]) == 1
        assert len([m for m in house.told("#ops", f"Backup {name} Completed") if m.is_reply]) == 1


async def test_fifty_results_during_ten_kills_are_notified_once_each(house: RealHouse) -> None:
    names = [f"burst-{number}" for number in range(50)]
    for name in names[::2]:
        await house.api.apply(namespace(name))
    import asyncio

    async def burst() -> None:
        for name in names:  # every other one of a namespace that is not there
            await house.cluster.cli("backup", "create", name, "--include-namespaces", name)

    creating = asyncio.create_task(burst())
    for number in range(10):
        await house.api.wait("backups", names[number * 5], lambda _: True, within=60)
        await house.process.restart()
    await creating
    for name in names:
        await house.api.wait_phase("backups", name, "Completed", "PartiallyFailed", within=180)
    failures = names[1::2]
    await house.eventually(lambda: all(house.told_of(name, "#incidents") for name in failures), 120)
    await house.eventually(lambda: all(house.told_of(name, "#staging") for name in names[::2]), 120)
    await house.eventually(lambda: all(house.told_of(name, "#incidents") == 1 for name in failures), 30)
    assert [house.told_of(name, "#staging") for name in names[::2]] == [1] * 25
    assert [house.told_of(name, "#incidents") for name in names[::2]] == [0] * 25


async def test_the_token_has_only_the_rights_of_the_role(house: RealHouse) -> None:
    mine = house.cluster.api_as(house.cluster.bot_token)
    for path in ("/api/v1/namespaces/velero/secrets", "/api/v1/secrets", "/apis/apps/v1/namespaces/velero/deployments"):
        status = (await mine.call("GET", path)).status
        assert status == (200 if "deployments" in path else 403)
    assert (await mine.call("DELETE", NAMESPACES.path(None, "shop"))).status == 403
