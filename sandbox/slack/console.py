"""The emulator's API for the page: one person's view and actions as JSON, changes by server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from domain.json_types import Json
from sandbox.slack.acts import Acts
from sandbox.slack.delivery import Ack
from sandbox.slack.journal import Journal
from sandbox.slack.person import Person, unfilled
from sandbox.slack.records import Message, User
from sandbox.slack.shown import message_json
from sandbox.slack.site import Site
from sandbox.slack.views import View
from sandbox.slack.words import Control, controls

PAGE = Path(__file__).parent / "page"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:"
SETTLE = 0.05  # A burst of changes causes one redraw.


class Console:
    def __init__(self, site: Site, acts: Acts, journal: Journal, person: Callable[[str], Person]) -> None:
        self._site, self._acts, self._journal, self._person = site, acts, journal, person
        self._closing = False
        self._actions: Mapping[str, Callable[[Person, Json], Awaitable[Any]]] = {
            "say": self._say,
            "press": self._press,
            "submit": self._submit,
            "close": self._close,
            "suggest": self._suggest,
            "home": self._home,
        }

    def routes(self, app: web.Application) -> None:
        app.router.add_get("/", self._page)
        app.router.add_get("/page/{name}", self._page)
        app.router.add_get("/files/{id}/{name}", self._file)
        app.router.add_get("/console/state", self._state)
        app.router.add_get("/console/changes", self._changes)
        app.router.add_post("/console/{action}", self._act)

    def close(self) -> None:
        self._closing = True
        self._journal.ring()

    # out

    async def _page(self, request: web.Request) -> web.StreamResponse:
        refuse_strangers(request)
        file = PAGE / Path(request.match_info.get("name", "index.html")).name
        if not file.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(file, headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-store"})

    async def _file(self, request: web.Request) -> web.Response:
        refuse_strangers(request)
        file = self._site.workspace.files.get(request.match_info["id"])
        if file is None or file.content is None:
            raise web.HTTPNotFound
        headers = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}
        return web.Response(body=file.content, content_type="application/octet-stream", headers=headers)

    async def _state(self, request: web.Request) -> web.Response:
        refuse_strangers(request)
        people = [user for user in self._site.workspace.users.values() if not user.is_bot and not user.deleted]
        me = self._site.workspace.users.get(request.query.get("user", ""), people[0])
        return web.json_response(self._seen_by(me, people))

    def _seen_by(self, me: User, people: list[User]) -> Json:
        site, stack = self._site, self._site.views.stacks.get(me.id, [])
        home = site.views.homes.get(me.id)
        return {
            "me": me.id,
            "bot": {"id": site.workspace.bot.id, "name": site.workspace.bot.name},
            "people": [{"id": user.id, "name": user.name, "real_name": user.real_name} for user in people],
            "groups": {group.id: group.handle for group in site.workspace.groups.values()},
            "channels": self._channels(me),
            "form": self._form(stack[-1]) if stack else None,
            "home": {"id": home.id, "blocks": home.blocks} if home else None,
        }

    def _channels(self, me: User) -> list[Json]:
        workspace = self._site.workspace
        workspace.direct(me.id)
        shown = []
        for channel in workspace.channels.values():
            if me.id not in channel.members and channel.is_private:
                continue
            seen = self._person(me.name).sees(channel.id)[-200:]
            name = workspace.bot.name if channel.is_im else channel.name
            kept = {"id": channel.id, "name": name, "private": channel.is_private, "im": channel.is_im}
            member = workspace.bot.id in channel.members
            shown.append({**kept, "bot": member, "messages": [self._message(message) for message in seen]})
        return shown

    def _message(self, message: Message) -> Json:
        return message_json(self._site.workspace, message) | {"ephemeral": message.ephemeral_for is not None}

    def _form(self, view: View) -> Json:
        return self._site.views.json(view) | {"errors": view.errors, "trouble": view.trouble}

    async def _changes(self, request: web.Request) -> web.StreamResponse:
        """Send one line per burst of changes; the page then reads the state."""
        refuse_strangers(request)
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await stream.prepare(request)
        while not self._closing:
            await stream.write(f"data: {len(self._journal.entries)}\n\n".encode())
            await self._journal.changed()
            await asyncio.sleep(SETTLE)
        return stream

    # in

    async def _act(self, request: web.Request) -> web.Response:
        refuse_strangers(request)
        action = self._actions.get(request.match_info["action"])
        if action is None or request.content_type != "application/json":
            raise web.HTTPNotFound
        body = await request.json()
        try:
            answer = await action(self._person(self._site.workspace.users[body["user"]].name), body)
        except LookupError as missing:
            raise web.HTTPBadRequest(text=json.dumps({"trouble": str(missing)})) from None
        return web.json_response(answer)

    async def _say(self, person: Person, body: Json) -> Json:
        channel, text = self._site.workspace.channels[body["channel"]], str(body["text"])
        if text.startswith("/"):
            return _told(await self._acts.command(person.user, channel, text))
        _, ack = await self._acts.say(person.user, channel, text, body.get("thread"))
        return _told(ack)

    def _find(self, person: Person, body: Json) -> tuple[Message | View, Control]:
        place: Message | View | None
        if body.get("view"):
            place = self._site.views.find(str(body["view"]))
        else:
            place = self._site.workspace.find(str(body["channel"]), str(body["ts"]))
        if place is None or (isinstance(place, View) and place.user != person.id):
            raise LookupError("This message no longer exists.")
        for control in controls(place.blocks):
            if control.block.get("block_id") == body["block"] and control.action_id == body["action"]:
                return place, control
        raise LookupError("This button no longer exists.")

    async def _press(self, person: Person, body: Json) -> Json:
        place, control = self._find(person, body)
        return _told(await self._acts.press(person.user, place, control, body.get("chosen")))

    async def _suggest(self, person: Person, body: Json) -> Json:
        place, control = self._find(person, body)
        return {"options": await self._acts.suggest(person.user, place, control, str(body.get("typed", "")))}

    async def _submit(self, person: Person, body: Json) -> Json:
        view = person.form
        if view is None or view.id != body["view"]:
            raise LookupError("This form is closed.")
        values = {f"{block}": value for block, value in dict(body["values"]).items()}
        person.fills(view, values)
        if missing := unfilled(view):
            return {"trouble": f"Required: {', '.join(missing)}"}
        return _told(await self._acts.submit(person.user, view))

    async def _close(self, person: Person, body: Json) -> Json:
        if person.form is not None and person.form.id == body["view"]:
            await self._acts.close_view(person.user, person.form, everything=bool(body.get("everything")))
        return {}

    async def _home(self, person: Person, _body: Json) -> Json:
        return _told(await self._acts.open_home(person.user))


def _told(ack: Ack) -> Json:
    if ack.error == "operation_timeout":
        return {"trouble": "The bot didn't respond within 3 seconds (operation_timeout)."}
    if ack.error:
        return {"trouble": f"The bot rejected the request ({ack.error}, HTTP {ack.status or 'no response'})."}
    return {"elapsed": round(ack.elapsed * 1000)}


def refuse_strangers(request: web.Request) -> None:
    """Refuse requests from other origins: another site in the same browser must not act here."""
    origin = request.headers.get("Origin")
    host = urlsplit(f"//{request.host}").hostname
    if host not in LOOPBACK or (origin is not None and urlsplit(origin).netloc != request.host):
        raise web.HTTPForbidden(text="Requests from other origins aren't allowed.")
