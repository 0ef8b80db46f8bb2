"""Faults of an API server that tests switch on and off while it runs."""

import asyncio
from collections.abc import Callable
from enum import Enum

from aiohttp import web

Which = Callable[[web.Request], bool]
_BAD_GATEWAY = (
    "<html>\n<head><title>502 Bad Gateway</title></head>\n<body>\n<h1>502 Bad Gateway</h1>\n</body>\n</html>\n"
)


class Trouble(Enum):
    """Kinds of faults. Each applies before the request is processed, unless stated otherwise."""

    HANG = "no answer until cleared"
    SLOW = "an answer after `slow_seconds`"
    THROTTLED = "429 as text, with Retry-After"
    BAD_GATEWAY = "502 from a proxy, as HTML"
    BROKEN = "500 as a Status"
    RESET = "the connection is reset"
    LOST_ANSWER = "done, but the connection is reset before the answer"
    EXPIRED_WATCH = "a watch from any revision is too old"
    TRUNCATED_WATCH = "a watch ends in the middle of its next line"


def any_request(_: web.Request) -> bool:
    return True


class Faults:
    """`forbidden`: kinds (plurals) refused to every user; `absent`: kinds or groups that are not installed."""

    def __init__(self) -> None:
        self.slow_seconds = 1.0
        self.retry_after = 1
        self.forbidden: set[str] = set()
        self.absent: set[str] = set()
        self._on: dict[Trouble, tuple[int | None, Which]] = {}
        self._cleared = asyncio.Event()

    def on(self, trouble: Trouble, *, times: int | None = None, which: Which = any_request) -> None:
        """Add a fault, for `times` requests or without end; `which` selects the requests."""
        self._on[trouble] = (times, which)

    def clear(self, trouble: Trouble | None = None) -> None:
        """Remove one fault, or all with `forbidden` and `absent`."""
        if trouble is None:
            self._on.clear()
            self.forbidden.clear()
            self.absent.clear()
        else:
            self._on.pop(trouble, None)
        self._cleared.set()
        self._cleared = asyncio.Event()

    def strikes(self, trouble: Trouble, request: web.Request) -> bool:
        """Return whether the fault applies to this request, and count it."""
        times, which = self._on.get(trouble, (0, any_request))
        if times == 0 or not which(request):
            return False
        if times is not None:
            self._on[trouble] = (times - 1, which)
        return True

    async def before(self, request: web.Request) -> web.StreamResponse | None:
        """Return an answer instead of the server's, or None."""
        if self.strikes(Trouble.RESET, request):
            return reset(request)
        if self.strikes(Trouble.HANG, request):
            await self._cleared.wait()
        if self.strikes(Trouble.SLOW, request):
            await asyncio.sleep(self.slow_seconds)
        if self.strikes(Trouble.THROTTLED, request):
            headers = {"Retry-After": str(self.retry_after)}
            return web.Response(status=429, text="Too many requests, please try again later.\n", headers=headers)
        if self.strikes(Trouble.BAD_GATEWAY, request):
            return web.Response(status=502, text=_BAD_GATEWAY, content_type="text/html")
        return None

    def lacks(self, group: str, plural: str) -> bool:
        return not self.absent.isdisjoint({group, plural})


def reset(request: web.Request) -> web.StreamResponse:
    """Cut the connection; the returned response is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
