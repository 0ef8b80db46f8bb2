"""Webhooks in and out as one part of the process: what the composition root builds, starts and stops."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from random import Random

from aiohttp import web

from bot.configuration.settings import Settings
from bot.control import ControlAction
from bot.intake import Intake
from bot.metrics import NOTICES
from bot.refused_attempts import RefusedAttempts
from bot.webhooks.admin_actions import admin_actions
from bot.webhooks.completion import Completion
from bot.webhooks.intake import WebhookIntake, base
from bot.webhooks.item_processor import WebhookItemProcessor
from bot.webhooks.receivers import receivers
from bot.webhooks.routes import WebhookRoutes
from bot.webhooks.senders import Senders
from notifier.deliver.webhooks import WebhookDelivery
from operations.deploy_gate_reader import DeployGateReader
from operations.pipeline import CommandPipeline
from operations.request import Policy
from store.writer import Store
from velero.cluster import Cluster

"""Of inbox items that are this part's: the worker's key for `desk`."""


class Webhooks:
    """`wake` rings the loop "webhooks" (`rounds`); `refused` counts what failed at the door."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        store: Store,
        intake: Intake,
        conductor: CommandPipeline,
        clusters: Mapping[str, Cluster],
        policy: Callable[[], Policy],
        now: Callable[[], datetime],
        random: Random,
        refused: Callable[[str], None],
        wake: Callable[[], None],
        attempts: RefusedAttempts | None = None,
    ) -> None:
        protection = DeployGateReader(clusters, policy, now)
        senders = Senders(settings, now)
        reached = lambda: base(settings())  # noqa: E731 - the address may change with the settings
        self.settling = Completion(store, senders, protection, reached, now, wake)
        self.desk = WebhookItemProcessor(
            store, senders, conductor, lambda channel: settings().cluster_of_channel(channel), now, wake, attempts
        )
        asking = WebhookIntake(store, intake, protection, settings, now)
        self.hooks = WebhookRoutes(store, senders, asking, self.settling, reached, now, refused)
        self.delivery = WebhookDelivery(
            store,
            lambda: receivers(settings()),
            now,
            random,
            counted=lambda kind, outcome: NOTICES.labels(kind, outcome).inc(),
        )
        self.acts: Mapping[str, ControlAction] = admin_actions(
            store, self.delivery, now, lambda: secrets.token_hex(8), wake
        )

    def routes(self) -> list[web.RouteDef]:
        return self.hooks.routes()

    @property
    def rounds(self) -> Mapping[str, Callable[[], Awaitable[float | None]]]:
        """Loops to supervise, by name."""
        return {
            "hooks": self.settling.round,
            "webhooks": self.delivery.round,
            "alerts": self.delivery.repeats.round,
        }

    async def stop(self) -> None:
        """Before the HTTP server is taken down: calls that wait are answered, deliveries let go."""
        self.hooks.stop()
        await self.delivery.close()
