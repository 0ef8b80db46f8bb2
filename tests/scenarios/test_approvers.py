"""Only the votes of people who are approvers at that moment count, as Slack then lists them."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from operations.approval.timers import VOTE_KIND
from sandbox import world as worlds
from sandbox.slack.faults import Fault

ASK = "/velero restore create r1 --from-backup b1 --include-namespaces shop --reason oops"
TWO = worlds.RULES.replace("quorum = 1\n", "quorum = 2\n")


@pytest.fixture
async def house(build):
    """Three may approve, two of them have to."""
    house = await build(rules=TWO)
    workspace = house.slack.workspace
    for name in ("carol", "dan"):
        workspace.channel("#approvals").members.add(workspace.add_user(name).id)
    workspace.set_group_users("approvers", ["bob", "carol", "dan"])
    await house.start()
    await house.backed_up("b1")
    await house.quiet()
    return house


async def asked(house):
    await house.grace.says(ASK)
    return await house.sees("#approvals", "restore create r1", "Approval needed")


async def half_approved(house):
    request = await asked(house)
    await (await house.bob.clicks("Approve", on=request)).reply("Vote counted: 1 of 2 approvals.")
    return request


async def test_they_see_what_a_modifier_changes(house):
    patch = '{"data": {"extra": "yes"}}'
    rules = [{"conditions": {"groupResource": "configmaps"}, "mergePatches": [{"patchData": patch}]}]
    text = json.dumps({"version": "v1", "resourceModifierRules": rules})
    await house.grace.says(f"{ASK} --namespace-mappings shop:shop-copy --modifier '{text}'")
    await house.sees("#approvals", "restore create r1", 'data.extra: (missing) → "yes"')


async def test_two_of_three_are_enough(house):
    request = await half_approved(house)
    await house.slack.person("carol").clicks("Approve", on=request)
    await house.ended("restores", "r1")


@pytest.mark.parametrize("profile", [{"deleted": True}, {"is_restricted": True}, {"is_stranger": True}])
async def test_a_vote_counts_no_more_once_its_voter_is_no_member(house, profile):
    request = await half_approved(house)
    house.slack.workspace.change_user("bob", **profile)
    answer = await house.slack.person("carol").clicks("Approve", on=request)
    await answer.reply("Vote counted: 2 of 2 approvals; 1 of them no longer counts")
    assert house.prod.all("restores") == []


async def test_nor_once_they_left_the_group(house):
    request = await half_approved(house)
    house.slack.workspace.set_group_users("approvers", ["carol", "dan"])
    answer = await house.slack.person("carol").clicks("Approve", on=request)
    await answer.reply("Vote counted: 2 of 2 approvals; 1 of them no longer counts")
    assert house.prod.all("restores") == []


@pytest.mark.parametrize("method", ["usergroups.list", "users.info"])
@pytest.mark.parametrize("fault", [Fault.DROP, Fault.SERVER_ERROR, Fault.ERROR])
async def test_a_vote_waits_while_slack_is_unavailable(house, method, fault):
    request = await half_approved(house)
    house.faults.add(fault, method, times=None, when=lambda args: args.get("user") != house.slack.person("carol").id)
    answer = await house.slack.person("carol").clicks("Approve", on=request)
    await answer.reply("Your vote is saved but doesn't count yet.")
    assert house.prod.all("restores") == []


@pytest.mark.parametrize("method", ["usergroups.list", "users.info"])
async def test_a_slack_that_hangs_keeps_no_voter_waiting(house, method):
    """Nor does it matter whether it is of the voter or of the approvers that it says nothing."""
    request = await half_approved(house)
    house.bot.identity.forget()
    rule = house.faults.add(Fault.HANG, method, times=None)
    answer = await house.slack.person("carol").clicks("Approve", on=request)
    await answer.reply("Your vote is saved but doesn't count yet.", deadline=3.0)
    assert house.prod.all("restores") == []
    house.faults.rules.remove(rule)
    sooner = datetime.now(UTC)
    await house.store.write(
        lambda tx: [tx.deadlines.put(replace(one, at=sooner)) for one in tx.deadlines.open(VOTE_KIND)]
    )
    await house.ended("restores", "r1")


async def test_one_wrong_id_among_the_approvers_blocks_no_vote(build):
    rules = worlds.RULES.replace('approvers = ["approvers"]', 'approvers = ["approvers", "U0NOBODY00"]')
    house = await build(rules=rules)
    await house.start()
    await house.backed_up("b1")
    await house.quiet()
    request = await asked(house)
    await house.bob.clicks("Approve", on=request)
    await house.ended("restores", "r1")


async def test_the_requester_withdraws_in_the_request_channel(house):
    house.slack.workspace.channel("#approvals").members.discard(house.grace.id)
    await asked(house)
    card = await house.sees("#ops", "restore create r1")
    await house.ada.clicks("Withdraw request", on=card)
    await house.ada.hears("Only the requester can withdraw this request.")
    await house.grace.clicks("Withdraw request", on=house.card("restore create r1"))
    await house.sees("#ops", "restore create r1", "withdrawn")
    await house.sees("#approvals", "restore create r1", "Withdrawn")


async def test_of_several_approved_at_the_same_moment_one_runs(build):
    house = await build()
    await house.start()
    await house.backed_up("b1")
    await house.quiet()
    requests = []
    for name in ("r1", "r2", "r3"):
        house.prod.velero.script(name, outcome="hangs", kind="restore")
        await house.grace.says(ASK.replace(" r1 ", f" {name} "))
        requests.append(await house.sees("#approvals", f"restore create {name}", "Approval needed"))
    await asyncio.gather(*(house.bob.clicks("Approve", on=request) for request in requests))
    await house.eventually(lambda: len(house.told("#approvals", "Outdated; not started", "can run at a time")) == 2)
    assert len(house.prod.all("restores")) == 1
