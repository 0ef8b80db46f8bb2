"""A story that takes minutes: told part after part while other tests go on; each test waits for its own part."""

import asyncio


class Story:
    """`PARTS` are the names of its methods, in order; `seen` is what a failure shows."""

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
                        waiting.exception()  # nobody may be waiting for it
                raise
            part.set_result(None)
