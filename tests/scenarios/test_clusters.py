"""A failing cluster affects no other, is named in replies, and recovers automatically."""

import pytest

from sandbox.kubernetes.faults import Trouble

CREATE = "/velero backup create b1 --include-namespaces shop"


def down(api):
    api.faults.on(Trouble.RESET)


def hanging(api):
    api.faults.on(Trouble.HANG)


def behind_a_broken_proxy(api):
    api.faults.on(Trouble.BAD_GATEWAY)


def throttled(api):
    api.faults.on(Trouble.THROTTLED)


def forbidden(api):
    api.faults.forbidden |= {"backups", "restores", "backupstoragelocations", "deletebackuprequests"}


def without_velero(api):
    api.faults.absent.add("velero.io")


TROUBLES = [down, hanging, behind_a_broken_proxy, throttled, forbidden, without_velero]


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_the_other_cluster_works_on(house, trouble):
    trouble(house.prod.api)
    await house.grace.says(f"{CREATE} --cluster staging", in_="#staging")
    await house.sees("#staging", "backup create b1", "Completed")


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_it_is_named_in_the_answer_and_comes_back_by_itself(house, trouble):
    trouble(house.prod.api)
    answer = await house.grace.says("/velero backup create b0 --include-namespaces shop")
    reply = await answer.reply("prod", deadline=45)
    assert reply.full_text.startswith("❌")
    house.prod.api.faults.clear()
    await house.grace.says(CREATE)
    await house.sees("#ops", "backup create b1", "Completed", deadline=45)


@pytest.mark.parametrize("trouble", [down, hanging, forbidden, without_velero])
async def test_status_lists_all_clusters_and_names_the_failing_one(house, trouble):
    trouble(house.prod.api)
    answer = await house.grace.says("/velero status")
    reply = await answer.reply("staging", deadline=40)
    line = next(line for line in reply.full_text.splitlines() if line.startswith("prod"))
    assert "ok" not in line.split()


async def test_a_slow_cluster_delays_no_other(house):
    house.prod.api.faults.slow_seconds = 3
    house.prod.api.faults.on(Trouble.SLOW)
    slow = await house.grace.says(CREATE)
    await house.grace.says(f"{CREATE} --cluster staging", in_="#staging")
    await house.sees("#staging", "backup create b1", "Completed")
    assert house.prod.all("backups") == []
    assert slow.ephemerals == []


async def test_a_velero_that_keeps_silent_is_named_in_status(house):
    await house.prod.velero.stop()
    answer = await house.grace.says("/velero status")
    reply = await answer.reply("staging", deadline=20)
    assert "Velero doesn't respond" in reply.full_text


async def test_a_bot_starts_while_a_cluster_is_down(build):
    house = await build()
    house.prod.api.faults.on(Trouble.RESET)
    await house.start(in_step=False)
    await house.grace.says(f"{CREATE} --cluster staging", in_="#staging")
    await house.sees("#staging", "backup create b1", "Completed")
    house.prod.api.faults.clear()
    await house.backed_up("b2")
    house.prod.velero.script("b3", outcome="fails")
    await house.until(lambda: house.bot.memories["prod"].of("Backup"), 40)
    house.backup("b3")
    await house.sees("#incidents", "Backup b3 Failed")


async def test_an_operation_that_a_cluster_refused_is_reported_as_failed(house):
    house.prod.api.faults.on(Trouble.THROTTLED, which=lambda r: r.method == "POST" and r.path.endswith("/backups"))
    answer = await house.grace.says(CREATE)
    await answer.reply("❌", deadline=20)
    await house.sees("#ops", "backup create b1", "failed")
    assert house.prod.all("backups") == []


async def test_a_write_without_an_answer_is_reported_as_unconfirmed_until_it_is_known(house):
    house.prod.api.faults.on(Trouble.RESET, which=lambda r: r.method == "POST" and r.path.endswith("/backups"))
    await house.grace.says(CREATE)
    await house.sees(
        "#ops", "backup create b1", "not confirmed by Velero yet", "The bot is checking the cluster.", deadline=20
    )
    await house.sees("#ops", "Velero hasn't confirmed backup b1 yet; checking", deadline=20)
    house.prod.api.faults.clear()
    await house.sees("#ops", "backup create b1", "Completed", deadline=30)
    assert [each["metadata"]["name"] for each in house.prod.all("backups")] == ["b1"]
