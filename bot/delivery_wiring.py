"""What goes out to Slack, wired together: delivery, the history that settles its doubts, and the messages kept in step."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from bot.configuration.settings import Delivery
from bot.metrics import NOTICES
from notifier.deliver.approval_messages import ApprovalMessages
from notifier.deliver.history import ChannelHistory
from notifier.deliver.message_builder import Enrich, Link, MessageBuilder, ReceiverView, Watched
from notifier.deliver.projection import Projection
from notifier.deliver.reconcile import Reconciler
from notifier.deliver.slack import SlackDelivery, Timing
from notifier.deliver.slack_client import LimitedClient
from store.writer import Store


class SlackDeliveryLoops:
    """Its rounds are the loops `send`, `reconcile`, `sweep`, `cards` and `requests`."""

    def __init__(
        self,
        store: Store,
        client: LimitedClient,
        settings: Delivery,
        now: Callable[[], datetime],
        enrich: Enrich,
        seen: Watched,
        link: Link,
        view: ReceiverView,
        wake_cards: Callable[[], None],
    ) -> None:
        limiter = client.limiter
        timing = Timing(
            settings.timeout,
            settings.quarantine,
            settings.history_read_interval,
            settings.duplicate_sweep_after,
            settings.resend_urgent_after,
            history=settings.history,
        )
        requests = ApprovalMessages(store)
        letters = MessageBuilder(store, now, enrich, seen, requests.render, link, view, settings.wait_for_results)
        self.delivery = SlackDelivery(
            store,
            client,
            letters,
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
            letters.draw_card,
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
