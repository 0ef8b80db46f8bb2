"""Sees a pipeline's command through: the same conductor, rules, guards and approval as for a person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from bot.configuration.settings import Sender
from bot.refused_attempts import RefusedAttempts
from bot.webhooks.completion import pipeline, refusal_answer
from bot.webhooks.senders import Senders
from bot.webhooks.status import callback_body as told
from domain.actor import Origin, Way
from domain.errors import ClusterError, Refused, UserError
from domain.json_types import Json
from operations.pipeline import CommandPipeline
from operations.request import CommandRequest
from store.tables.inbox import Item
from store.transaction import Transaction
from store.writer import Store


class WebhookItemProcessor:
    """`cluster_of` a channel; `wake` rings whoever waits for an answer."""

    def __init__(
        self,
        store: Store,
        senders: Senders,
        conductor: CommandPipeline,
        cluster_of: Callable[[str], str],
        now: Callable[[], datetime],
        wake: Callable[[], None],
        attempts: RefusedAttempts | None = None,
    ) -> None:
        self._attempts = attempts or RefusedAttempts()
        self._store = store
        self._senders = senders
        self._conductor = conductor
        self._cluster_of = cluster_of
        self._now = now
        self._wake = wake

    async def process(self, item: Item) -> str:
        answer, how = await self._conducted(item)
        await self._answered(item, answer)
        return how

    async def set_aside(self, item: Item, reference: str) -> None:
        """What could not be done for a reason that nobody foresaw: the pipeline is told so."""
        fault = Refused(
            "Internal error. The request may not have completed.",
            why="The bot tried three times.",
            fix=f"Give reference {reference} to the team that runs the bot.",
        )
        await self._answered(item, refusal_answer(fault))

    async def _answered(self, item: Item, answer: Json) -> None:
        """A gate's verdict so far stays: it is not over before its backup is."""
        ident, now = str(item.payload["operation"]), self._now()

        def record(tx: Transaction) -> None:
            known = tx.hooks.get(ident)
            before = {"gate": known.answer["gate"]} if known is not None and "gate" in known.answer else {}
            tx.hooks.answered(ident, before | answer, now)

        await self._store.write(record)
        self._wake()

    async def _conducted(self, item: Item) -> tuple[Json, str]:
        sender = self._senders.named(str(item.payload["sender"]))
        if sender is None:
            return refusal_answer(Refused("This sender is no longer configured.")), "refused"
        try:
            done = await self._conductor.run(self._asked(item, sender))
        except (UserError, ClusterError) as error:
            if isinstance(error, Refused):
                self._attempts.add(sender.name, str(item.payload["line"]), way=Way.WEBHOOK.value)
            return refusal_answer(error), "refused"
        return ({"answer": told(done.answer)} if done.answer is not None else {}), "done"

    def _asked(self, item: Item, sender: Sender) -> CommandRequest:
        link = str(item.payload.get("link", ""))
        return CommandRequest(
            key=item.key,
            line=str(item.payload["line"]),
            actor=pipeline(sender),
            origin=Origin(Way.WEBHOOK, channel=sender.channel, link=link),
            channel_cluster=self._cluster_of(sender.channel),
        )
