"""Builds incoming and outgoing webhooks as one part that the composition root starts and stops."""

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
from bot.webhooks.intake import WebhookIntake, public_url
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


class Webhooks:
    """`wake` wakes the loops of this part; `refused` is called with the reason of each refusal."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        store: Store,
        intake: Intake,
        pipeline: CommandPipeline,
        clusters: Mapping[str, Cluster],
        policy: Callable[[], Policy],
        now: Callable[[], datetime],
        random: Random,
        refused: Callable[[str], None],
        wake: Callable[[], None],
        attempts: RefusedAttempts | None = None,
    ) -> None:
        gate_reader = DeployGateReader(clusters, policy, now)
        senders = Senders(settings, now)
        base_url = lambda: public_url(settings())  # noqa: E731 - the address may change with the settings
        self.completion = Completion(store, senders, gate_reader, base_url, now, wake)
        self.processor = WebhookItemProcessor(
            store, senders, pipeline, lambda channel: settings().cluster_of_channel(channel), now, wake, attempts
        )
        webhook_intake = WebhookIntake(store, intake, gate_reader, settings, now)
        self.webhook_routes = WebhookRoutes(store, senders, webhook_intake, self.completion, base_url, now, refused)
        self.delivery = WebhookDelivery(
            store,
            lambda: receivers(settings()),
            now,
            random,
            counted=lambda kind, outcome: NOTICES.labels(kind, outcome).inc(),
        )
        self.actions: Mapping[str, ControlAction] = admin_actions(
            store, self.delivery, now, lambda: secrets.token_hex(8), wake
        )

    def routes(self) -> list[web.RouteDef]:
        return self.webhook_routes.routes()

    @property
    def loops(self) -> Mapping[str, Callable[[], Awaitable[float | None]]]:
        """Loops to supervise, by name."""
        return {
            "hooks": self.completion.round,
            "webhooks": self.delivery.round,
            "alerts": self.delivery.repeats.round,
        }

    async def stop(self) -> None:
        """Answer waiting long polls and stop deliveries; call it before the HTTP server stops."""
        self.webhook_routes.stop()
        await self.delivery.close()
