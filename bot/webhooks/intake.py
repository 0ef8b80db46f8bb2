"""What a known sender asks, committed before it is acknowledged; the same id is the same operation for ever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from bot.configuration.settings import Sender, Settings
from bot.intake import Intake, queueing_of
from bot.webhooks.bodies import CommandBody, GateBody
from bot.webhooks.command_lines import gate_line, line_of
from bot.webhooks.completion import pipeline
from bot.webhooks.status import recorded_rows, status_url
from commands.deploy_gate import GateRequest, GateVerdict
from commands.secret_lines import refuse_secrets_in_line
from domain.errors import ChatopsError, NotFound, UsageError
from domain.json_types import Json
from operations.deploy_gate_reader import DeployGateReader
from operations.pipeline import operation_id
from store.tables.pipeline_calls import PipelineCall
from store.writer import Store

WEBHOOK_SOURCE = "webhook"


class ConflictingRequest(ChatopsError):
    """Another body under an id that was used before."""


class ServerBusy(ChatopsError):
    """Nothing was done."""


class WebhookIntake:
    def __init__(
        self,
        store: Store,
        intake: Intake,
        protection: DeployGateReader,
        settings: Callable[[], Settings],
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._intake = intake
        self._protection = protection
        self._settings = settings
        self._now = now

    async def command(self, sender: Sender, ident: str, digest: str, body: CommandBody) -> Json:
        """Raises UsageError, Refused, Conflicting, Busy."""
        key, operation = names(sender, ident)
        if (known := await self._known(operation, digest)) is not None:
            return self._accepted(known)
        line = line_of(body)
        refuse_secrets_in_line(line)
        hook = PipelineCall(operation, key, sender.name, digest, self._now(), {"line": line}, body.callback or "")
        return await self._take(hook, sender, line, body.link or "")

    async def gate(self, sender: Sender, ident: str, digest: str, body: GateBody) -> Json:
        """A verdict at once where no backup has to be taken. Raises Unknown, Refused, ClusterError, Conflicting, Busy."""
        key, operation = names(sender, ident)
        if (known := await self._known(operation, digest)) is not None:
            return self._accepted(known)
        cluster, namespaces = self._place(sender, body)
        request = GateRequest(namespaces, body.age, body.require_volumes)
        verdict = await self._protection.judge(pipeline(sender), cluster, request)
        asked = {
            "gate": body.model_dump(mode="json"),
            "cluster": cluster,
            "namespaces": list(namespaces),
            "timeout": body.longest.total_seconds(),
        }
        hook = PipelineCall(operation, key, sender.name, digest, self._now(), asked, body.callback or "")
        if verdict.passed or not body.take_if_older:
            return await self._keep(hook, verdict)
        line = gate_line(body.model_copy(update={"cluster": cluster}), namespaces, operation)
        waiting = GateVerdict(None, verdict.reason, verdict.text, verdict.evidence)
        hook = PipelineCall(
            operation,
            key,
            sender.name,
            digest,
            hook.received_at,
            {**asked, "line": line},
            hook.callback,
            {"gate": waiting.as_json()},
        )
        return await self._take(hook, sender, line, body.link or "")

    async def _known(self, operation: str, digest: str) -> PipelineCall | None:
        known = await self._store.read(lambda tx: tx.hooks.get(operation))
        if known is not None and known.digest != digest:
            raise ConflictingRequest(
                "This webhook-id was already used with a different body.",
                fix="Send a new webhook-id with every new request.",
            )
        return known

    async def _take(self, hook: PipelineCall, sender: Sender, line: str, link: str) -> Json:
        cluster = self._settings().cluster_of_channel(sender.channel)
        queueing = replace(queueing_of(line, "", cluster, f"sender/{sender.name}"), rated=False)
        payload = {"sender": sender.name, "operation": hook.operation, "line": line, "link": link}
        taken = await self._intake.accept(
            hook.key, WEBHOOK_SOURCE, payload, queueing=queueing, also=lambda tx: tx.hooks.add(hook)
        )
        if taken.text:
            raise ServerBusy(taken.text)
        if taken.duplicate:
            again = await self._known(hook.operation, hook.digest)
            return self._accepted(again or hook)
        return self._accepted(hook)

    async def _keep(self, hook: PipelineCall, verdict: GateVerdict) -> Json:
        """A verdict is an answer: asked again under the same id, it stays the same."""
        now = self._now()
        answer = {"gate": verdict.as_json()}
        kept = PipelineCall(
            hook.operation, hook.key, hook.sender, hook.digest, hook.received_at, hook.asked, "", answer, now, now
        )

        def add_once(tx: Any) -> None:
            if tx.hooks.get(kept.operation) is None:
                tx.hooks.add(kept)
                tx.audit.append(recorded_rows(kept, verdict, now))

        await self._store.write(add_once)
        known = await self._known(kept.operation, kept.digest)
        return self._accepted(known or kept)

    def _accepted(self, hook: PipelineCall) -> Json:
        told: Json = {"operation": hook.operation, "status_url": status_url(base(self._settings()), hook.operation)}
        return told | ({"gate": hook.answer["gate"]} if "gate" in hook.answer else {})

    def _place(self, sender: Sender, body: GateBody) -> tuple[str, tuple[str, ...]]:
        """(cluster, namespaces)"""
        settings = self._settings()
        cluster = body.cluster
        namespaces = body.namespaces
        if body.app:
            app = next((each for each in settings.applications if each.name == body.app), None)
            if app is None or not app.namespaces:
                known = tuple(each.name for each in settings.applications if each.namespaces)
                raise NotFound(
                    f"Application `{body.app}` doesn't exist or has no namespaces in the settings.", nearest=known
                )
            cluster, namespaces = cluster or app.cluster, app.namespaces
        cluster = cluster or settings.cluster_of_channel(sender.channel)
        if not cluster:
            raise UsageError("`cluster` is missing.", nearest=tuple(each.name for each in settings.clusters))
        return cluster, tuple(dict.fromkeys(namespaces))


def names(sender: Sender, ident: str) -> tuple[str, str]:
    """(key, operation): known before anything ran."""
    key = f"hook:{sender.name}:{ident}"
    return key, operation_id(key)


def base(settings: Settings) -> str:
    return settings.slack.public_url
