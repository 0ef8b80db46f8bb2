"""Handles the bot's acknowledgement: shows it, closes a form, or reports that the app failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.json_types import Json
from sandbox.slack.blockkit.check import check_blocks, check_view
from sandbox.slack.delivery import Ack
from sandbox.slack.records import Message
from sandbox.slack.site import Site
from sandbox.slack.triggers import Hook
from sandbox.slack.views import DEEPEST, View, named_blocks

SLACKBOT = "USLACKBOT"
CONNECTION_TROUBLE = "We had some trouble connecting. Try again?"


def tell_failure(site: Site, user: str, channel: str, what: str, error: str) -> None:
    text = f"{what} failed with the error “{error}”"
    site.workspace.post_ephemeral(channel, user, text, user=SLACKBOT)


def show_command_answer(site: Site, user: str, channel: str, command: str, ack: Ack) -> None:
    if ack.error:
        tell_failure(site, user, channel, command, ack.error)
        return
    body = ack.body if isinstance(ack.body, dict) else {"text": ack.body or ""}
    if error := content_error(body):
        if error != "no_text":
            tell_failure(site, user, channel, command, "invalid_command_response")
        return
    _show(site, Hook(user, channel, site.now()), body, thread=None)


def content_error(body: Mapping[str, Any]) -> str:
    """Return the errors of a message sent by an acknowledgement or a response URL."""
    blocks = body.get("blocks") or []
    if not body.get("text") and not blocks and not body.get("attachments"):
        return "no_text"
    return "invalid_blocks" if any(check_blocks(blocks)) else ""


def _content(body: Mapping[str, Any]) -> dict[str, Any]:
    attachments = tuple(body.get("attachments") or ())
    return {"blocks": tuple(named_blocks(body.get("blocks") or [])), "attachments": attachments, "by_bot": True}


def _show(site: Site, hook: Hook, body: Mapping[str, Any], thread: str | None) -> None:
    text, content = str(body.get("text") or ""), _content(body)
    content |= {"thread_ts": thread, "via_hook": True}
    if body.get("response_type") == "in_channel":
        site.workspace.post(hook.channel, site.workspace.bot.id, text, **content)
    else:
        site.workspace.post_ephemeral(hook.channel, hook.user, text, **content)


def use_hook(site: Site, hook: Hook, body: Mapping[str, Any]) -> tuple[int, str]:
    """Handle a post to a response URL. Return status and text."""
    pressed = site.workspace.find(hook.channel, hook.message_ts) if hook.message_ts else None
    if body.get("delete_original"):
        return _delete(site, pressed)
    if error := content_error(body):
        return (400 if error == "no_text" else 500), error
    if body.get("replace_original") and pressed is not None:
        site.workspace.update(pressed, text=str(body.get("text") or ""), **_content(body))
        return 200, "ok"
    public = body.get("response_type") == "in_channel"
    thread = body.get("thread_ts") if public and not body.get("replace_original") else None
    _show(site, hook, body, thread)
    return 200, "ok"


def _delete(site: Site, pressed: Message | None) -> tuple[int, str]:
    if pressed is None:
        return 404, "message_not_found"
    site.workspace.delete(pressed)
    return 200, "ok"


def apply_submission(site: Site, view: View, ack: Ack) -> None:
    """Apply the answer to a form: empty closes it; `response_action` replaces, stacks or clears forms, or shows errors."""
    if ack.error:
        site.views.refuse(view, {}, CONNECTION_TROUBLE)
        return
    body: Json = ack.body if isinstance(ack.body, dict) else {}
    action = body.get("response_action")
    if action is None:
        site.views.close(view)
    elif action == "clear":
        site.views.close(view, everything=True)
    elif action == "errors":
        _show_errors(site, view, body.get("errors"))
    elif action in {"update", "push"} and not any(check_view(body.get("view"))):
        _replace_or_stack(site, view, action, body["view"])
    else:
        site.views.refuse(view, {}, CONNECTION_TROUBLE)


def _show_errors(site: Site, view: View, errors: Any) -> None:
    inputs = {block["block_id"] for block in view.blocks if block["type"] == "input"}
    if isinstance(errors, dict) and errors and errors.keys() <= inputs:
        site.views.refuse(view, {block: str(told) for block, told in errors.items()})
    else:
        site.views.refuse(view, {}, CONNECTION_TROUBLE)


def _replace_or_stack(site: Site, view: View, action: str, given: Json) -> None:
    if action == "update":
        site.views.update(view, given)
    elif len(site.views.stacks.get(view.user, [])) < DEEPEST:
        site.views.push(view.user, given)
    else:
        site.views.refuse(view, {}, CONNECTION_TROUBLE)
