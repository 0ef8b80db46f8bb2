"""Sends answers to one person: by response URL, ephemeral message or direct message; answers are not stored.

A file goes into a channel only where the channel's own scope covers what it tells; else to the person directly.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from domain.actor import Actor, ActorKind, Origin
from domain.answer import Answer, Attachment
from domain.errors import NotAccepted
from notifier.deliver.rate_limit import RESPONSE, RateLimiter
from notifier.render import limits
from notifier.render.answers import Rendered, render
from notifier.render.escape import escape

log = logging.getLogger(__name__)

TIMEOUT = aiohttp.ClientTimeout(total=10)
UPLOAD_TIMEOUT = aiohttp.ClientTimeout(total=30)
FAULTS = (SlackApiError, aiohttp.ClientError, TimeoutError, OSError)


class AnswerSender:
    """`covers(channel, namespaces)`: may this be shown to all who read that channel? `files`: may files be given at all?"""

    def __init__(
        self,
        client: AsyncWebClient,
        session: aiohttp.ClientSession,
        limiter: RateLimiter,
        response_hosts: Callable[[], Sequence[str]],
        covers: Callable[[str, frozenset[str]], bool],
        files: Callable[[], bool],
    ) -> None:
        self._client = client
        self._session = session
        self._limiter = limiter
        self._hosts = response_hosts
        self._covers = covers
        self._files = files

    async def send(self, origin: Origin, actor: Actor, answer: Answer) -> None:
        """Try each way in order. Never raises: failures are logged."""
        if actor.kind is not ActorKind.PERSON:
            return
        rendered = render(answer)
        if rendered.files and not self._files():
            rendered = without_files(rendered)
        said = await self._respond(origin, rendered) or await self._whisper(origin, actor, rendered)
        if not said:
            await self._write_to(actor, rendered)
        for file in rendered.files:
            await self._file(origin, actor, answer, file)

    async def _respond(self, origin: Origin, rendered: Rendered) -> bool:
        if not origin.response_url or not self._allowed(origin.response_url):
            return False
        body = {
            "response_type": "ephemeral",
            "replace_original": False,
            "text": rendered.text,
            "blocks": [*rendered.blocks],
        }
        try:
            token = await self._limiter.token(RESPONSE)
        except NotAccepted:
            return False
        try:
            async with self._session.post(
                origin.response_url, json=body, timeout=TIMEOUT, allow_redirects=False
            ) as answer:
                return answer.status == 200
        except FAULTS:
            log.info("a response address did not take the answer")
            return False
        finally:
            self._limiter.done(token)

    def _allowed(self, url: str) -> bool:
        parts = urlsplit(url)
        host = parts.hostname or ""
        own = {host, f"{host}:{parts.port}"} & set(self._hosts())
        slack = parts.scheme == "https" and (host == "slack.com" or host.endswith((".slack.com", ".slack-gov.com")))
        return bool(own) or slack

    async def _whisper(self, origin: Origin, actor: Actor, rendered: Rendered) -> bool:
        if not origin.channel:
            return False
        try:
            await self._client.chat_postEphemeral(
                channel=origin.channel,
                user=actor.id,
                text=rendered.text,
                blocks=[*rendered.blocks],
                thread_ts=origin.thread or None,
            )
        except FAULTS as error:
            log.info("could not whisper: %s", _code(error))
            return False
        return True

    async def _write_to(self, actor: Actor, rendered: Rendered) -> None:
        try:
            channel = await self._direct(actor)
            await self._client.chat_postMessage(channel=channel, text=rendered.text, blocks=[*rendered.blocks])
        except FAULTS as error:
            log.warning("an answer couldn't be sent: %s", _code(error))

    async def _direct(self, actor: Actor) -> str:
        opened = await self._client.conversations_open(users=[actor.id])
        return str((opened.get("channel") or {}).get("id") or actor.id)

    async def _file(self, origin: Origin, actor: Actor, answer: Answer, file: Attachment) -> None:
        everything = answer.namespaces or frozenset({"*"})
        public = bool(origin.channel) and self._covers(origin.channel, everything)
        try:
            channel = origin.channel if public else await self._direct(actor)
            thread = origin.thread if public and origin.thread else None
            await self._client.files_completeUploadExternal(
                files=[{"id": await self._upload(file), "title": file.title or file.filename}],
                channel_id=channel,
                initial_comment=file_comment(file, answer, actor),
                thread_ts=thread,
            )
        except FAULTS as error:
            log.warning("a file could not be given: %s", _code(error))

    async def _upload(self, file: Attachment) -> str:
        """Return the file's id. The SDK's own upload gives the socket the whole file at once, which blocks the loop."""
        body = (file.body or " ").encode(errors="replace")
        opened = await self._client.files_getUploadURLExternal(filename=file.filename, length=len(body))
        async with self._session.post(
            str(opened["upload_url"]),
            data=BytesIO(body),
            timeout=UPLOAD_TIMEOUT,
            proxy=self._client.proxy,
            ssl=self._client.ssl or True,
            raise_for_status=True,
        ):
            return str(opened["file_id"])


def file_comment(file: Attachment, answer: Answer, actor: Actor) -> str:
    """The text above a file: other readers of the channel haven't seen the command."""
    parts = [file.title or answer.headline, answer.cluster, f"for {actor.name}", answer.reference]
    return limits.cut(escape(" · ".join(part for part in parts if part)), limits.SECTION)


def without_files(rendered: Rendered) -> Rendered:
    names = ", ".join(file.filename for file in rendered.files)
    note = f"Not shown: {names}. File uploads are turned off (slack.files)."
    blocks = limits.bounded([*rendered.blocks, limits.context(escape(note))])
    return replace(rendered, text=f"{rendered.text}\n{note}", blocks=tuple(blocks), files=())


def _code(fault: Exception) -> str:
    return str(fault.response.get("error")) if isinstance(fault, SlackApiError) else type(fault).__name__
