"""The Web API over HTTP: bodies, tokens, scopes, rate limits and faults around every method."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from domain.json_types import Json
from sandbox.slack.api.call import ApiError, Call, Method
from sandbox.slack.api.table import METHODS
from sandbox.slack.faults import Fault, Faults, Rule
from sandbox.slack.rates import RateLimits
from sandbox.slack.site import ApiCall, Site

STRUCTURED = frozenset({"blocks", "attachments", "metadata", "view", "files", "message"})
AFTER_COMMIT = {
    Fault.NONE: 200,
    Fault.SLOW: 200,
    Fault.COMMIT_THEN_503: 503,
    Fault.COMMIT_THEN_RESET: 200,
    Fault.COMMIT_THEN_HANG: 200,
}


class WebApi:
    def __init__(self, site: Site, faults: Faults, rates: RateLimits) -> None:
        self._site, self._faults, self._rates = site, faults, rates
        self._late: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()

    async def close(self) -> None:
        self._closing.set()
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        args = await read_args(request)
        method = METHODS.get(name)
        if method is None:
            return self._answered(name, args, 200, {"ok": False, "error": "unknown_method"})
        rule = self._faults.next_for(name, args)
        try:
            authorize(self._site, method, token_of(request, args))
            self._refuse_by(rule, name, args, method)
        except web.HTTPException:
            raise
        except ApiError as refusal:
            return self._answered(name, args, 200, refusal.answer, rule.fault)
        return await self._run(request, name, method, args, rule)

    def _refuse_by(self, rule: Rule, name: str, args: Json, method: Method) -> None:
        """Check everything that prevents the call: token, scopes, limits and faults."""
        wait = self._rates.retry_after(name, method.per_minute, str(args.get("channel", "")))
        if rule.fault is Fault.RATE_LIMITED:
            wait = max(wait, round(rule.seconds))
        if wait:
            self._log(name, args, 429, {"ok": False, "error": "ratelimited"}, rule.fault)
            raise web.HTTPTooManyRequests(
                headers={"Retry-After": str(wait)},
                text='{"ok":false,"error":"ratelimited"}',
                content_type="application/json",
            )
        if rule.fault is Fault.SERVER_ERROR:
            self._log(name, args, 500, {}, rule.fault)
            raise web.HTTPInternalServerError(text="<html>Server Error</html>", content_type="text/html")
        if rule.fault is Fault.UNAVAILABLE:
            self._log(name, args, 503, {}, rule.fault)
            raise web.HTTPServiceUnavailable(text="<html>Service Unavailable</html>", content_type="text/html")
        if rule.fault is Fault.ERROR:
            raise ApiError(rule.error)

    async def _run(self, request: web.Request, name: str, method: Method, args: Json, rule: Rule) -> web.StreamResponse:
        if rule.fault is Fault.SLOW:
            await self._pause(rule.seconds)
        if rule.fault not in AFTER_COMMIT:
            return await self._without_commit(request, name, method, args, rule)
        answer = self._commit(method, args)
        response = self._answered(name, args, AFTER_COMMIT[rule.fault], answer, rule.fault)
        if rule.fault is Fault.COMMIT_THEN_HANG:
            await self._pause(3600)
        if rule.fault in {Fault.COMMIT_THEN_RESET, Fault.COMMIT_THEN_HANG}:
            cut(request)
        return response

    async def _without_commit(
        self, request: web.Request, name: str, method: Method, args: Json, rule: Rule
    ) -> web.StreamResponse:
        if rule.fault is Fault.HANG:
            await self._pause(3600)
        if rule.fault is Fault.LATE_COMMIT:
            self._later(method, args, rule.seconds)
        response = self._answered(name, args, 200, {}, rule.fault)
        cut(request)
        return response

    def _commit(self, method: Method, args: Json) -> Json:
        try:
            return method.run(Call(self._site, args))
        except ApiError as refusal:
            return refusal.answer

    def _later(self, method: Method, args: Json, seconds: float) -> None:
        async def commit() -> None:
            await asyncio.sleep(seconds)
            self._commit(method, args)

        task = asyncio.create_task(commit())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._closing.wait(), seconds)
        except TimeoutError:
            return

    def _answered(self, name: str, args: Json, status: int, answer: Json, fault: Fault = Fault.NONE) -> web.Response:
        self._log(name, args, status, answer, fault)
        headers = {"X-OAuth-Scopes": ",".join(sorted(self._site.scopes))}
        return web.json_response(answer, status=status, headers=headers)

    def _log(self, name: str, args: Json, status: int, answer: Json, fault: Fault) -> None:
        kept = {key: value for key, value in args.items() if key != "token"}
        shown = "" if fault is Fault.NONE else fault.value
        self._site.calls.append(ApiCall(self._site.now(), name, kept, status, answer, shown))
        self._site.workspace.journal.ring()


def cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def token_of(request: web.Request, args: Mapping[str, Any]) -> str:
    header = request.headers.get("Authorization", "")
    return header.removeprefix("Bearer ").strip() or str(args.get("token", ""))


def authorize(site: Site, method: Method, token: str) -> None:
    if method.token == "none":
        return
    if not token:
        raise ApiError("not_authed")
    if token not in {site.bot_token, site.app_token}:
        raise ApiError("invalid_auth")
    if (token == site.app_token) != (method.token == "app"):
        raise ApiError("not_allowed_token_type")
    if site.token_trouble:
        raise ApiError(site.token_trouble)
    if method.scope and method.scope not in site.scopes:
        raise ApiError("missing_scope", needed=method.scope, provided=",".join(sorted(site.scopes)))


async def read_args(request: web.Request) -> Json:
    """Read arguments from query, form or JSON; in a form, structured arguments are JSON texts."""
    args: Json = dict(request.query)
    if request.content_type == "application/json":
        try:
            body = await request.json()
        except ValueError:
            body = None
        return args | body if isinstance(body, dict) else args
    form = await request.post()
    args |= {name: value for name, value in form.items() if isinstance(value, str)}
    return {name: _structured(name, value) for name, value in args.items()}


def _structured(name: str, value: Any) -> Any:
    if name not in STRUCTURED or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
