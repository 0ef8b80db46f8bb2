"""Changes typed text the way Slack's escaping and phone keyboards do."""

from __future__ import annotations

import re

from sandbox.slack.workspace import Workspace

MAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")
LINK = re.compile(
    r"\b(?:https?://[^\s<>|]+|(?:[a-z0-9-]+\.)+(?:com|org|net|io|dev|eu)\b(?:/[^\s<>|]*)?)", re.IGNORECASE
)
TYPED = re.compile(
    rf"(?P<mail>{MAIL.pattern})|(?P<link>{LINK.pattern})|(?<!\w)@(?P<at>[\w.-]+)|(?<!\w)#(?P<hash>[\w-]+)",
    re.IGNORECASE,
)


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def as_slack_sends(text: str, workspace: Workspace, *, names: bool) -> str:
    """`should_escape`: people, channels, addresses and links in angle brackets, the rest HTML-escaped.

    Commands carry names (`<@U1|ada>`), events only ids (`<@U1>`)."""
    parts, end = [], 0
    for match in TYPED.finditer(text):
        parts += [escaped(text[end : match.start()]), _marked(match, workspace, names=names)]
        end = match.end()
    return "".join([*parts, escaped(text[end:])])


def _marked(match: re.Match[str], workspace: Workspace, *, names: bool) -> str:
    typed = match[0]
    if match["mail"]:
        return f"<mailto:{typed}|{typed}>"
    if match["link"]:
        return f"<{escaped(typed)}>" if "://" in typed else f"<http://{escaped(typed)}|{escaped(typed)}>"
    if match["at"]:
        return _person_or_group(match["at"], workspace, names=names)
    return _channel(match["hash"], workspace, names=names)


def _person_or_group(name: str, workspace: Workspace, *, names: bool) -> str:
    for user in workspace.users.values():
        if user.name == name:
            return f"<@{user.id}|{name}>" if names else f"<@{user.id}>"
    for group in workspace.groups.values():
        if group.handle == name:
            return f"<!subteam^{group.id}|@{name}>" if names else f"<!subteam^{group.id}>"
    return f"<!{name}>" if name in {"here", "channel", "everyone"} else f"@{name}"


def _channel(name: str, workspace: Workspace, *, names: bool) -> str:
    for channel in workspace.channels.values():
        if channel.name == name and not channel.is_im:
            label = "" if channel.is_private or not names else name
            return f"<#{channel.id}|{label}>"
    return f"#{name}"


def as_a_phone_types(text: str) -> str:
    """Replace text as a phone keyboard does: `--` by a dash, quotes by curly ones, some spaces by no-break spaces."""
    text = text.replace("--", "—")
    text = re.sub(r"(^|\s|=)\"", "\\1“", text).replace('"', "”")
    text = re.sub(r"(^|\s|=)'", "\\1‘", text).replace("'", "’")
    return text.replace("  ", " \u00a0")
