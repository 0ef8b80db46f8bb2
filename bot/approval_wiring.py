"""What approvals stand on, put together: who asks and votes, what is planned again, what is posted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from bot.configuration.settings import Settings
from bot.slack.identity import Identity
from domain.actor import Actor, ActorKind
from domain.operation import Operation
from operations.approval.approvals import Approvals
from operations.approval.timers import ApprovalTimes
from operations.executor import Executor
from operations.pipeline import CommandPipeline
from operations.request import Policy
from store.writer import Store
from velero.cluster import Cluster


def build_approvals(
    store: Store,
    conductor: CommandPipeline,
    executor: Executor,
    identity: Identity,
    clusters: Mapping[str, Cluster],
    settings: Callable[[], Settings],
    policy: Callable[[], Policy],
    now: Callable[[], datetime],
) -> Approvals:
    async def who(ident: str, team: str = "") -> Actor:
        """A requester or voter as they are now: who has left may not ask any more."""
        sender = next((each for each in settings().senders if each.name == ident), None)
        if sender is not None:
            return Actor(ActorKind.PIPELINE, sender.name, sender.name, groups=frozenset(sender.groups))
        return await identity.actor(ident, team)

    async def take_back(operation: Operation) -> None:
        """Out of Velero's queue, where it has waited too long."""
        if operation.noun == "restore" and operation.object_uid:
            await clusters[operation.cluster].restores.delete(operation.object_name, uid=operation.object_uid)

    return Approvals(
        store, executor, conductor.replan, policy, who, lambda: approval_times(settings()), now, withdraw=take_back
    )


def approval_times(settings: Settings) -> ApprovalTimes:
    told = settings.approvals
    return ApprovalTimes(
        channel=told.channel,
        remind_after=told.remind_after,
        start_deadline=timedelta(seconds=told.start_deadline),
        glass_per_day=told.break_glass_per_day,
    )
