"""Many requests, each with acts of several people at once, in orders that a seed decides."""

import asyncio
import os
from dataclasses import replace
from random import Random

from domain.approval import VoteKind
from policy.directory import UNKNOWN
from tests.operations.approving import NOW, Desk, cluster_in, plan_of

SEEDS = range(400 if os.environ.get("EXPLORE") else 120)


def acts(desk):
    """What may happen at any moment; several at once."""

    async def rules_change():
        desk.decision = replace(desk.decision, quorum=3)

    async def impact_grows():
        desk.plan = replace(desk.plan, impact=desk.plan.impact | {"ConfigMap shop/z new"})

    async def plan_changes():
        """Another backup lies there under the same name, or what is written would be something else."""
        step = desk.plan.steps[0]
        wider = {**step.manifest, "spec": {**step.manifest["spec"], "includedNamespaces": ["*"]}}
        desk.plan = replace(desk.plan, steps=(replace(step, manifest=wider),))

    async def somebody_leaves():
        """Who has voted, if anybody has."""
        votes = (await desk.store.read(lambda tx: tx.approvals.get(desk.id))).votes
        if desk.directory.known:
            desk.leaves(next((vote.voter_name.lower() for vote in votes if vote.voter_name != "Ada"), "bob"))

    async def slack_goes():
        desk.known, desk.directory = desk.directory if desk.directory.known else desk.known, UNKNOWN

    async def slack_is_back():
        desk.directory = desk.directory if desk.directory.known else desk.known

    async def restarts():
        desk.restart()
        await desk.approvals.recover()

    return {
        "bob": lambda: desk.votes("bob"),
        "eve": lambda: desk.votes("eve"),
        "grace": lambda: desk.votes("grace"),
        "requester": lambda: desk.votes("ada"),
        "rejects": lambda: desk.rejects("grace"),
        "withdraws": desk.withdraws,
        "expires": lambda: desk.later(3700),
        "rules": rules_change,
        "impact": impact_grows,
        "plan": plan_changes,
        "leaves": somebody_leaves,
        "slack goes": slack_goes,
        "slack is back": slack_is_back,
        "restarts": restarts,
    }


WEIGHTS = {"bob": 6, "eve": 6, "grace": 3, "requester": 2, "restarts": 2, "leaves": 3, "slack is back": 2}


def as_asked(desk, first):
    """Whether what was asked for would still be planned and asked for so, and enough people could vote for it."""
    plan, decision = first
    people = desk.directory.known and len(desk.directory.groups["dba"]) >= desk.decision.quorum
    return people and (desk.plan, desk.decision) == (plan, decision)


async def enough_voted(desk):
    """Of those who are approvers now."""
    approval = await desk.store.read(lambda tx: tx.approvals.get(desk.id))
    there = {member.id for member in desk.directory.groups.get("dba", ())}
    given = {vote.voter for vote in approval.votes if vote.kind is VoteKind.APPROVE}
    return len(given & there) >= approval.quorum


async def played(desk, random):
    """The rounds of one story, each with up to four acts at once; and whether it was approved against the rules."""
    possible = acts(desk)
    weights = [WEIGHTS.get(name, 1) for name in possible]
    told, first, wrong = [], (desk.plan, desk.decision), False
    for _ in range(random.randint(1, 5)):
        before, could = await desk.state(), as_asked(desk, first)
        chosen = random.choices(list(possible), weights, k=random.randint(1, 4))
        told.append(chosen)
        await asyncio.gather(*(possible[name]() for name in chosen))
        could = could or "slack is back" in chosen
        if (await desk.state())[0] == "approved" != before[0]:
            meanwhile = {"leaves", "slack goes"} & {*chosen}
            wrong = wrong or not could or not (meanwhile or await enough_voted(desk))
    return told, wrong


async def test_at_most_one_restore_and_only_the_approved_one(tmp_path):
    ran = 0
    async with cluster_in(tmp_path) as (store, cluster, objects):
        for seed in SEEDS:
            random = Random(seed)
            quorum = random.choice((1, 2))
            desk = Desk(store, cluster, objects, name=f"r{seed}", quorum=quorum)
            desk.now = NOW
            await desk.ask()
            story, wrong = await played(desk, random)
            could = as_asked(desk, (plan_of(desk.name), replace(desk.decision, quorum=quorum)))
            before = await desk.state()
            desk.restart()
            await desk.approvals.recover()
            state, operation = await desk.state()
            assert not wrong, (seed, story)
            assert could or state != "approved" or before[0] == "approved", (seed, story)
            assert len(desk.restores) <= 1, (seed, story)
            assert bool(desk.restores) == (state == "approved"), (seed, story, state)
            assert not desk.restores or desk.runs_what_was_approved(), (seed, story)
            assert operation == {"open": "awaiting", "approved": "submitted"}.get(state, state), (seed, story)
            ran += bool(desk.restores)
    assert len(SEEDS) / 10 < ran < len(SEEDS)
