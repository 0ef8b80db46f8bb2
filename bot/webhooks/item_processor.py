"""Processes a pipeline's command with the same pipeline, rules, guards and approvals as a person's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from bot.configuration.settings import Sender
from bot.refused_attempts import RefusedAttempts
from bot.webhooks.completion import pipeline, refusal_answer
from bot.webhooks.senders import Senders
from bot.webhooks.status import callback_body
from domain.actor import Origin, Way
from domain.errors import ClusterError, Refused, UserError
from domain.json_types import Json
from operations.pipeline import CommandPipeline
from operations.request import CommandRequest
from store.tables.inbox import Item
from store.transaction import Transaction
from store.writer import Store


class WebhookItemProcessor:
    """`cluster_of` takes a channel; `wake` wakes the loops that wait for answers."""

    def __init__(
        self,
        store: Store,
        senders: Senders,
        command_pipeline: CommandPipeline,
        cluster_of: Callable[[str], str],
        now: Callable[[], datetime],
        wake: Callable[[], None],
        attempts: RefusedAttempts | None = None,
    ) -> None:
        self._attempts = attempts or RefusedAttempts()
        self._store = store
        self._senders = senders
        self._pipeline = command_pipeline
        self._cluster_of = cluster_of
        self._now = now
        self._wake = wake

    async def process(self, item: Item) -> str:
        answer, outcome = await self._run_command(item)
        await self._record_answer(item, answer)
        return outcome

    async def set_aside(self, item: Item, reference: str) -> None:
        """Answer the pipeline after an unexpected error."""
        error = Refused(
            "Internal error. The request may not have completed.",
            why="The bot tried three times.",
            fix=f"Give reference {reference} to the team that runs the bot.",
        )
        await self._record_answer(item, refusal_answer(error))

    async def _record_answer(self, item: Item, answer: Json) -> None:
        """Record an answer. The verdict of a gate stays until its backup is over."""
        ident, now = str(item.payload["operation"]), self._now()

        def record(tx: Transaction) -> None:
            known = tx.pipeline_calls.get(ident)
            before = {"gate": known.answer["gate"]} if known is not None and "gate" in known.answer else {}
            tx.pipeline_calls.record_answer(ident, before | answer, now)

        await self._store.write(record)
        self._wake()

    async def _run_command(self, item: Item) -> tuple[Json, str]:
        sender = self._senders.by_name(str(item.payload["sender"]))
        if sender is None:
            return refusal_answer(Refused("This sender is no longer configured.")), "refused"
        try:
            done = await self._pipeline.run(self._request_of(item, sender))
        except (UserError, ClusterError) as error:
            if isinstance(error, Refused):
                self._attempts.add(sender.name, str(item.payload["line"]), way=Way.WEBHOOK.value)
            return refusal_answer(error), "refused"
        return ({"answer": callback_body(done.answer)} if done.answer is not None else {}), "done"

    def _request_of(self, item: Item, sender: Sender) -> CommandRequest:
        link = str(item.payload.get("link", ""))
        return CommandRequest(
            key=item.key,
            line=str(item.payload["line"]),
            actor=pipeline(sender),
            origin=Origin(Way.WEBHOOK, channel=sender.channel, link=link),
            channel_cluster=self._cluster_of(sender.channel),
        )
