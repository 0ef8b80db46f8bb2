"""A scenario that takes minutes: its parts run one after another next to other tests, and each test waits for one part."""

import asyncio


class Story:
    """`PARTS` names its methods in order; `seen` returns what a failure shows."""

    PARTS: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.parts: dict[str, asyncio.Future[None]] = {
            name: asyncio.get_running_loop().create_future() for name in self.PARTS
        }

    async def seen(self) -> object:
        raise NotImplementedError

    async def _seen(self) -> object:
        try:
            return await self.seen()
        except Exception as error:
            return error

    async def run(self) -> None:
        for name, part in self.parts.items():
            try:
                await getattr(self, name)()
            except (Exception, asyncio.CancelledError) as error:
                fault = AssertionError(f"{name}: {error!r}; seen: {await self._seen()}")
                for waiting in self.parts.values():
                    if not waiting.done():
                        waiting.set_exception(fault)
                        waiting.exception()  # a part without a waiting test must not warn
                raise
            part.set_result(None)
