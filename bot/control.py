"""The control socket in the data directory: terminal commands change a running bot's state through it.

The database has one writer, the bot's process. The protocol is one JSON object per line, request and response. Access is
controlled by the permissions of the data directory.
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

SOCKET_NAME = "control.sock"
MAX_REQUEST_BYTES = 64 * 1024
CONTROL_TIMEOUT_S = 60.0

ControlAction = Callable[[Mapping[str, Any]], Awaitable[Json]]
"""Takes the arguments, returns the response. Raises ChatopsError."""


class Control:
    """`actions` by name. The caller holds the directory's lock, so an existing socket belongs to a dead process."""

    def __init__(self, data_dir: Path, actions: Mapping[str, ControlAction]) -> None:
        self._path = data_dir / SOCKET_NAME
        self._actions = actions
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        with suppress(FileNotFoundError):
            self._path.unlink()
        listener = socket.socket(socket.AF_UNIX)
        with _short(self._path) as name:
            listener.bind(name)
        self._path.chmod(0o600)
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=MAX_REQUEST_BYTES)

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
            request = read_json(line, MESSAGE_BOUNDS)
        except BadDocument:
            return _refusal(Refused("The request isn't valid JSON."))
        if not isinstance(request, dict) or not isinstance(request.get("do"), str):
            return _refusal(
                Refused(
                    "`do` is missing or isn't a string.", why=f"Allowed values: {', '.join(sorted(self._actions))}."
                )
            )
        action = self._actions.get(request["do"])
        if action is None:
            return _refusal(NotFound(f"Unknown action `{request['do']}`.", nearest=tuple(sorted(self._actions))))
        try:
            return {"ok": True, **await action(request)}
        except ChatopsError as error:
            return _refusal(error)


def _refusal(error: ChatopsError) -> Json:
    return {"ok": False, "text": error.text, "why": error.why, "nearest": list(error.nearest), "fix": error.fix}


def call_running_bot(data_dir: Path, do: str, **arguments: object) -> Json:
    """Return the response of the running bot. Raises Refused if the bot refuses, or if no bot uses this directory."""
    try:
        answer = _talk(data_dir / SOCKET_NAME, json.dumps({"do": do, **arguments}).encode() + b"\n")
    except (OSError, ValueError):
        raise Refused(
            f"No running bot uses the data directory {data_dir}.",
            why="This command needs a running bot.",
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
            answer = read_json(answers.readline(4 * MAX_REQUEST_BYTES), MANIFEST_BOUNDS)
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
