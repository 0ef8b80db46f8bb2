"""Slack fails in many ways during delivery: in the end each message exists exactly once."""

import asyncio

import pytest

from sandbox.slack.faults import Fault
from sandbox.slack.rates import BURST_OF_POSTS
from tests.notifier.conftest import event

DOUBTFUL = [
    (Fault.RATE_LIMITED, 1),
    (Fault.SERVER_ERROR, 2),
    (Fault.UNAVAILABLE, 2),
    (Fault.DROP, 2),
    (Fault.HANG, 1),
    (Fault.COMMIT_THEN_RESET, 1),
    (Fault.COMMIT_THEN_HANG, 1),
    (Fault.COMMIT_THEN_503, 1),
    (Fault.LATE_COMMIT, 1),
]


async def once_each(house):
    """Notices that stand, after the sweep has taken second copies away."""

    def swept(tx):
        query = "SELECT count(*) FROM notice WHERE sweep_at IS NOT NULL AND sweeps = 0"
        return tx.connection.execute(query).fetchone()[0] == 0

    async with asyncio.timeout(20):
        while not await house.store.read(swept):
            await asyncio.sleep(0.05)
    sent = {notice.id for notice in await house.notices() if notice.state == "sent"}
    counts = house.slack.workspace.metadata_ids()
    assert set(counts) == sent
    assert set(counts.values()) <= {1}


@pytest.mark.parametrize(("fault", "times"), DOUBTFUL)
async def test_a_card_its_reply_and_the_news(house, fault, times):
    house.faults.add(fault, "chat.postMessage", times=times, seconds=0.3)
    house.prod.velero.script("b1", outcome="fails", reason="boom")
    await house.grace.says("/velero backup create b1 --include-namespaces shop")
    await house.sees("#ops", "Backup *b1* is *Failed*", deadline=20)
    await house.sees("#ops", "Backup b1 Failed", "boom", f"<@{house.grace.id}>", deadline=20)
    await house.sees("#incidents", "Backup b1 Failed", "boom", deadline=20)
    await house.quiet(deadline=30)
    await once_each(house)


async def test_one_doubtful_story_holds_back_no_other(house):
    house.faults.add(Fault.HANG, "chat.postMessage", times=1, when=lambda args: "b1" in str(args.get("text")))
    await house.grace.says("/velero backup create b1 --include-namespaces shop")
    await house.grace.says("/velero backup create b2 --include-namespaces shop")
    await house.sees("#ops", "Backup *b2* is *Completed*")
    await house.sees("#ops", "Backup *b1* is *Completed*", deadline=20)
    await house.quiet()
    await once_each(house)


async def test_an_edit_that_fails_is_made_again(house):
    house.faults.add(Fault.SERVER_ERROR, "chat.update", times=2)
    await house.grace.says("/velero backup create b1 --include-namespaces shop")
    await house.sees("#ops", "Backup *b1* is *Completed*", deadline=20)


async def test_without_the_right_to_read_history_it_is_at_least_once(house):
    house.slack.site.scopes = frozenset(s for s in house.slack.site.scopes if not s.endswith(":history"))
    house.faults.add(Fault.COMMIT_THEN_RESET, "chat.postMessage", times=1)
    await house.grace.says("/velero backup create b1 --include-namespaces shop")
    await house.sees("#ops", "Backup *b1* is *Completed*", deadline=20)
    await house.until(lambda: house.told("#ops", "Backup b1 Completed"), 20)


async def test_an_incident_channel_that_is_archived_does_not_stop_the_rest(house):
    house.slack.workspace.channel("#incidents").is_archived = True
    house.prod.velero.script("b1", outcome="fails")
    await house.grace.says("/velero backup create b1 --include-namespaces shop")
    await house.sees("#ops", "Backup *b1* is *Failed*")
    await house.sees("#ops", "Backup b1 Failed")
    await house.quiet()
    assert [notice.error for notice in await house.notices() if notice.state == "dead"] == ["is_archived"]


async def test_a_token_that_is_refused_for_a_while_loses_nothing(house):
    house.slack.site.token_trouble = "invalid_auth"
    house.prod.velero.script("b1", outcome="fails")
    house.backup("b1")
    await house.ended("backups", "b1")
    await house.until(lambda: any(call.method == "chat.postMessage" for call in house.slack.calls))
    async with asyncio.timeout(10):
        while {notice.state for notice in await house.notices()} != {"pending"}:
            await asyncio.sleep(0.02)
    house.slack.site.token_trouble = ""


async def test_slack_is_away_and_comes_back(house):
    rule = house.faults.add(Fault.DROP, "*", times=None)
    house.prod.velero.script("b*", outcome="fails")
    for number in range(3):
        await house.backed_up(f"b{number}")
    house.faults.rules.remove(rule)
    for number in range(3):
        await house.sees("#incidents", f"Backup b{number} Failed", deadline=30)
    await house.quiet(deadline=30)
    await once_each(house)


async def test_in_a_storm_a_request_for_approval_goes_first_and_slack_never_has_to_refuse(build):
    house = await build(posts_per_channel=BURST_OF_POSTS)
    await house.start()
    await house.backed_up("nightly-1")
    await house.quiet()
    storm = [event(name=f"storm{number}", facts={"schedule": f"s{number}"}) for number in range(60)]
    await house.store.write(lambda tx: [tx.outbox.add(each) for each in storm])
    await house.eventually(lambda: house.told("#incidents", "storm"))
    await house.grace.says("/velero restore create r1 --from-backup nightly-1 --include-namespaces shop")
    await house.sees("#approvals", "restore create r1", "Approval needed")
    pending = await house.store.read(lambda tx: tx.notices.counts()["pending"])
    assert pending > len(storm) / 2
    assert [call.method for call in house.slack.calls if call.status == 429] == []
