"""The HTTP side: who is not known is answered by a number alone, who is known by a document."""

from __future__ import annotations

import asyncio
import hashlib
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
from bot.webhooks.status import PATH, status_document
from domain.errors import ClusterError, StoreError, UserError
from domain.json_types import Json
from notifier.deliver.signature import ID, SIGNATURE, TIMESTAMP, SignatureFault, check_headers
from store.writer import Store
from velero.documents import MESSAGE_BOUNDS, BadDocument, check_json

COMMANDS, GATE, OPENAPI = "/hooks/v1/commands", "/hooks/v1/gate", "/hooks/v1/openapi.json"
MAX_BODY = 64 * 1024
LONGEST_WAIT = 60.0
BODY_TIMEOUT_S = 10.0
"""Seconds for a body: who is not known yet holds nothing for long."""
BUSY_FOR = 1.0
MAX_LONG_POLLS = 20
"""Waiting calls of one sender."""

WebhookAction = Callable[["Signed", Any], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class Signed:
    sender: Sender
    ident: str
    digest: str


class WebhookRoutes:
    """`refused` counts what failed at the door, by reason. Call `stop()` first when the process ends."""

    def __init__(
        self,
        store: Store,
        senders: Senders,
        asking: WebhookIntake,
        settling: Completion,
        base: Callable[[], str],
        now: Callable[[], datetime],
        refused: Callable[[str], None],
    ) -> None:
        self._store = store
        self._senders = senders
        self._asking = asking
        self._settling = settling
        self._base = base
        self._now = now
        self._refused = refused
        self._waiting: dict[str, int] = {}
        self._stopping = asyncio.Event()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post(COMMANDS, self.commands),
            web.post(GATE, self.gate),
            web.get(PATH + "{operation}", self.operation),
            web.get(OPENAPI, self.describe),
        ]

    def stop(self) -> None:
        """Calls that wait are answered with how things stand."""
        self._stopping.set()

    async def commands(self, request: web.Request) -> web.Response:
        return await self._taken(request, CommandBody, self._command)

    async def gate(self, request: web.Request) -> web.Response:
        return await self._taken(request, GateBody, self._gate)

    async def describe(self, _request: web.Request) -> web.Response:
        return web.json_response(openapi())

    async def _command(self, signed: Signed, body: CommandBody) -> web.Response:
        return _accepted(await self._asking.command(signed.sender, signed.ident, signed.digest, body))

    async def _gate(self, signed: Signed, body: GateBody) -> web.Response:
        told = await self._asking.gate(signed.sender, signed.ident, signed.digest, body)
        return web.json_response(told) if told["gate"]["passed"] is not None else _accepted(told)

    async def _taken(self, request: web.Request, model: type[BaseModel], act: WebhookAction) -> web.Response:
        signed = await self._signed(request)
        if isinstance(signed, web.Response):
            return signed
        who, body = signed
        if wait := self._senders.wait(who.sender, "ask"):
            return self._too_many(wait)
        if request.content_type != "application/json":
            return problems.response(problems.problem("media", 415, "Content-Type must be application/json."))
        try:
            check_json(body, MESSAGE_BOUNDS)
            return await act(who, model.model_validate_json(body))
        except BadDocument as error:
            return problems.response(problems.problem("body", 422, f"The body was not read: {error}."))
        except ValidationError as error:
            return problems.response(problems.problem_of_validation(error, model))
        except ConflictingRequest as error:
            return problems.response(problems.problem("conflict", 409, error.text, fix=error.fix))
        except ServerBusy as error:
            return problems.response(problems.problem("busy", 503, error.text), retry_after=BUSY_FOR)
        except StoreError as error:
            return problems.response(problems.problem_of_error(error), retry_after=BUSY_FOR)
        except (UserError, ClusterError) as error:
            return problems.response(problems.problem_of_error(error))

    async def _signed(self, request: web.Request) -> tuple[Signed, bytes] | web.Response:
        given = request.headers
        ident, timestamp, signature = (given.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
        if (fault := check_headers(ident, timestamp, signature, self._now().timestamp())) is not None:
            return self._no(fault.value, 401)
        try:
            body = await read_body(request, MAX_BODY, BODY_TIMEOUT_S)
        except BodyRefused as refusal:
            return self._no(refusal.reason, refusal.status)
        sender = self._senders.by_signature(ident, timestamp, signature, body)
        if sender is None:
            return self._no(SignatureFault.FORGED.value, 401)
        mark_verified(request)
        return Signed(sender, ident, hashlib.sha256(request.path.encode() + b"\n" + body).hexdigest()), body

    def _no(self, why: str, status: int) -> web.Response:
        self._refused(f"hook-{why}")
        return web.Response(status=status)

    def _too_many(self, wait: float) -> web.Response:
        self._refused("hook-rate")
        return problems.response(problems.problem("rate", 429, "Rate limit exceeded."), retry_after=wait)

    async def operation(self, request: web.Request) -> web.Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        sender = self._senders.by_token(token.strip()) if scheme.lower() == "bearer" and token.strip() else None
        if sender is None:
            return self._no("token", 401)
        if wait := self._senders.wait(sender, "look"):
            return self._too_many(wait)
        seconds = _seconds(request.query.get("wait", "0"))
        if seconds is None:
            return problems.response(problems.problem("usage", 422, "`wait` must be a number of seconds from 0 to 60."))
        if seconds and self._waiting.get(sender.name, 0) >= MAX_LONG_POLLS:
            return self._too_many(5.0)
        return await self._awaited(sender, request.match_info["operation"], seconds)

    async def _awaited(self, sender: Sender, ident: str, seconds: float) -> web.Response:
        self._waiting[sender.name] = self._waiting.get(sender.name, 0) + 1
        try:
            told = await self._look(sender, ident, seconds)
        finally:
            self._waiting[sender.name] -= 1
        if told is None:
            return problems.response(problems.problem("unknown", 404, f"Operation `{ident[:64]}` doesn't exist."))
        return web.json_response(told)

    async def _look(self, sender: Sender, ident: str, seconds: float) -> Json | None:
        """Looks again after every commit, as long as it is worth waiting."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while True:
            commits = self._store.commits
            standing = await self._settling.complete_due(ident)
            if standing is None or standing.hook.sender != sender.name:
                return None
            told = status_document(standing, self._base())
            left = until - loop.time()
            if told["done"] or left <= 0 or self._stopping.is_set():
                return told
            await self._something_happens(commits, left)

    async def _something_happens(self, commits: int, seconds: float) -> None:
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
    return float(text) if float(text) <= LONGEST_WAIT else None


def _accepted(told: Json) -> web.Response:
    return web.json_response(told, status=202, headers={"Location": told["status_url"]})
