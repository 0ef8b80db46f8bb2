"""Builds delivery to Slack: sending, reconciling unconfirmed messages with the history, and updating messages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from bot.configuration.settings import Delivery
from bot.metrics import NOTICES
from bot.supervise import Loops
from notifier.deliver.approval_messages import ApprovalMessages
from notifier.deliver.history import ChannelHistory
from notifier.deliver.message_builder import Enrich, Link, MessageBuilder, ReceiverView, Watched
from notifier.deliver.projection import Projection
from notifier.deliver.reconcile import Reconciler
from notifier.deliver.slack import SlackDelivery, Timing
from notifier.deliver.slack_client import LimitedClient
from store.writer import Store


def delivery_timing(settings: Delivery) -> Timing:
    return Timing(
        settings.timeout,
        settings.quarantine,
        settings.history_read_interval,
        settings.duplicate_sweep_after,
        settings.resend_urgent_after,
        history=settings.history,
    )


class SlackDeliveryLoops:
    """The loops `send`, `cards`, `requests`, `reconcile` and `sweep`."""

    def __init__(
        self,
        store: Store,
        client: LimitedClient,
        settings: Delivery,
        now: Callable[[], datetime],
        enrich: Enrich,
        observed: Watched,
        link: Link,
        receiver_view: ReceiverView,
        wake_cards: Callable[[], None],
    ) -> None:
        limiter = client.limiter
        timing = delivery_timing(settings)
        requests = ApprovalMessages(store)
        message_builder = MessageBuilder(
            store, now, enrich, observed, requests.render, link, receiver_view, settings.wait_for_results
        )
        self.delivery = SlackDelivery(
            store,
            client,
            message_builder,
            limiter,
            now,
            timing,
            wake_cards,
            lambda outcome: NOTICES.labels("slack", outcome).inc(),
        )
        history = ChannelHistory(client, limiter, now, settings.history_read_interval, settings.timeout)
        self.reconciler = Reconciler(store, client, self.delivery, history, now, timing)
        self.cards = Projection(
            "cards",
            store,
            client,
            limiter,
            lambda tx: tx.messages.stale_cards(),
            message_builder.draw_card,
            now,
            settings.card_interval,
        )
        self.requests = Projection(
            "requests for approval",
            store,
            client,
            limiter,
            lambda tx: tx.messages.stale_requests(),
            requests.draw,
            now,
        )

    def start(self, loops: Loops) -> None:
        loops.start("send", self.delivery.round)
        loops.start("cards", self.cards.round)
        loops.start("requests", self.requests.round)
        loops.start("reconcile", self.reconciler.round)
        loops.start("sweep", self.reconciler.sweep)
