"""The object store that clusters share: buckets in memory, presigned downloads over HTTP, faults on demand."""

import hashlib
import hmac
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

from aiohttp import hdrs, web

from sandbox.clock import Clock

SIGNED_FOR = timedelta(minutes=10)
STAMP = "%Y%m%dT%H%M%SZ"
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Faults:
    """Faults of a bucket; `huge` and `bomb` set the size in bytes of every download."""

    unavailable: bool = False
    delay: float = 0.0
    huge: int = 0
    bomb: int = 0


Content = bytes | Callable[[], bytes]


@dataclass(slots=True)
class Bucket:
    name: str
    faults: Faults = Faults()
    revision: int = 0
    listeners: list[Callable[[], None]] = field(default_factory=list)
    _objects: dict[str, Content] = field(default_factory=dict)
    _children: dict[str, Counter[str]] = field(default_factory=dict)

    def put(self, key: str, content: Content) -> None:
        """Store bytes, or a function that creates them on the first read."""
        if key not in self._objects:
            self._count(key, 1)
        self._objects[key] = content
        self._changed()

    def _changed(self) -> None:
        self.revision += 1
        for listener in self.listeners:
            listener()

    def get(self, key: str) -> bytes | None:
        content = self._objects.get(key)
        return content() if callable(content) else content

    def __contains__(self, key: str) -> bool:
        return key in self._objects

    def keys(self, prefix: str = "") -> list[str]:
        return sorted(key for key in self._objects if key.startswith(prefix))

    def directories(self, prefix: str = "") -> Iterator[str]:
        """Return the names directly under the prefix, which is empty or ends in a slash."""
        yield from tuple(self._children.get(prefix, ()))

    def _count(self, key: str, change: int) -> None:
        parts = key.split("/")
        for depth, name in enumerate(parts[:-1]):
            children = self._children.setdefault("".join(f"{part}/" for part in parts[:depth]), Counter())
            children[name] += change
            if not children[name]:
                del children[name]

    def delete(self, key: str) -> None:
        if self._objects.pop(key, None) is not None:
            self._count(key, -1)
            self._changed()

    def delete_under(self, prefix: str) -> None:
        for key in self.keys(prefix):
            self.delete(key)

    def fail(self, faults: Faults = Faults()) -> None:
        """Set faults, such as `fail(Faults(unavailable=True))`; `fail()` removes them."""
        self.faults = faults
        self._changed()


class Buckets:
    """Buckets by name, and the HTTP server for their downloads."""

    def __init__(self, clock: Clock, *, secret: bytes = b"object-store") -> None:
        self._clock = clock
        self._secret = secret
        self._buckets: dict[str, Bucket] = {}
        self._runner: web.AppRunner | None = None
        self.listeners: list[Callable[[], None]] = []
        self.url = "http://127.0.0.1:9000"

    def create(self, name: str) -> Bucket:
        return self._buckets.setdefault(name, Bucket(name, listeners=self.listeners))

    def find(self, name: str) -> Bucket | None:
        return self._buckets.get(name)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        app = web.Application()
        app.router.add_route("*", "/{bucket}/{key:.+}", self._serve)
        app.on_response_prepare.append(_bare)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        self.url = f"http://{host}:{self._runner.addresses[0][1]}"
        return self.url

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def presign(self, bucket: str, key: str, *, endpoint: str | None = None) -> str:
        """Return a link to one object, valid for ten minutes. Signing needs no network, so dead endpoints get links too."""
        stamp = self._clock.now().astimezone(UTC).strftime(STAMP)
        expires = str(int(SIGNED_FOR.total_seconds()))
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"sandbox/{stamp[:8]}/us-east-1/s3/aws4_request",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": expires,
            "X-Amz-SignedHeaders": "host",
            "x-id": "GetObject",
            "X-Amz-Signature": self._signature(bucket, key, stamp, expires),
        }
        return f"{(endpoint or self.url).rstrip('/')}/{bucket}/{quote(key)}?{urlencode(query)}"

    def _signature(self, bucket: str, key: str, stamp: str, expires: str) -> str:
        text = f"GET\n{bucket}\n{key}\n{stamp}\n{expires}"
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        name, key = request.match_info["bucket"], request.match_info["key"]
        if (refused := self._refusal(request, name, key)) is not None:
            return refused
        bucket = self._buckets.get(name)
        if bucket is None:
            return _xml(404, "NoSuchBucket", "The specified bucket does not exist", BucketName=name)
        if bucket.faults.unavailable:
            return _hang_up(request)
        if bucket.faults.delay:
            await self._clock.sleep(bucket.faults.delay)
        if (content := bucket.get(key)) is None:
            return _xml(404, "NoSuchKey", "The specified key does not exist.", Key=key)
        if bucket.faults.huge or bucket.faults.bomb:
            return await _flood(request, bucket.faults)
        return web.Response(body=content)

    def _refusal(self, request: web.Request, bucket: str, key: str) -> web.Response | None:
        query = request.query
        stamp, expires = query.get("X-Amz-Date", ""), query.get("X-Amz-Expires", "")
        expected = self._signature(bucket, key, stamp, expires)
        if request.method != "GET" or not hmac.compare_digest(expected, query.get("X-Amz-Signature", "")):
            text = "The request signature we calculated does not match the signature you provided."
            return _xml(403, "SignatureDoesNotMatch", text)
        signed = datetime.strptime(stamp, STAMP).replace(tzinfo=UTC)
        if self._clock.now() > signed + timedelta(seconds=int(expires)):
            return _xml(403, "AccessDenied", "Request has expired")
        return None


async def _bare(_request: web.Request, response: web.StreamResponse) -> None:
    """Objects are served without a content type, as Velero uploads them without one."""
    if response.content_type != "application/xml":
        response.headers.popall(hdrs.CONTENT_TYPE, None)


def _xml(status: int, code: str, message: str, **details: str) -> web.Response:
    rest = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in details.items())
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{escape(message)}</Message>{rest}"
        "<RequestId>sandbox</RequestId></Error>"
    )
    return web.Response(status=status, text=body, content_type="application/xml")


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)


async def _flood(request: web.Request, faults: Faults) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    try:
        async for chunk in _zeros(faults.huge) if faults.huge else _bomb(faults.bomb):
            await response.write(chunk)
    except ConnectionError:
        return response  # the reader closed the connection
    await response.write_eof()
    return response


async def _zeros(size: int) -> AsyncIterator[bytes]:
    for start in range(0, size, CHUNK):
        yield bytes(min(CHUNK, size - start))


async def _bomb(size: int) -> AsyncIterator[bytes]:
    """Return a small gzip that unpacks to `size` bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    async for chunk in _zeros(size):
        yield packer.compress(chunk)
    yield packer.flush()
