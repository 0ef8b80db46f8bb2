"""Progress of a run: patched at most once a second, and only when it changed."""

from sandbox.velero.server import Server

BEAT = 1.0


class Progress:
    def __init__(self, server: Server, resource: str, name: str, field: str, total: int) -> None:
        self._server = server
        self._resource = resource
        self._name = name
        self._field = field
        self._debt = 0.0
        self._told: tuple[int, int] | None = None
        self.done = 0
        self.total = total

    def json(self) -> dict[str, int]:
        counted = {self._field: self.done, "totalItems": self.total}
        return {name: number for name, number in counted.items() if number}

    def tell(self) -> None:
        if self._told == (self.done, self.total):
            return
        self._told = (self.done, self.total)
        self._server.patch(self._resource, self._name, status={"progress": self.json()})

    async def spend(self, seconds: float) -> None:
        """Wait as long as the work takes, in whole seconds of progress."""
        self._debt += seconds
        while self._debt >= BEAT:
            await self._server.clock.sleep(BEAT)
            self._debt -= BEAT
            self.tell()

    async def settle(self) -> None:
        rest, self._debt = self._debt, 0.0
        await self._server.clock.sleep(rest)
