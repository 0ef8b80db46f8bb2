"""api.test, auth.test, apps.*, reactions.*, blocks.validate."""

from __future__ import annotations

import secrets
from typing import Any

from domain.json_types import Json
from sandbox.slack.api.call import ApiError, Call, Method
from sandbox.slack.blockkit.check import check_blocks, check_view
from sandbox.slack.records import Message


def api_test(call: Call) -> Json:
    args = {key: value for key, value in call.args.items() if key != "token"}
    if error := call.get("error"):
        raise ApiError(str(error), args=args)
    return {"ok": True, "args": args}


def auth_test(call: Call) -> Json:
    workspace = call.workspace
    return {
        "ok": True,
        "url": f"{call.site.base_url}/",
        "team": workspace.domain,
        "user": workspace.bot.name,
        "team_id": workspace.team_id,
        "user_id": workspace.bot.id,
        "bot_id": workspace.bot_id,
        "is_enterprise_install": False,
    }


def connections_open(call: Call) -> Json:
    ticket = secrets.token_urlsafe(12)
    call.site.tickets[ticket] = False
    address = call.site.base_url.replace("http", "ws", 1)
    return {"ok": True, "url": f"{address}/link/?ticket={ticket}&app_id={call.workspace.app_id}"}


def add_reaction(call: Call) -> Json:
    message, mine = _reacted(call)
    if mine in message.reactions:
        raise ApiError("already_reacted")
    call.workspace.update(message, reactions=(*message.reactions, mine))
    return {"ok": True}


def remove_reaction(call: Call) -> Json:
    message, mine = _reacted(call)
    if mine not in message.reactions:
        raise ApiError("no_reaction")
    call.workspace.update(message, reactions=tuple(one for one in message.reactions if one != mine))
    return {"ok": True}


def _reacted(call: Call) -> tuple[Message, tuple[str, str]]:
    name = str(call.need("name", "invalid_name")).strip(":")
    message = call.channel().messages.get(call.need("timestamp", "message_not_found"))
    if message is None:
        raise ApiError("message_not_found")
    return message, (name, call.workspace.bot.id)


def validate(call: Call) -> Json:
    """Validate exactly one of blocks, view and message; it needs no token."""
    given = {name: call.get(name) for name in ("blocks", "view", "message") if call.get(name) is not None}
    if len(given) != 1:
        raise ApiError("invalid_arguments")
    name, value = next(iter(given.items()))
    problems = list(check_view(value) if name == "view" else check_blocks(_blocks(name, value)))
    if problems:
        told = [{"code": p.code, "message": p.message, "pointer": p.pointer} for p in problems]
        raise ApiError("invalid_blocks", errors=told)
    return {"ok": True}


def _blocks(name: str, value: Any) -> Any:
    return value.get("blocks") if name == "message" and isinstance(value, dict) else value


METHODS = {
    "api.test": Method(api_test, "", 600, "none"),
    "auth.test": Method(auth_test, "", 600),
    "apps.connections.open": Method(connections_open, "", 50, "app"),
    "reactions.add": Method(add_reaction, "reactions:write", 50),
    "reactions.remove": Method(remove_reaction, "reactions:write", 50),
    "blocks.validate": Method(validate, "", 100, "none"),
}
