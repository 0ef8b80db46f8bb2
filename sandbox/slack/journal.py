"""All changes of the workspace in order; tests check it and the page follows it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TypeVar

from domain.json_types import Json

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    seq: int
    at: datetime
    kind: str
    data: Json


class NotSeen(AssertionError):
    """The condition wasn't met before the deadline."""


class Journal:
    def __init__(self, now: Callable[[], datetime], path: Path | None = None) -> None:
        self._now = now
        self._file: IO[str] | None = path.open("a", encoding="utf-8") if path else None
        self._bells: list[asyncio.Future[None]] = []
        self.entries: list[Entry] = []

    def append(self, kind: str, **data: object) -> Entry:
        entry = Entry(len(self.entries), self._now(), kind, data)
        self.entries.append(entry)
        self._keep(entry)
        self.ring()
        return entry

    def ring(self) -> None:
        """Wake all waiters, also those with conditions on state outside the workspace."""
        bells, self._bells = self._bells, []
        for bell in bells:
            if not bell.done():
                bell.set_result(None)

    def of(self, *kinds: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.kind in kinds]

    async def changed(self) -> None:
        bell = asyncio.get_running_loop().create_future()
        self._bells.append(bell)
        await bell

    async def eventually(self, condition: Callable[[], T], deadline: float = 5.0) -> T:
        """Return the condition's first truthy value; it is evaluated after each entry."""
        try:
            async with asyncio.timeout(deadline):
                while not (found := condition()):
                    await self.changed()
        except TimeoutError:
            raise NotSeen(f"not seen within {deadline} s; the last things that happened:\n{self.tail()}") from None
        return found

    def tail(self, count: int = 12) -> str:
        return "\n".join(f"  {e.seq} {e.kind} {_short(e.data)}" for e in self.entries[-count:])

    def close(self) -> None:
        if self._file:
            self._file.close()

    def _keep(self, entry: Entry) -> None:
        if self._file is None:
            return
        line = {"seq": entry.seq, "at": entry.at.isoformat(), "kind": entry.kind, "data": entry.data}
        self._file.write(json.dumps(line, default=str) + "\n")
        self._file.flush()


def _short(data: Json) -> str:
    return json.dumps(data, default=str, ensure_ascii=False)[:300]
