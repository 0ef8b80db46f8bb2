"""Builds the approval service with its dependencies: people, replanning, settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from bot.configuration.settings import Settings
from bot.slack.identity import Identity
from domain.actor import Actor, ActorKind
from domain.operation import Operation
from operations.approval.approvals import Approvals
from operations.approval.services import ApprovalServices
from operations.approval.timers import ApprovalTimes
from operations.executor import Executor
from operations.pipeline import CommandPipeline
from operations.request import Policy
from store.writer import Store
from velero.cluster import Cluster


def build_approvals(
    store: Store,
    pipeline: CommandPipeline,
    executor: Executor,
    identity: Identity,
    clusters: Mapping[str, Cluster],
    settings: Callable[[], Settings],
    policy: Callable[[], Policy],
    now: Callable[[], datetime],
) -> Approvals:
    async def current_actor(actor_id: str, team: str = "") -> Actor:
        """Return a requester or voter as they are now. Raises Refused for someone who has left the workspace."""
        sender = next((each for each in settings().senders if each.name == actor_id), None)
        if sender is not None:
            return Actor(ActorKind.PIPELINE, sender.name, sender.name, groups=frozenset(sender.groups))
        return await identity.actor(actor_id, team)

    async def remove_from_queue(operation: Operation) -> None:
        """Delete a restore that waited in Velero's queue for too long."""
        if operation.noun == "restore" and operation.object_uid:
            await clusters[operation.cluster].restores.delete(operation.object_name, uid=operation.object_uid)

    services = ApprovalServices(store, policy, current_actor, lambda: approval_times(settings()), now)
    return Approvals(services, executor, pipeline.replan, remove_from_queue)


def approval_times(settings: Settings) -> ApprovalTimes:
    approvals = settings.approvals
    return ApprovalTimes(
        channel=approvals.channel,
        remind_after=approvals.remind_after,
        start_deadline=timedelta(seconds=approvals.start_deadline),
        break_glass_per_day=approvals.break_glass_per_day,
    )
