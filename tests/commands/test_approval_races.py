"""Many requests, each with acts of several people at once, in orders that a seed decides."""

import asyncio
from dataclasses import replace
from random import Random

from tests.commands.approving import NOW, Desk, cluster_in, plan_of

SEEDS = range(300)


def acts(desk):
    """What may happen at any moment; several at once."""

    async def rules_change():
        desk.decision = replace(desk.decision, quorum=3)

    async def plan_changes():
        desk.plan = plan_of(desk.name, impact=desk.plan.impact | {"ConfigMap shop/z new"})

    async def somebody_leaves():
        desk.leaves("bob")

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
        "plan": plan_changes,
        "leaves": somebody_leaves,
        "restarts": restarts,
    }


WEIGHTS = {"bob": 6, "eve": 6, "grace": 3, "requester": 2, "restarts": 2}


async def played(desk, random):
    """The rounds of one story, each with up to four acts at once."""
    possible = acts(desk)
    weights = [WEIGHTS.get(name, 1) for name in possible]
    told = []
    for _ in range(random.randint(1, 4)):
        chosen = random.choices(list(possible), weights, k=random.randint(1, 4))
        told.append(chosen)
        await asyncio.gather(*(possible[name]() for name in chosen))
    return told


async def test_at_most_one_restore_and_only_the_approved_one(tmp_path):
    ran = 0
    async with cluster_in(tmp_path) as (store, cluster, objects):
        for seed in SEEDS:
            random = Random(seed)
            desk = Desk(store, cluster, objects, name=f"r{seed}", quorum=random.choice((1, 2)))
            desk.now = NOW
            await desk.ask()
            story = await played(desk, random)
            desk.restart()
            await desk.approvals.recover()
            state, operation = await desk.state()
            assert len(desk.restores) <= 1, (seed, story)
            assert bool(desk.restores) == (state == "approved"), (seed, story, state)
            assert not desk.restores or desk.runs_what_was_approved(), (seed, story)
            assert operation == {"open": "awaiting", "approved": "submitted"}.get(state, state), (seed, story)
            ran += bool(desk.restores)
    assert len(SEEDS) / 10 < ran < len(SEEDS)
