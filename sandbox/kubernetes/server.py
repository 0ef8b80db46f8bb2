"""The HTTP server over the objects: paths, verbs, options and answers as those of a real API server."""

import json
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from sandbox.kubernetes import auth, bodies, decoding, discovery, failures, patches, watch
from sandbox.kubernetes.auth import User
from sandbox.kubernetes.failures import ApiFailure
from sandbox.kubernetes.faults import Faults, Trouble, reset
from sandbox.kubernetes.listing import encode, list_answer, read_list_query
from sandbox.kubernetes.lists import Page
from sandbox.kubernetes.objects import Objects
from sandbox.kubernetes.schemas.kinds import Kind
from sandbox.kubernetes.target import Target, target

_LARGEST_BODY = 3 * 1024 * 1024
_NOT_FOUND = "404 page not found\n"
_EVERYWHERE = frozenset({"list", "watch", "deletecollection"})


@dataclass(frozen=True, slots=True)
class Seen:
    """A received request."""

    method: str
    path: str
    user: str


@dataclass(frozen=True, slots=True)
class _Call:
    request: web.Request
    target: Target
    kind: Kind

    @property
    def namespace(self) -> str | None:
        return self.target.namespace or None

    @property
    def place(self) -> tuple[str, str | None, str]:
        return self.kind.plural, self.namespace, self.target.name


class KubernetesEmulator:
    """An API server on 127.0.0.1. `tokens` (bearer token → user) and `faults` may be changed while it runs."""

    def __init__(
        self,
        objects: Objects,
        tokens: dict[str, User],
        *,
        bookmark_every: float = watch.BOOKMARK_EVERY,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.objects = objects
        self.tokens = tokens
        self.faults = Faults()
        self.watches = watch.Watches(objects, self.faults, bookmark_every=bookmark_every)
        self.seen: deque[Seen] = deque(maxlen=10_000)
        self.url = ""
        self._tls = tls
        self._port = 0
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> str:
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.5)
        await self._runner.setup()
        self._port = port
        await self.up()
        return self.url

    async def close(self) -> None:
        self.watches.end()
        self.faults.clear()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def down(self) -> None:
        """Refuse connections and cut the open ones, until `up`."""
        assert self._runner is not None
        for site in tuple(self._runner.sites):
            await site.stop()
        self._cut()

    async def up(self) -> None:
        assert self._runner is not None
        await web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self._tls, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    async def restart(self) -> None:
        """Behave as after a crash: connections are cut, and watches from before the current revision are too old."""
        await self.down()
        self.objects.forget_watches()
        await self.up()

    def _cut(self) -> None:
        self.watches.end(abruptly=True)
        assert self._runner is not None
        assert self._runner.server is not None
        for connection in self._runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if (instead := await self.faults.before(request)) is not None:
            return instead
        try:
            if self.faults.strikes(Trouble.BROKEN, request):
                raise failures.ApiFailure(500, "InternalError", "Internal error occurred: etcdserver: leader changed")
            answer = await self._dispatch(request)
        except ApiFailure as e:
            return _refused(e)
        if self.faults.strikes(Trouble.LOST_ANSWER, request):
            return reset(request)
        return answer

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        asked = target(request.method, request.path, request.query)
        user = auth.authenticate(request.headers.get("Authorization"), self.tokens)
        self.seen.append(Seen(request.method, request.path_qs, user.name))
        if asked is None:
            auth.authorize_path(user, request.method, request.path)
            return self._discovery(request)
        banned = asked.resource in self.faults.forbidden
        auth.authorize(User(user.name) if banned else user, _as_authorized(asked))
        if asked.group == "authorization.k8s.io":
            return await _review(request, asked, user)
        if (kind := self._kind(asked)) is None:
            return _nothing_here()
        call = _Call(request, asked, kind)
        if asked.subresource and (kind.custom or asked.subresource != "status"):
            raise failures.not_found(kind, asked.name)
        return await self._serve(call)

    def _discovery(self, request: web.Request) -> web.Response:
        kinds = [k for k in self.objects.kinds.values() if not self.faults.lacks(k.group, k.plural)]
        answer = discovery.answer(request.path, kinds)
        if answer is None:
            return _nothing_here()
        return web.Response(text=answer) if isinstance(answer, str) else _json(answer)

    def _kind(self, asked: Target) -> Kind | None:
        """Return the kind of a path, if it is served there."""
        for kind in self.objects.kinds.values():
            if (kind.group, kind.version, kind.plural) == (asked.group, asked.version, asked.resource):
                absent = self.faults.lacks(kind.group, kind.plural)
                return kind if _in_scope(kind, asked) and not absent else None
        return None

    async def _serve(self, call: _Call) -> web.StreamResponse:
        match call.target.verb:
            case "watch":
                query = watch.read_query(call.target, call.request.query)
                return await self.watches.serve(call.request, call.kind, query)
            case "list":
                return await self._list(call)
            case "get":
                return _encoded(self.objects.version(*call.place).encoded())
            case "create":
                return await self._create(call)
            case "update" | "patch":
                return await self._change(call)
            case "delete":
                return await self._delete(call)
            case _:
                return await self._delete_all(call)

    async def _list(self, call: _Call) -> web.Response:
        query = read_list_query(call.namespace, call.request.query)
        return _encoded(await list_answer(self.objects, call.kind, query))

    async def _create(self, call: _Call) -> web.Response:
        body = await decoding.object_of(call.request, call.kind)
        options, warnings = decoding.write_options(call.request.query, "CreateOptions"), _Warnings()
        created = self.objects.create(call.kind.plural, call.namespace, body, warn=warnings, **options)
        return _json(created, 201, warnings)

    async def _change(self, call: _Call) -> web.Response:
        patching = call.target.verb == "patch"
        options = decoding.write_options(call.request.query, "PatchOptions" if patching else "UpdateOptions")
        warnings = _Warnings()
        if not patching:
            body = await decoding.object_of(call.request, call.kind)
            return _json(self.objects.replace(*call.place, body, warn=warnings, **options), 200, warnings)
        content_type = call.request.content_type
        if content_type not in (accepted := bodies.patch_types(call.kind)):
            raise failures.unknown_media_type([*accepted, patches.APPLY])
        patch = await decoding.patch_of(call.request)
        changed = self.objects.patch(*call.place, patch, content_type=content_type, warn=warnings, **options)
        return _json(changed, 200, warnings)

    async def _delete(self, call: _Call) -> web.Response:
        return _json(self.objects.delete(*call.place, **await decoding.delete_options(call.request)))

    async def _delete_all(self, call: _Call) -> web.Response:
        options = await decoding.delete_options(call.request)
        versions = self.objects.list_page(
            call.kind.plural,
            call.namespace,
            label_selector=call.request.query.get("labelSelector"),
            field_selector=call.request.query.get("fieldSelector"),
        ).versions
        for version in versions:
            metadata = version.object["metadata"]
            self.objects.delete(call.kind.plural, metadata.get("namespace"), metadata["name"], **options)
        return _encoded(encode(call.kind, Page(versions, self.objects.revision)))


