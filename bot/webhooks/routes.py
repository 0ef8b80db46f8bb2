"""HTTP routes for pipelines. Unknown clients only get a status code; known senders get a document."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ValidationError

from bot.configuration.settings import Sender
from bot.connection_limits import BodyRefused, mark_verified, read_body
from bot.webhooks import problems
from bot.webhooks.bodies import CommandBody, GateBody
from bot.webhooks.completion import Completion
from bot.webhooks.intake import ConflictingRequest, ServerBusy, WebhookIntake
from bot.webhooks.openapi import openapi
from bot.webhooks.senders import Senders
from bot.webhooks.status import OPERATION_PATH, status_document
from domain.counting import counted
from domain.errors import ClusterError, StoreError, UserError
from domain.json_types import Json
from notifier.deliver.signature import ID, SIGNATURE, TIMESTAMP, SignatureFault, check_headers
from store.writer import Store
from velero.documents import MESSAGE_BOUNDS, BadDocument, check_json

COMMANDS_PATH, GATE_PATH, OPENAPI_PATH = "/hooks/v1/commands", "/hooks/v1/gate", "/hooks/v1/openapi.json"
MAX_BODY_BYTES = 64 * 1024
MAX_LONG_POLL_S = 60.0
BODY_TIMEOUT_S = 10.0
"""Time to receive a body: an unknown client must not hold a connection for long."""
RETRY_AFTER_BUSY_S = 1.0
MAX_LONG_POLLS = 20
"""Concurrent long polls of one sender."""

WebhookAction = Callable[["Signed", Any], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class Signed:
    sender: Sender
    request_id: str
    digest: str


class WebhookRoutes:
    """`refused` is called with the reason of each refusal. Call `stop()` first when the process ends."""

    def __init__(
        self,
        store: Store,
        senders: Senders,
        intake: WebhookIntake,
        completion: Completion,
        base: Callable[[], str],
        now: Callable[[], datetime],
        refused: Callable[[str], None],
    ) -> None:
        self._store = store
        self._senders = senders
        self._intake = intake
        self._completion = completion
        self._base = base
        self._now = now
        self._refused = refused
        self._waiting: dict[str, int] = {}
        self._stopping = asyncio.Event()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post(COMMANDS_PATH, self.commands),
            web.post(GATE_PATH, self.gate),
            web.get(OPERATION_PATH + "{operation}", self.operation),
            web.get(OPENAPI_PATH, self.describe),
        ]

    def stop(self) -> None:
        """Answer waiting long polls with the current status."""
        self._stopping.set()

    async def commands(self, request: web.Request) -> web.Response:
        return await self._accept(request, CommandBody, self._command)

    async def gate(self, request: web.Request) -> web.Response:
        return await self._accept(request, GateBody, self._gate)

    async def describe(self, _request: web.Request) -> web.Response:
        return web.json_response(openapi())

    async def _command(self, signed: Signed, body: CommandBody) -> web.Response:
        return _accepted_response(await self._intake.command(signed.sender, signed.request_id, signed.digest, body))

    async def _gate(self, signed: Signed, body: GateBody) -> web.Response:
        document = await self._intake.gate(signed.sender, signed.request_id, signed.digest, body)
        return web.json_response(document) if document["gate"]["passed"] is not None else _accepted_response(document)

    async def _accept(self, request: web.Request, model: type[BaseModel], act: WebhookAction) -> web.Response:
        signed = await self._signed(request)
        if isinstance(signed, web.Response):
            return signed
        verified, body = signed
        if wait := self._senders.wait(verified.sender, "ask"):
            return self._too_many(wait)
        if request.content_type != "application/json":
            return problems.response(problems.problem("media", 415, "Content-Type must be application/json."))
        try:
            check_json(body, MESSAGE_BOUNDS)
            return await act(verified, model.model_validate_json(body))
        except BadDocument as error:
            return problems.response(problems.problem("body", 422, f"The request body can't be read: {error}."))
        except ValidationError as error:
            return problems.response(problems.problem_of_validation(error, model))
        except ConflictingRequest as error:
            return problems.response(problems.problem("conflict", 409, error.text, fix=error.fix))
        except ServerBusy as error:
            return problems.response(problems.problem("busy", 503, error.text), retry_after=RETRY_AFTER_BUSY_S)
        except StoreError as error:
            return problems.response(problems.problem_of_error(error), retry_after=RETRY_AFTER_BUSY_S)
        except (UserError, ClusterError) as error:
            return problems.response(problems.problem_of_error(error))

    async def _signed(self, request: web.Request) -> tuple[Signed, bytes] | web.Response:
        headers = request.headers
        request_id, timestamp, signature = (headers.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
        if (error := check_headers(request_id, timestamp, signature, self._now().timestamp())) is not None:
            return self._refuse(error.value, 401)
        try:
            body = await read_body(request, MAX_BODY_BYTES, BODY_TIMEOUT_S)
        except BodyRefused as refusal:
            return self._refuse(refusal.reason, refusal.status)
        sender = self._senders.by_signature(request_id, timestamp, signature, body)
        if sender is None:
            return self._refuse(SignatureFault.FORGED.value, 401)
        mark_verified(request)
        return Signed(sender, request_id, hashlib.sha256(request.path.encode() + b"\n" + body).hexdigest()), body

    def _refuse(self, why: str, status: int) -> web.Response:
        self._refused(f"hook-{why}")
        return web.Response(status=status)

    def _too_many(self, wait: float) -> web.Response:
        self._refused("hook-rate")
        return problems.response(
            problems.problem(
                "rate", 429, "Rate limit exceeded.", fix=f"Try again in {counted(max(1, math.ceil(wait)), 'second')}."
            ),
            retry_after=wait,
        )

    async def operation(self, request: web.Request) -> web.Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        sender = self._senders.by_token(token.strip()) if scheme.lower() == "bearer" and token.strip() else None
        if sender is None:
            return self._refuse("token", 401)
        if wait := self._senders.wait(sender, "look"):
            return self._too_many(wait)
        seconds = _seconds(request.query.get("wait", "0"))
        if seconds is None:
            return problems.response(problems.problem("usage", 422, "`wait` must be a number of seconds from 0 to 60."))
        if seconds and self._waiting.get(sender.name, 0) >= MAX_LONG_POLLS:
            return self._too_many(5.0)
        return await self._long_poll(sender, request.match_info["operation"], seconds)

    async def _long_poll(self, sender: Sender, request_id: str, seconds: float) -> web.Response:
        self._waiting[sender.name] = self._waiting.get(sender.name, 0) + 1
        try:
            document = await self._status_within(sender, request_id, seconds)
        finally:
            self._waiting[sender.name] -= 1
        if document is None:
            return problems.response(problems.problem("unknown", 404, f"Operation `{request_id[:64]}` doesn't exist."))
        return web.json_response(document)

    async def _status_within(self, sender: Sender, request_id: str, seconds: float) -> Json | None:
        """Return the status document; wait for commits until the call is done or the time is up."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while True:
            commits = self._store.commits
            status = await self._completion.complete_due(request_id)
            if status is None or status.call.sender != sender.name:
                return None
            document = status_document(status, self._base())
            left = until - loop.time()
            if document["done"] or left <= 0 or self._stopping.is_set():
                return document
            await self._wait_for_commit(commits, left)

    async def _wait_for_commit(self, commits: int, seconds: float) -> None:
        waits = [
            asyncio.create_task(self._store.committed(commits)),
            asyncio.create_task(self._stopping.wait()),
        ]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


def _seconds(text: str) -> float | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 3):
        return None
    return float(text) if float(text) <= MAX_LONG_POLL_S else None


def _accepted_response(document: Json) -> web.Response:
    return web.json_response(document, status=202, headers={"Location": document["status_url"]})
