"""Accepts the requests of pipelines: committed before they are acknowledged; the same id is always the same operation."""

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
from bot.webhooks.status import gate_audit_entry, status_url
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
    """The id was used before with a different body."""


class ServerBusy(ChatopsError):
    """The request wasn't accepted; nothing was done."""


class WebhookIntake:
    def __init__(
        self,
        store: Store,
        intake: Intake,
        gate_reader: DeployGateReader,
        settings: Callable[[], Settings],
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._intake = intake
        self._gate_reader = gate_reader
        self._settings = settings
        self._now = now

    async def command(self, sender: Sender, request_id: str, digest: str, body: CommandBody) -> Json:
        """Raises UsageError, Refused, ConflictingRequest, ServerBusy."""
        key, operation = ids_of(sender, request_id)
        if (known := await self._find_call(operation, digest)) is not None:
            return self._response(known)
        line = line_of(body)
        refuse_secrets_in_line(line)
        call = PipelineCall(operation, key, sender.name, digest, self._now(), {"line": line}, body.callback or "")
        return await self._accept(call, sender, line, body.link or "")

    async def gate(self, sender: Sender, request_id: str, digest: str, body: GateBody) -> Json:
        """Return the verdict at once if no backup has to be created.

        Raises NotFound, UsageError, Refused, ClusterError, ConflictingRequest, ServerBusy.
        """
        key, operation = ids_of(sender, request_id)
        if (known := await self._find_call(operation, digest)) is not None:
            return self._response(known)
        cluster, namespaces = self._target(sender, body)
        request = GateRequest(namespaces, body.age, body.require_volumes)
        verdict = await self._gate_reader.judge(pipeline(sender), cluster, request)
        request_fields = {
            "gate": body.model_dump(mode="json"),
            "cluster": cluster,
            "namespaces": list(namespaces),
            "timeout": body.max_wait.total_seconds(),
        }
        call = PipelineCall(operation, key, sender.name, digest, self._now(), request_fields, body.callback or "")
        if verdict.passed or not body.take_if_older:
            return await self._record_verdict(call, verdict)
        line = gate_line(body.model_copy(update={"cluster": cluster}), namespaces, operation)
        waiting = GateVerdict(None, verdict.reason, verdict.text, verdict.evidence)
        call = PipelineCall(
            operation,
            key,
            sender.name,
            digest,
            call.received_at,
            {**request_fields, "line": line},
            call.callback,
            {"gate": waiting.as_json()},
        )
        return await self._accept(call, sender, line, body.link or "")

    async def _find_call(self, operation: str, digest: str) -> PipelineCall | None:
        known = await self._store.read(lambda tx: tx.pipeline_calls.get(operation))
        if known is not None and known.digest != digest:
            raise ConflictingRequest(
                "This webhook-id was already used with a different body.",
                fix="Send a new webhook-id with every new request.",
            )
        return known

    async def _accept(self, call: PipelineCall, sender: Sender, line: str, link: str) -> Json:
        cluster = self._settings().cluster_of_channel(sender.channel)
        queueing = replace(queueing_of(line, "", cluster, f"sender/{sender.name}"), rated=False)
        payload = {"sender": sender.name, "operation": call.operation, "line": line, "link": link}
        accepted = await self._intake.accept(
            call.key, WEBHOOK_SOURCE, payload, queueing=queueing, also=lambda tx: tx.pipeline_calls.add(call)
        )
        if accepted.text:
            raise ServerBusy(accepted.text)
        if accepted.duplicate:
            first = await self._find_call(call.operation, call.digest)
            return self._response(first or call)
        return self._response(call)

    async def _record_verdict(self, call: PipelineCall, verdict: GateVerdict) -> Json:
        """Record a final verdict: a repeated request with the same id gets the same one."""
        now = self._now()
        answer = {"gate": verdict.as_json()}
        recorded = PipelineCall(
            call.operation,
            call.key,
            call.sender,
            call.digest,
            call.received_at,
            call.request,
            "",
            answer,
            now,
            now,
        )

        def add_once(tx: Any) -> None:
            if tx.pipeline_calls.get(recorded.operation) is None:
                tx.pipeline_calls.add(recorded)
                tx.audit.append(gate_audit_entry(recorded, verdict, now))

        await self._store.write(add_once)
        known = await self._find_call(recorded.operation, recorded.digest)
        return self._response(known or recorded)

    def _response(self, call: PipelineCall) -> Json:
        response: Json = {
            "operation": call.operation,
            "status_url": status_url(public_url(self._settings()), call.operation),
        }
        return response | ({"gate": call.answer["gate"]} if "gate" in call.answer else {})

    def _target(self, sender: Sender, body: GateBody) -> tuple[str, tuple[str, ...]]:
        """Return (cluster, namespaces) of a gate."""
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
            raise UsageError(
                "`cluster` is missing.",
                fix=f"Set `cluster` to one of: {', '.join(each.name for each in settings.clusters)}.",
                nearest=tuple(each.name for each in settings.clusters),
            )
        return cluster, tuple(dict.fromkeys(namespaces))


def ids_of(sender: Sender, request_id: str) -> tuple[str, str]:
    """Return (inbox key, operation id); both follow from the request's id."""
    key = f"hook:{sender.name}:{request_id}"
    return key, operation_id(key)


def public_url(settings: Settings) -> str:
    return settings.slack.public_url
