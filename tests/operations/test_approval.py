"""Approvals: in any order of actions at most one restore runs, and it is the one that was shown."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.actor import Actor, ActorKind
from domain.approval import VoteKind
from domain.decision import Decision, Outcome, Reason
from domain.errors import Refused, StoreFull, Unreachable, UserError
from domain.operation import State
from domain.plan import Step, StepVerb
from operations.approval import timers as terms
from policy.directory import Directory
from store.tables.failed_items import ItemKind
from tests.operations.approving import PEOPLE, Desk, cluster_in, member, plan_of


@pytest.fixture
async def desk(tmp_path):
    async with cluster_in(tmp_path) as (store, cluster, objects):
        desk = Desk(store, cluster, objects)
        await desk.ask()
        yield desk


@pytest.fixture
async def one(tmp_path):
    """As `desk`, and one vote is enough."""
    async with cluster_in(tmp_path) as (store, cluster, objects):
        desk = Desk(store, cluster, objects, quorum=1)
        await desk.ask()
        yield desk


async def test_the_last_vote_runs_it(desk):
    assert await desk.votes("bob") == "Vote counted: 1 of 2 approvals."
    assert desk.restores == []
    assert await desk.votes("eve") == "Approved: restore r1 runs."
    assert desk.runs_what_was_approved()
    assert await desk.state() == ("approved", "submitted")


async def test_opening_stores_and_notifies_in_one_transaction(desk):
    assert await desk.state() == ("open", "awaiting")
    assert await desk.events() == ["operation.started", "approval.requested"]
    timers = await desk.store.read(
        lambda tx: [d.kind for k in ("approval.expire", "approval.remind") for d in tx.deadlines.open(k)]
    )
    assert timers == ["approval.expire", "approval.remind"]


async def test_two_last_votes_at_once_run_one_restore(desk):
    await desk.votes("bob")
    told = await asyncio.gather(desk.votes("eve"), desk.votes("grace"))
    assert desk.runs_what_was_approved()
    assert sorted(text.startswith("Approved") for text in told) == [False, True]


async def test_every_late_click_is_answered(one):
    await one.votes("bob")
    assert await one.votes("eve") == "Already approved by Bob."
    assert await one.withdraws() == "Already approved by Bob."
    assert len(one.restores) == 1


# who may vote


async def test_the_requester_cannot(desk):
    assert await desk.votes("ada") == "You requested this, so someone else has to approve it."


async def test_nor_by_another_account_of_theirs(desk):
    assert await desk.votes("ada2") == "You requested this, so someone else has to approve it."


async def test_nor_a_person_outside_the_group(desk):
    assert await desk.votes("mallory") == "You don't have permission to approve this request."


async def test_nor_one_person_twice(desk):
    await desk.votes("bob")
    assert await desk.votes("bob") == "You already voted on this request."
    assert desk.restores == []


async def test_nor_a_deactivated_one(desk):
    desk.directory = Directory(groups={"dba": (member("bob", active=False), member("eve"))})
    assert await desk.votes("bob") == "You don't have permission to approve this request."


async def test_one_who_left_the_group_since_does_not_count(desk):
    await desk.votes("bob")
    desk.leaves("bob")
    said = "Vote counted: 2 of 2 approvals; 1 of them no longer counts, because the approvers changed."
    assert await desk.votes("eve") == said
    assert await desk.votes("grace") == "Approved: restore r1 runs."


async def test_one_who_leaves_while_it_is_decided_does_not_count(one):
    changes = iter([one.directory, Directory(groups={"dba": ()})])

    async def directory(*_names):
        return next(changes, Directory(groups={"dba": ()}))

    one._directory = directory
    one.restart()
    assert await one.votes("bob") == "Vote counted, but the operation isn't started yet."
    assert await one.state() == ("open", "awaiting")
    assert one.restores == []


async def test_the_groups_are_kept_with_the_vote(one):
    await one.votes("bob")
    story = await one.store.read(lambda tx: tx.audit.history_of("op-r1"))
    votes = [row.entry for row in story if row.entry.action == "approval.approve"]
    assert [(each.actor, each.detail["groups"]) for each in votes] == [("UBOB", ["dba"])]


async def test_a_vote_waits_while_slack_is_unavailable(one):
    known = one.directory
    one.unknown()
    assert await one.votes("bob") == "Your vote is saved but doesn't count yet."
    await one.later(31)
    assert one.restores == []
    one.directory = known
    await one.later(31)
    assert one.runs_what_was_approved()


async def test_while_slack_hangs_the_answer_comes_in_time_and_the_vote_is_cast_later(one):
    one.hangs = True
    began = asyncio.get_running_loop().time()
    assert await one.votes("bob") == "Your vote is saved but doesn't count yet."
    assert asyncio.get_running_loop().time() - began < 3
    assert one.restores == []
    one.hangs = False
    await one.later(31)
    assert one.runs_what_was_approved()


async def unsure(one, name="bob", kind=VoteKind.APPROVE, reason="", seen=""):
    """A click of somebody of whom Slack says nothing."""
    approval = await one.store.read(lambda tx: tx.approvals.get(one.id))
    actor = Actor(ActorKind.PERSON, PEOPLE[name].id, PEOPLE[name].id)
    return await one.approvals.voting.keep_vote(one.id, actor, kind, reason, seen or approval.fingerprint)


async def test_the_vote_of_whom_slack_does_not_know_just_now_waits_until_it_does(one):
    one.unsure.add("UBOB")
    assert (await unsure(one)).headline == "Your vote is saved but doesn't count yet."
    await one.later(31)
    assert one.restores == []
    one.unsure.clear()
    await one.later(31)
    assert one.runs_what_was_approved()
    found = await one.store.read(lambda tx: tx.approvals.get(one.id))
    assert [(vote.voter_name, vote.email) for vote in found.votes] == [("Bob", "bob@example.com")]


async def test_who_turns_out_to_be_no_approver_has_not_voted(one):
    await unsure(one, "mallory")
    await one.later(31)
    assert await one.state() == ("open", "awaiting")
    assert await one.store.read(lambda tx: tx.deadlines.open(terms.VOTE_KIND)) == ()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "ada"}, "someone else has to approve it"),
        ({"seen": "copied"}, "older version of the request"),
        ({"kind": VoteKind.REJECT}, "needs a reason"),
    ],
)
async def test_what_can_be_refused_without_slack_is_refused_at_once(one, given, words):
    with pytest.raises(UserError, match=words):
        await unsure(one, **given)


async def test_an_unidentified_requester_delays_the_decision_and_makes_nothing_stale(one):
    one.unsure.add("UADA")
    assert await one.votes("bob") == "Vote counted, but the operation isn't started yet."
    assert await one.state() == ("open", "awaiting")
    one.unsure.clear()
    await one.later(31)
    assert one.runs_what_was_approved()


async def test_a_vote_that_waits_is_not_lost_with_the_process_that_casts_it(one):
    known = one.directory
    one.unknown()
    await one.votes("bob")
    one.dying = True
    with pytest.raises(asyncio.CancelledError):
        await one.later(31)
    one.dying, one.directory = False, known
    one.restart()
    await one.later(31)
    assert one.runs_what_was_approved()


@pytest.mark.parametrize("carried", ["0" * 64, "", "none"])
async def test_a_copied_or_emptied_button_of_another_request_does_nothing(one, carried):
    with pytest.raises(UserError, match="older version of the request"):
        await one.approvals.voting.vote(one.id, PEOPLE["bob"], VoteKind.APPROVE, fingerprint=carried)
    assert one.restores == []


async def test_a_forged_id_does_nothing(one):
    with pytest.raises(UserError, match="no longer exists"):
        await one.approvals.voting.vote("ap-forged", PEOPLE["bob"], VoteKind.APPROVE)


# what they voted on


async def test_a_changed_plan_is_stale(one):
    step = one.plan.steps[0]
    wider = replace(step, manifest={**step.manifest, "spec": {"backupName": "b1", "includedNamespaces": ["*"]}})
    one.plan = plan_of("r1", steps=(wider,))
    assert await one.votes("bob") == "Not started: the plan changed after it was approved."
    assert await one.state() == ("stale", "stale")
    assert one.restores == []


B1 = {"name": "b1", "uid": "u1", "digest": "d1"}
PLACE = {"name": "default", "bucket": "prod-backups", "prefix": ""}


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({"backup": {**B1, "uid": "u2"}}, "Backup b1 was deleted and recreated."),
        ({"backup": {**B1, "digest": "d2"}}, "Backup b1 changed: its spec or its result."),
        ({"backup": {**B1, "name": "b2", "uid": "u2"}}, "Backup changed: name b1 → b2."),
        ({"location": {**PLACE, "bucket": "other"}}, "Location changed: bucket prod-backups → other."),
        ({"location": {**PLACE, "prefix": "x"}}, "Location changed: prefix none → x."),
        ({"modifier": "d2"}, "The resource modifier ConfigMap changed."),
    ],
)
async def test_changed_evidence_is_described_in_words(tmp_path, now, said):
    async with cluster_in(tmp_path) as (store, cluster, objects):
        desk = Desk(store, cluster, objects, quorum=1)
        desk.plan = replace(desk.plan, evidence={"backup": B1, "location": PLACE, "modifier": "d1"})
        await desk.ask()
        desk.plan = replace(desk.plan, evidence={**desk.plan.evidence, **now})
        told = await desk.approvals.voting.vote(desk.id, PEOPLE["bob"], VoteKind.APPROVE)
    assert [part.body for part in told.parts] == [said]
    assert desk.restores == []


@pytest.mark.parametrize(("looked_at", "runs"), [("", True), ("another", False)])
async def test_a_backup_recreated_after_the_last_check_is_not_restored(tmp_path, looked_at, runs):
    async with cluster_in(tmp_path) as (store, cluster, objects):
        desk = Desk(store, cluster, objects, quorum=1)
        there = objects.create("backups", "velero", {"metadata": {"name": "b1"}, "spec": {}})
        uid = looked_at or there["metadata"]["uid"]
        desk.plan = replace(desk.plan, steps=(replace(desk.plan.steps[0], uid=uid),))
        await desk.ask()
        told = await desk.votes("bob")
    assert ("changed since it was planned" not in told) is runs
    assert bool(desk.restores) is runs


async def test_a_grown_impact_is_stale(one):
    one.plan = plan_of("r1", impact=one.plan.impact | {"ConfigMap shop/b new"})
    told = await one.approvals.voting.vote(one.id, PEOPLE["bob"], VoteKind.APPROVE)
    assert "The restore would now change more objects: ConfigMap shop/b new." in told.parts[0].body
    assert one.restores == []


async def test_a_shrunken_one_is_noted_and_runs(one):
    one.plan = plan_of("r1", impact=frozenset())
    told = await one.approvals.voting.vote(one.id, PEOPLE["bob"], VoteKind.APPROVE)
    assert "1 object fewer" in told.parts[0].body
    assert one.runs_what_was_approved()


async def test_an_unreadable_impact_decides_nothing(one):
    one.plan = plan_of("r1", impact=None)
    assert await one.votes("bob") == "Vote counted, but the operation isn't started yet."
    one.plan = plan_of("r1")
    await one.later(31)
    assert one.runs_what_was_approved()


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (Decision(Outcome.DENY, Reason.FREEZE, "freeze", "Rule freeze freezes this."), "no longer permit this"),
        (Decision(Outcome.ALLOW, Reason.RULE, "free"), "no approval is needed now"),
        (Decision(Outcome.REQUIRE_APPROVAL, Reason.RULE, "other", quorum=1), "A different rule now applies"),
        (Decision(Outcome.REQUIRE_APPROVAL, Reason.RULE, "prod", quorum=3), "now needs 3 approvals"),
    ],
)
async def test_rules_that_changed_meanwhile_make_it_stale(one, now, why):
    one.decision = now
    told = await one.approvals.voting.vote(one.id, PEOPLE["bob"], VoteKind.APPROVE)
    assert why in told.parts[0].body
    assert one.restores == []


async def test_a_requester_who_may_ask_no_more_makes_it_stale(one):
    one.fault = Refused("Your Slack account is deactivated.")
    assert await one.votes("bob") == "Not started: the plan changed after it was approved."
    assert one.restores == []


async def test_a_cluster_that_does_not_answer_lets_it_wait(one):
    one.fault = Unreachable("prod", "Cluster prod doesn't respond.")
    assert await one.votes("bob") == "Vote counted, but the operation isn't started yet."
    one.fault = None
    await one.later(31)
    assert one.runs_what_was_approved()


# how it ends


async def test_a_rejection_ends_it(desk):
    await desk.votes("bob")
    assert await desk.rejects("eve") == "Rejected. Nothing was started."
    assert await desk.votes("grace") == "Already rejected by Eve."
    assert await desk.state() == ("rejected", "rejected")
    assert (await desk.events())[-1] == "approval.rejected"


@pytest.mark.parametrize("reason", ["", " \n"])
async def test_a_rejection_without_a_reason_is_none(desk, reason):
    assert await desk.votes("bob", VoteKind.REJECT, reason) == "A rejection needs a reason."
    assert await desk.state() == ("open", "awaiting")


async def test_only_the_requester_withdraws(desk):
    assert await desk.withdraws("bob") == "Only the requester can withdraw this request."
    assert await desk.withdraws("ada") == "Request withdrawn. Nothing was started."
    assert await desk.votes("bob") == "The requester withdrew this request."


async def test_a_withdrawal_while_it_is_decided_wins(one):
    one.meanwhile = [one.withdraws]
    assert await one.votes("bob") == "The requester withdrew this request."
    assert one.restores == []
    assert await one.state() == ("withdrawn", "withdrawn")


async def test_it_expires_without_anybody(desk):
    await desk.votes("bob")
    await desk.later(3601)
    assert await desk.state() == ("expired", "expired")
    assert await desk.votes("eve") == "This request expired."


async def test_a_click_after_expiry_comes_too_late_even_if_the_timer_is_late(one):
    one.now = one.now.replace(hour=14)
    assert await one.votes("bob") == "This request expired."
    assert one.restores == []


async def test_half_way_it_reminds_once(desk):
    await desk.later(1801)
    await desk.later(60)
    assert (await desk.events()).count("approval.reminded") == 1


async def test_expiry_while_it_is_decided_does_not_take_it_away(one):
    async def clock_strikes():
        await one.later(3601)

    one.meanwhile = [clock_strikes]
    assert await one.votes("bob") == "Approved: restore r1 runs."


# restarts


async def test_what_was_being_decided_is_decided_after_a_restart(one):
    class Killed(BaseException): ...

    async def dies():
        raise Killed

    one.meanwhile = [dies]
    with pytest.raises(Killed):
        await one.votes("bob")
    assert await one.state() == ("deciding", "awaiting")
    one.restart()
    await one.approvals.recover()
    assert one.runs_what_was_approved()
    await one.approvals.recover()
    assert len(one.restores) == 1


async def test_two_that_decide_at_once_find_what_the_other_left(one):
    """A dead process's decision is taken up again while the vote's own still goes on; neither can be made now."""
    one.meanwhile.append(one.approvals.recover)
    one.fault = Unreachable("prod", "Cluster prod doesn't respond.")
    assert await one.votes("bob") == "No decision yet. Votes are saved and the bot retries."
    assert await one.state() == ("open", "awaiting")


async def test_what_was_approved_and_not_started_runs_within_its_window(one):
    operation = await approved_but_not_started(one)
    await one.executor.recover(operation)
    assert one.runs_what_was_approved()


async def test_and_not_after_it(one):
    operation = await approved_but_not_started(one)
    one.now = one.now.replace(minute=16)
    await one.executor.recover(operation)
    assert await one.state() == ("approved", "failed")
    assert one.restores == []
    assert (await one.events())[-1] == "operation.failed"
    assert (await one.record())[-1] == ("restore.create.submitted", PEOPLE["ada"].id)


async def approved_but_not_started(desk):
    class Killed(BaseException): ...

    async def dies(_grant):
        raise Killed

    desk.executor.execute = dies
    with pytest.raises(Killed):
        await desk.votes("bob")
    desk.restart()
    operation = await desk.store.read(lambda tx: tx.operations.get("op-r1"))
    assert operation.state is State.APPROVED
    return operation


async def test_what_waits_too_long_in_veleros_queue_is_taken_back(one):
    await one.votes("bob")
    await one.later(1790)
    assert one.taken_back == []
    await one.later(20)
    assert one.taken_back == ["r1"]


async def test_a_cluster_that_does_not_respond_is_retried(one):
    await one.votes("bob")
    one.fault = Unreachable("prod", "Cluster prod doesn't respond.")
    await one.later(1801)
    one.fault = None
    await one.later(31)
    assert one.taken_back == ["r1"]


async def test_the_time_in_the_queue_begins_after_the_safety_backup(tmp_path):
    async with cluster_in(tmp_path) as (store, cluster, objects):
        desk = Desk(store, cluster, objects, quorum=1)
        restore = desk.plan.steps[0]
        net = {"apiVersion": "velero.io/v1", "kind": "Backup", "metadata": {"name": "r1-safety", "namespace": "velero"}}
        first = Step(
            StepVerb.CREATE, "Backup", "backups", "r1-safety", {**net, "spec": {}}, "velero", wait=("Completed",)
        )
        desk.plan = replace(desk.plan, steps=(first, restore))
        await desk.ask()
        await desk.votes("bob")
        await desk.later(1801)
        assert desk.taken_back == []
        timers = await store.read(lambda tx: tx.deadlines.open("restore.start"))
        assert [timer.at for timer in timers] == [desk.now + timedelta(minutes=30)]


async def test_a_timer_that_went_off_while_the_process_died_is_set_again(one):
    await one.store.write(lambda tx: tx.deadlines.finish(f"approval.expire:{one.id}"))
    one.restart()
    await one.approvals.recover()
    await one.later(3601)
    assert await one.state() == ("expired", "expired")


async def test_a_process_that_dies_between_the_mark_and_the_effect_loses_no_timer(one):
    """The store goes away right after the timer was taken up: it is due again, and the request expires."""
    await one.later(1801)
    write, writes = one.store.write, 0

    async def dying(closure, **more):
        nonlocal writes
        writes += 1
        if writes > 1:
            raise StoreFull("No space left on the database volume.")
        return await write(closure, **more)

    one.store.write = dying
    with pytest.raises(StoreFull):
        await one.later(1801)
    one.store.write = write
    one.restart()
    await one.later(31)
    assert await one.state() == ("expired", "expired")


async def test_a_timer_that_fails_holds_up_no_other_and_comes_again(tmp_path):
    async with cluster_in(tmp_path) as (store, cluster, objects):
        desks = [Desk(store, cluster, objects, name) for name in ("r1", "r2")]
        for desk in desks:
            await desk.ask()
        bad, good = desks
        spoilt = terms.deadline_at(terms.VOTE_KIND, bad.id, bad.now - timedelta(days=1))
        await store.write(lambda tx: tx.deadlines.put(spoilt))
        await good.later(3601)
        assert await good.state() == ("expired", "expired")
        (failed,) = (await store.read(lambda tx: tx.failed_items.by_key(ItemKind.TIMER))).values()
        assert (failed.key, failed.error_type) == (spoilt.id, "KeyError")


async def test_the_audit_log_has_every_transition(desk):
    await desk.votes("bob")
    await desk.votes("eve")
    assert await desk.record() == [
        ("approval.requested", "UADA"),
        ("approval.approve", "UBOB"),
        ("approval.approve", "UEVE"),
        ("approval.approved", "UEVE"),
        ("restore.create.submitted", "UADA"),
    ]


async def test_the_record_keeps_what_was_shown_and_by_which_rules(tmp_path):
    async with cluster_in(tmp_path) as (store, cluster, objects):
        desk = Desk(store, cluster, objects)
        desk.decision = replace(desk.decision, rules_digest="the rules of today")
        await desk.ask()
        (asked,) = await store.read(lambda tx: tx.audit.history_of("op-r1"))
    kept = asked.entry.detail
    assert kept["rules"] == "the rules of today"
    assert kept["plan"] == desk.plan.fingerprint
    assert len(kept["preview"]) == 64
