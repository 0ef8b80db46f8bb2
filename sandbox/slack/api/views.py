"""views.*: open, replace and stack forms; publish the home page."""

from __future__ import annotations

import json
from typing import Any

from domain.json_types import Json
from sandbox.slack.api.call import ApiError, Call, Method, refuse_problems
from sandbox.slack.blockkit.check import LARGEST_VIEW, check_view
from sandbox.slack.triggers import Trigger
from sandbox.slack.views import DEEPEST, View


def _given_view(call: Call, kind: str, existing: View | None = None) -> Json:
    given: Any = call.need("view")
    if not isinstance(given, dict):
        raise ApiError("invalid_arguments", response_metadata={"messages": ["[ERROR] must provide an object"]})
    if len(json.dumps(given)) > LARGEST_VIEW:
        raise ApiError("view_too_large")
    refuse_problems(check_view(given, "/view"), "invalid_arguments")
    if given["type"] != kind:
        raise ApiError("invalid_arguments", response_metadata={"messages": [f"[ERROR] must be of type {kind}"]})
    _refuse_same_external_id(call, given, existing)
    return given


def _refuse_same_external_id(call: Call, given: Json, existing: View | None) -> None:
    external = given.get("external_id")
    found = call.site.views.find(external_id=external) if external else None
    if found is not None and found is not existing:
        raise ApiError("duplicate_external_id")


def _trigger(call: Call) -> Trigger:
    used = call.site.triggers.use(str(call.need("trigger_id")))
    if isinstance(used, str):
        raise ApiError(used)
    return used


def _answer(call: Call, view: View) -> Json:
    return {"ok": True, "view": call.site.views.json(view)}


def open_view(call: Call) -> Json:
    given = _given_view(call, "modal")
    trigger = _trigger(call)
    return _answer(call, call.site.views.open(trigger.user, given))


def push(call: Call) -> Json:
    given = _given_view(call, "modal")
    trigger = _trigger(call)
    stack = call.site.views.stacks.get(trigger.user) or []
    if not stack or trigger.view is None:
        raise ApiError("not_found")
    if len(stack) >= DEEPEST:
        raise ApiError("push_limit_reached")
    return _answer(call, call.site.views.push(trigger.user, given))


def update(call: Call) -> Json:
    view = call.site.views.find(call.get("view_id", ""), call.get("external_id", ""))
    if view is None:
        raise ApiError("not_found")
    given = _given_view(call, str(view.given.get("type", "modal")), view)
    _refuse_stale(call, view)
    return _answer(call, call.site.views.update(view, given))


def _refuse_stale(call: Call, view: View | None) -> None:
    given = call.get("hash")
    if given and view is not None and given != view.hash:
        raise ApiError("hash_conflict")


def publish(call: Call) -> Json:
    user = call.user("user_id")
    existing = call.site.views.homes.get(user.id)
    given = _given_view(call, "home", existing)
    _refuse_stale(call, existing)
    return _answer(call, call.site.views.publish(user.id, given))


METHODS = {
    "views.open": Method(open_view, "", 100),
    "views.push": Method(push, "", 100),
    "views.update": Method(update, "", 100),
    "views.publish": Method(publish, "", 100),
}