def _as_authorized(asked: Target) -> Target:
    """Return the target to authorize: a Namespace object is authorized inside itself."""
    return replace(asked, namespace=asked.name) if asked.resource == "namespaces" else asked


def _in_scope(kind: Kind, asked: Target) -> bool:
    if kind.namespaced == bool(asked.namespace):
        return True
    return kind.namespaced and asked.verb in _EVERYWHERE and not asked.name


class _Warnings(list[str]):
    """Collects warnings for the Warning header."""

    def __call__(self, text: str) -> None:
        self.append(text)


def _json(body: Mapping[str, Any], status: int = 200, warnings: "_Warnings | None" = None) -> web.Response:
    answer = _encoded(json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode(), status)
    for text in warnings or ():
        answer.headers.add("Warning", f"299 - {failures.quoted(text)}")
    return answer


def _encoded(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json")


def _refused(failure: ApiFailure) -> web.Response:
    answer = _json(failure.body(), failure.status)
    if seconds := (failure.details or {}).get("retryAfterSeconds"):
        answer.headers["Retry-After"] = str(seconds)
    return answer


def _nothing_here() -> web.Response:
    return web.Response(status=404, text=_NOT_FOUND)


async def _review(request: web.Request, asked: Target, user: User) -> web.Response:
    if asked.resource not in discovery.REVIEWS or request.method != "POST":
        return _nothing_here()
    review = auth.access_review if asked.resource == "selfsubjectaccessreviews" else auth.rules_review
    return _json(review(user, await decoding.patch_of(request)), 201)
