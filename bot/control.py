"""The control socket in the data directory: terminal commands that change a running bot's state go through it, so that
there is one writer. One JSON object a line in, one a line out; whoever may open the directory may ask.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from domain.errors import ChatopsError, NotFound, Refused
from domain.json_types import Json
from velero.documents import MANIFEST_BOUNDS, MESSAGE_BOUNDS, BadDocument, read_json

NAME = "control.sock"
MAX_LINE = 64 * 1024
CONTROL_TIMEOUT_S = 60.0

ControlAction = Callable[[Mapping[str, Any]], Awaitable[Json]]
"""Arguments → what is told. Raises ChatopsError with what the person reads."""


class Control:
    """`acts` by name. The caller holds the directory's lock: a socket that is there is a dead one's."""

    def __init__(self, data_dir: Path, acts: Mapping[str, ControlAction]) -> None:
        self._path = data_dir / NAME
        self._acts = acts
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        with suppress(FileNotFoundError):
            self._path.unlink()
        bound = socket.socket(socket.AF_UNIX)
        with _short(self._path) as name:
            bound.bind(name)
        self._path.chmod(0o600)
        self._server = await asyncio.start_unix_server(self._serve, sock=bound, limit=MAX_LINE)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        with suppress(FileNotFoundError):
            self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            writer.write(json.dumps(await self._answer(line), default=str).encode() + b"\n")
            await writer.drain()
        except (OSError, ValueError):
            pass
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, line: bytes) -> Json:
        try:
            asked = read_json(line, MESSAGE_BOUNDS)
        except BadDocument:
            return _no(Refused("The request isn't valid JSON."))
        if not isinstance(asked, dict) or not isinstance(asked.get("do"), str):
            return _no(
                Refused("`do` is missing or isn't a string.", why=f"Allowed values: {', '.join(sorted(self._acts))}.")
            )
        act = self._acts.get(asked["do"])
        if act is None:
            return _no(NotFound(f"Unknown action `{asked['do']}`.", nearest=tuple(sorted(self._acts))))
        try:
            return {"ok": True, **await act(asked)}
        except ChatopsError as error:
            return _no(error)


def _no(error: ChatopsError) -> Json:
    return {"ok": False, "text": error.text, "why": error.why, "nearest": list(error.nearest), "fix": error.fix}


def call_running_bot(data_dir: Path, do: str, **arguments: object) -> Json:
    """What the running bot says. Raises Refused with its words, or where no bot runs on this directory."""
    try:
        answer = _talk(data_dir / NAME, json.dumps({"do": do, **arguments}).encode() + b"\n")
    except (OSError, ValueError):
        raise Refused(
            f"No running bot uses the data directory {data_dir}.",
            why="This command is carried out by the running bot.",
            fix="Start the bot, or pass the right --data-dir.",
        ) from None
    if not answer.get("ok"):
        nearest = tuple(map(str, answer.get("nearest") or ()))
        raise Refused(str(answer.get("text", "")), why=str(answer.get("why", "")), nearest=nearest)
    return answer


def _talk(path: Path, line: bytes) -> Json:
    with socket.socket(socket.AF_UNIX) as client, _short(path) as name:
        client.settimeout(CONTROL_TIMEOUT_S)
        client.connect(name)
        client.sendall(line)
        with client.makefile("rb") as answers:
            answer = read_json(answers.readline(4 * MAX_LINE), MANIFEST_BOUNDS)
    if not isinstance(answer, dict):
        raise ValueError("not an answer")  # noqa: TRY004 - one kind of fault for all that is no answer
    return answer


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """A socket's name holds about a hundred bytes; a directory's descriptor makes any path short."""
    if len(os.fsencode(path)) < 100:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
