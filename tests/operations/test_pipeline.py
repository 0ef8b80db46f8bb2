"""The pipeline itself, over a real store and a cluster that answers: decisions, duplicates, transactions and contexts."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from commands.grammar.verb import PreviewKind
from commands.planning.context import ClusterView, PlanContext
from commands.registry import VERBS
from domain.actor import Origin, Way
from domain.answer import Answer
from domain.errors import Refused, UsageError
from domain.operation import State
from operations.facts_reader import no_cache
from operations.pipeline import ApprovalHooks, CommandPipeline, PipelineInputs
from operations.previews import PREVIEWS
from operations.request import CommandRequest, Policy
from policy.directory import Directory
from tests.operations.approving import PEOPLE, Desk, cluster_in
from tests.policy.people import rules

ALLOW = {"who": "anyone", "what": ["*"], "effect": "allow"}
APPROVE = {**ALLOW, "effect": "approve", "approvers": ["dba"]}
READ_ONLY = {**ALLOW, "what": ["*.get"]}
CREATE = "backup create b1 --include-namespaces shop"


class CountedStore:
    """Passes everything on to the store, and counts the transactions."""

    def __init__(self, store):
        self._store = store
        self.transactions = 0

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def read(self, closure):
        self.transactions += 1
        return await self._store.read(closure)

    async def write(self, closure):
        self.transactions += 1
        return await self._store.write(closure)


class Bot:
    """A pipeline with its executor and approvals. `rules` may change; `contexts` are those that it asked for."""

    def __init__(self, desk, *entries):
        self.desk, self.store, self.rules = desk, desk.store, rules(*entries)
        self.contexts: list[PlanContext] = []
        self._keys = itertools.count()
        clusters = {"prod": desk.cluster}
        self.pipeline = CommandPipeline(
            desk.store,
            clusters,
            desk.executor,
            lambda: Policy(self.rules, self._directory),
            PipelineInputs(self._context, lambda *_: self._no_records, no_cache),
            ApprovalHooks(desk.approvals.open, desk.approvals.record_break_glass),
        )

    def _context(self, request, cluster, operation):
        self.desk.now += timedelta(seconds=1)  # every context has a time of its own
        view = ClusterView(cluster, server_version="v1.18.2")
        made = PlanContext(self.desk.now, lambda: "id", view, actor=request.actor, origin=request.origin)
        self.contexts.append(replace(made, operation=operation, rules=self.rules))
        return self.contexts[-1]

    async def _directory(self, *_names):
        return Directory(groups=self.desk.directory.groups)

    async def _no_records(self, _need):
        return []

    def request(self, line, person="ada", key=""):
        return CommandRequest(
            key or f"k{next(self._keys)}", line, PEOPLE[person], Origin(Way.FORM, "C1"), channel_cluster="prod"
        )

    async def run(self, line, person="ada", key=""):
        return await self.pipeline.run(self.request(line, person, key))

    async def operations(self):
        return await self.store.read(lambda tx: tx.operations.latest())

    def backups(self):
        return [each["metadata"]["name"] for each in self.desk.objects.list("backups", "velero")]


@pytest.fixture
async def desk(tmp_path):
    async with cluster_in(tmp_path) as (store, cluster, objects):
        objects.create("namespaces", None, {"metadata": {"name": "shop"}})
        location = {"provider": "aws", "default": True, "objectStorage": {"bucket": "b"}}
        objects.create("backupstoragelocations", "velero", {"metadata": {"name": "default"}, "spec": location})
        yield Desk(CountedStore(store), cluster, objects)


# transactions


async def test_an_allowed_command_costs_four_transactions(desk):
    """Was it started before; the plan; operation and step before the write; both after it."""
    bot = Bot(desk, ALLOW)
    desk.store.transactions = 0
    result = await bot.run(CREATE)
    assert desk.store.transactions == 4
    assert (result.operation.state, bot.backups()) == (State.SUBMITTED, ["b1"])


async def test_every_further_step_costs_one_transaction(desk):
    bot = Bot(desk, ALLOW)
    policy = "{version: v1, volumePolicies: [{conditions: {nfs: {}}, action: {type: skip}}]}"
    desk.store.transactions = 0
    await bot.run(f"{CREATE} --resource-policy '{policy}'")
    assert desk.store.transactions == 5
    assert bot.backups() == ["b1"]


async def test_a_command_is_planned_in_one_context_with_one_time(desk):
    bot = Bot(desk, ALLOW)
    result = await bot.run(CREATE)
    [context] = bot.contexts
    assert (context.operation, context.now) == (result.operation.id, result.operation.created_at)


# decisions


async def test_a_command_outside_its_hours_is_recorded_as_refused_and_writes_nothing(desk):
    bot = Bot(desk, {**ALLOW, "during": [{"days": ["mon"], "from": "09:00", "to": "17:00", "zone": "UTC"}]})
    with pytest.raises(Refused):
        await bot.run(CREATE, key="inbox-1")
    [operation] = await bot.operations()
    assert (operation.state, bot.backups()) == (State.REFUSED, [])
    with pytest.raises(Refused, match="was refused before"):
        await bot.run(CREATE, key="inbox-1")


async def test_a_command_that_needs_approval_waits_and_writes_nothing(desk):
    bot = Bot(desk, APPROVE)
    result = await bot.run(CREATE)
    [operation] = await bot.operations()
    assert (operation.state, bot.backups()) == (State.AWAITING, [])
    assert isinstance(result.answer, Answer)


async def test_without_a_rule_for_it_nothing_is_read(desk):
    bot = Bot(desk, READ_ONLY)
    with pytest.raises(Refused, match="permission"):
        await bot.run(CREATE)
    assert (bot.contexts, await bot.operations()) == ([], ())


async def test_the_same_command_taken_up_again_runs_once(desk):
    bot = Bot(desk, ALLOW)
    first = await bot.run(CREATE, key="inbox-1")
    again = await bot.run(CREATE, key="inbox-1")
    assert (again.operation.id, again.operation.state) == (first.operation.id, State.SUBMITTED)
    assert bot.backups() == ["b1"]


@pytest.mark.parametrize("rule", [ALLOW, APPROVE])
async def test_a_second_request_for_the_same_is_answered_with_the_first(desk, rule):
    bot = Bot(desk, rule)
    first = await bot.run(CREATE)
    if bot.backups():  # the name is free again, the first request still open
        desk.objects.delete("backups", "velero", "b1")
    second = await bot.run(f"{CREATE} --reason again")
    assert "Already requested" in second.answer.headline
    assert [each.id for each in await bot.operations()] == [first.operation.id]


async def test_accepts_writes_nothing_and_says_what_run_would(desk):
    bot = Bot(desk, ALLOW)
    assert await bot.pipeline.accepts(bot.request(CREATE))
    assert not await bot.pipeline.accepts(
        bot.request("backup create b1 --include-namespaces nowhere-to-be-found --ttl x")
    )
    assert not await bot.pipeline.accepts(bot.request("plugin remove x"))
    assert (await bot.operations(), bot.backups()) == ((), [])


# clusters


async def test_a_cluster_is_required_if_the_channel_has_none(desk):
    bot = Bot(desk, ALLOW)
    with pytest.raises(UsageError, match="Which cluster"):
        await bot.pipeline.run(replace(bot.request(CREATE), channel_cluster=""))


# plans again


async def test_planning_again_gives_the_same_fingerprint(desk):
    bot = Bot(desk, APPROVE)
    result = await bot.run(CREATE)
    stored = await desk.store.read(lambda tx: tx.operations.load_plan(result.operation.id))
    desk.now += timedelta(hours=3)
    again = await bot.pipeline.replan(result.operation, stored, PEOPLE["ada"], Origin(Way.FORM, "C1"))
    assert again.plan.fingerprint == stored.fingerprint


async def test_a_plan_of_an_older_version_is_compared_by_that_version(desk):
    bot = Bot(desk, APPROVE)
    policy = "{version: v1, volumePolicies: [{conditions: {nfs: {}}, action: {type: skip}}]}"
    result = await bot.run(f"{CREATE} --resource-policy '{policy}'")
    stored = await desk.store.read(lambda tx: tx.operations.load_plan(result.operation.id))
    older = replace(stored, fingerprint_version=1)
    assert older.fingerprint != stored.fingerprint
    again = await bot.pipeline.replan(result.operation, older, PEOPLE["ada"], Origin(Way.FORM, "C1"))
    assert again.plan.fingerprint == older.fingerprint


# slots


def test_every_kind_of_preview_has_a_reader():
    assert {verb.preview for verb in VERBS if verb.preview} <= set(PREVIEWS) == set(PreviewKind)
