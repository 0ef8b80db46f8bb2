"""Recipients of a reminder in addition to the approvers' channel, and the limit of break-glass per person."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.actor import Origin, Way
from domain.approval import approval_id
from domain.decision import Decision, Outcome, Reason
from domain.errors import Refused
from domain.operation import Operation, State
from notifier.route import Role, RoutingTable, destinations
from operations.request import CommandRequest
from policy.directory import UNKNOWN, Directory
from policy.parse import parse_rules
from tests.operations.approving import NOW, PEOPLE, Desk, cluster_in, member

RULE = {
    "name": "prod",
    "who": "anyone",
    "what": ["restore.create"],
    "effect": "approve",
    "approvers": ["dba"],
    "notify": ["@leads", "#release", "C0RELEASE1", "UEVE"],
}


@pytest.fixture
async def desk(tmp_path):
    async with cluster_in(tmp_path) as (store, cluster, objects):
        desk = Desk(store, cluster, objects)
        desk.rules = tuple(parse_rules([RULE]))
        groups = {**desk.directory.groups, "leads": (member("mallory"), member("bob", active=False), member("ada"))}
        desk.directory = Directory(groups=groups)
        yield desk


async def reminder(desk):
    await desk.ask()
    await desk.later(1800)
    events = await desk.store.read(lambda tx: tx.outbox.of_operation("op-r1"))
    return next(each for each in events if each.kind == "approval.reminded")


def places(event):
    return {
        (to.address, to.mention, to.role) for to in destinations(event, RoutingTable(approvals_channel="C0APPROVE"))
    }


async def test_a_reminder_mentions_whom_the_rule_names(desk):
    mentioned = ("UEVE", "UMALLORY")
    assert places(await reminder(desk)) == {
        ("C1", mentioned, Role.NEWS),
        ("#release", mentioned, Role.NEWS),
        ("C0RELEASE1", mentioned, Role.NEWS),
    }


async def test_a_rule_without_notify_reminds_in_the_request_channel(desk):
    desk.rules = tuple(parse_rules([{key: value for key, value in RULE.items() if key != "notify"}]))
    assert places(await reminder(desk)) == {("C1", (), Role.NEWS)}


async def test_a_removed_rule_reminds_in_the_request_channel(desk):
    desk.rules = ()
    assert places(await reminder(desk)) == {("C1", (), Role.NEWS)}


async def test_with_slack_away_the_reminder_goes_out_all_the_same(desk):
    desk.directory = UNKNOWN
    assert {address for address, _, _ in places(await reminder(desk))} == {"C1", "#release", "C0RELEASE1"}


# the glass

BROKEN = Decision(Outcome.ALLOW, Reason.BREAK_GLASS, "prod", quorum=1, approvers=frozenset({"dba"}), expires=3600)


async def breaks(desk, number, who="ada"):
    ident = f"op-glass{number}"
    operation = Operation(
        ident, "prod", "restore", "create", f"g{number}", PEOPLE[who].id, State.APPROVED, "restore create",
        desk.plan.fingerprint, desk.now, desk.now, reason="checkout is down",
    )  # fmt: skip
    asked = CommandRequest(ident, "restore create", PEOPLE[who], Origin(Way.SLASH, "C1"))
    plan = replace(desk.plan, subject=f"g{number}")

    def write(tx):
        tx.operations.insert(operation, plan, asked.origin)
        desk.approvals.record_break_glass(tx, operation, plan, BROKEN, asked)

    await desk.store.write(write)


async def test_three_times_a_day_and_no_more(desk):
    for number in range(3):
        await breaks(desk, number)
    with pytest.raises(Refused, match="reached the break-glass limit: 3 in 24 hours"):
        await breaks(desk, 3)
    assert await desk.store.read(lambda tx: tx.operations.get("op-glass3")) is None
    assert await desk.store.read(lambda tx: tx.approvals.get(approval_id("op-glass3"))) is None


async def test_another_person_may(desk):
    for number in range(3):
        await breaks(desk, number)
    await breaks(desk, 3, "grace")


async def test_the_next_day_it_is_possible_again(desk):
    for number in range(3):
        await breaks(desk, number)
    desk.now = NOW + timedelta(days=1, seconds=1)
    await breaks(desk, 3)


async def test_it_is_in_the_record(desk):
    await breaks(desk, 0)
    story = await desk.store.read(lambda tx: tx.audit.history_of("op-glass0"))
    assert (story[0].entry.action, story[0].entry.actor) == ("approval.bypassed", PEOPLE["ada"].id)
