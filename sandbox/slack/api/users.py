"""users.* and usergroups.*: people and their groups."""

from __future__ import annotations

from domain.json_types import Json
from sandbox.slack.api.call import ApiError, Call, Method
from sandbox.slack.records import User, UserGroup
from sandbox.slack.shown import channel_json, user_json


def _shown(call: Call, user: User) -> Json:
    """Return a user's profile; email addresses need a separate scope."""
    shown = user_json(user)
    if "users:read.email" not in call.site.scopes:
        del shown["profile"]["email"]
    return shown


def info(call: Call) -> Json:
    return {"ok": True, "user": _shown(call, call.user())}


def list_users(call: Call) -> Json:
    page, cursor = call.page(list(call.workspace.users.values()), 200)
    shown = [_shown(call, user) for user in page]
    return {"ok": True, "members": shown, "response_metadata": {"next_cursor": cursor}}


def lookup_by_email(call: Call) -> Json:
    email = str(call.need("email", "users_not_found")).lower()
    for user in call.workspace.users.values():
        if user.email.lower() == email and not user.deleted:
            return {"ok": True, "user": _shown(call, user)}
    raise ApiError("users_not_found")


def conversations(call: Call) -> Json:
    user = call.get("user", call.workspace.bot.id)
    bot = call.workspace.bot.id
    kinds = str(call.get("types", "public_channel")).split(",")
    wanted = {"public_channel": "channels", "private_channel": "groups", "im": "im", "mpim": "mpim"}
    kept = {wanted[kind.strip()] for kind in kinds if kind.strip() in wanted}
    for kind in kept:
        call.need_scope(f"{kind}:read")
    found = [c for c in call.workspace.channels.values() if user in c.members and c.kind in kept]
    found = [c for c in found if not c.is_private or bot in c.members]
    page, cursor = call.page([c for c in found if not (call.flag("exclude_archived") and c.is_archived)], 100)
    shown = [channel_json(call.workspace, channel) for channel in page]
    return {"ok": True, "channels": shown, "response_metadata": {"next_cursor": cursor}}


def _need_paid_plan(call: Call) -> None:
    if not call.workspace.paid_plan:
        raise ApiError("plan_upgrade_required")


def list_groups(call: Call) -> Json:
    _need_paid_plan(call)
    disabled = call.flag("include_disabled")
    groups = [group for group in call.workspace.groups.values() if disabled or not group.disabled]
    return {"ok": True, "usergroups": [_group_json(call, group) for group in groups]}


def _group_json(call: Call, group: UserGroup) -> Json:
    shown: Json = {
        "id": group.id,
        "team_id": call.workspace.team_id,
        "is_usergroup": True,
        "handle": group.handle,
        "name": group.name,
        "date_delete": int(group.disabled),
        "user_count": len(group.users),
    }
    return {**shown, "users": list(group.users)} if call.flag("include_users") else shown


def list_group_users(call: Call) -> Json:
    _need_paid_plan(call)
    group = call.workspace.groups.get(call.need("usergroup", "no_such_subteam"))
    if group is None or (group.disabled and not call.flag("include_disabled")):
        raise ApiError("no_such_subteam")
    return {"ok": True, "users": list(group.users)}


METHODS = {
    "users.info": Method(info, "users:read", 100),
    "users.list": Method(list_users, "users:read", 20),
    "users.lookupByEmail": Method(lookup_by_email, "users:read.email", 50),
    "users.conversations": Method(conversations, "", 50),
    "usergroups.list": Method(list_groups, "usergroups:read", 20),
    "usergroups.users.list": Method(list_group_users, "usergroups:read", 20),
}
