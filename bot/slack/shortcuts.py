"""Shortcuts: forms for a backup or a restore, and showing what one of the bot's messages is about.

A submitted form becomes a command line for the same parser; from there on nothing differs from a typed command.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.slack.payloads import Received
from commands.grammar.parser import parse
from commands.grammar.tokenizer import quote
from domain.errors import UsageError
from domain.json_types import Json

CLUSTER, CHANNEL = "cluster", "channel"
Options = tuple[tuple[str, str], ...]
"""Pairs of value and label."""


@dataclass(frozen=True, slots=True)
class Shortcut:
    """`type` is Slack's: global or message. `description` is shown in Slack's list of shortcuts."""

    callback_id: str
    type: str
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Box:
    """A field of a form. `flag` is the flag that it sets; without one it is the name."""

    block: str
    label: str
    flag: str = ""
    hint: str = ""
    optional: bool = True
    options: Options = ()
    is_list: bool = False
    """The value is a list, separated by spaces or commas."""


@dataclass(frozen=True, slots=True)
class Form:
    noun: str
    title: str
    submit: str
    boxes: tuple[Box, ...]


NAMESPACES = "namespaces"
_REASON = Box("reason", "Reason", "reason", "Shown in the audit log")

FORMS: Mapping[str, Form] = {
    "ask:backup": Form(
        "backup",
        "Back up now",
        "Start backup",
        (
            Box(
                NAMESPACES,
                "Namespaces",
                "include-namespaces",
                "For example shop, shop-db",
                optional=False,
                is_list=True,
            ),
            Box("name", "Backup name", optional=False),
            Box("ttl", "Keep for", "ttl", "For example 30d. Default: 30 days"),
            _REASON,
        ),
    ),
    "ask:restore": Form(
        "restore",
        "Restore from a backup",
        "Restore",
        (
            Box("backup", "Backup", "from-backup", "Leave empty for the latest Completed backup of these namespaces"),
            Box(
                NAMESPACES,
                "Namespaces",
                "include-namespaces",
                "For example shop, shop-db. Leave empty for all namespaces in the backup",
                is_list=True,
            ),
            Box(
                "mappings",
                "Restore into other namespaces",
                "namespace-mappings",
                "For example shop:shop-copy",
                is_list=True,
            ),
            Box(
                "existing",
                "If an object already exists",
                "existing-resource-policy",
                options=(("none", "Leave it unchanged"), ("update", "Update it from the backup")),
            ),
            Box(
                "safety",
                "Create a safety backup first",
                "safety-backup",
                options=(("true", "Yes, and wait until it completes"), ("false", "No")),
            ),
            _REASON,
        ),
    ),
}
"""Keys: the callback id, which shortcut and form share."""

SHOW = "show"
SHORTCUTS: tuple[Shortcut, ...] = (
    Shortcut("ask:backup", "global", "Back up now…", "Back up namespaces in a cluster"),
    Shortcut("ask:restore", "global", "Restore from a backup…", "Request a restore from a backup"),
    Shortcut(
        SHOW, "message", "Show backup or restore", "Show details of the backup, restore or schedule in this message"
    ),
)


def find_shortcut(received: Received) -> str:
    """Return the callback id of the form for a bare `backup create` or `restore create`; empty for other lines."""
    words = f"{received.lead} {received.line}".split()
    return next((callback_id for callback_id, form in FORMS.items() if words == [form.noun, "create"]), "")


def view(received: Received, clusters: Sequence[str], now: datetime) -> Json:
    form = FORMS[received.action]
    blocks = [_cluster(clusters, str(received.extra.get(CLUSTER, "")))] if clusters else []
    initial = {"name": f"{form.noun}-{now:%Y%m%d-%H%M%S}"}
    blocks += [_input(box, initial.get(box.block, "")) for box in form.boxes]
    return {
        "type": "modal",
        "callback_id": received.action,
        "title": _plain(form.title),
        "submit": _plain(form.submit),
        "close": _plain("Cancel"),
        "blocks": [*blocks, _channel()],
    }


def form_values(received: Received) -> Received:
    """Return a submitted form with its command line and the chosen channel."""
    form = FORMS.get(received.action)
    if form is None:
        return received
    values: Mapping[str, str] = received.extra.get("values") or {}
    return replace(received, line=command_line(form, values), channel=values.get(CHANNEL, ""))


def command_line(form: Form, values: Mapping[str, str]) -> str:
    values_by_block = {box.block: _value_of(box, values.get(box.block, "")) for box in form.boxes}
    words = [form.noun, "create"]
    words += [quote(values_by_block[box.block]) for box in form.boxes if not box.flag and values_by_block[box.block]]
    words += [
        f"--{box.flag}={quote(values_by_block[box.block])}"
        for box in form.boxes
        if box.flag and values_by_block[box.block]
    ]
    if "backup" in values_by_block and not values_by_block["backup"]:
        words.append("--latest")
    if cluster := values.get(CLUSTER, ""):
        words.append(f"--cluster={quote(cluster)}")
    return " ".join(words)


def _value_of(box: Box, text: str) -> str:
    return ",".join(word for word in re.split(r"[\s,]+", text) if word) if box.is_list else text.strip()


def form_errors(received: Received) -> Mapping[str, str] | None:
    """Return the errors by block id; None if the form is valid or isn't one of these forms."""
    form = FORMS.get(received.action)
    if form is None:
        return None
    if empty := _incomplete(form, received.extra.get("values") or {}):
        return empty
    try:
        parse(received.line)
    except UsageError as error:
        wrong = (box.block for box in form.boxes if box.flag and f"--{box.flag}" in error.text)
        return {next(wrong, form.boxes[0].block): " ".join(each for each in (error.text, error.why, error.fix) if each)}
    return None


def _incomplete(form: Form, values: Mapping[str, str]) -> Mapping[str, str]:
    """Return errors for required fields that contain only spaces, and for a restore without a backup and namespaces."""
    values_by_block = {box.block: _value_of(box, values.get(box.block, "")) for box in form.boxes}
    empty = {
        box.block: "This field is required."
        for box in form.boxes
        if not box.optional and not values_by_block[box.block]
    }
    if "backup" in values_by_block and not values_by_block["backup"] and not values_by_block[NAMESPACES]:
        empty["backup"] = "Enter a backup, or namespaces to find their latest backup."
    return empty


_DESCRIBE_COMMANDS: Mapping[str, str] = {
    "backup": "backup describe",
    "restore": "restore describe",
    "schedule": "schedule describe",
    "backupstoragelocation": "backup-location get",
    "volumesnapshotlocation": "snapshot-location get",
}


def lookup_line(cluster: str, noun: str, name: str) -> str | None:
    """Return the command line that shows an object; None if no command shows it."""
    if noun not in _DESCRIBE_COMMANDS or not name:
        return None
    return f"{_DESCRIBE_COMMANDS[noun]} {quote(name)}" + (f" --cluster {quote(cluster)}" if cluster else "")


def _cluster(clusters: Sequence[str], default: str) -> Json:
    """`default` is the cluster of the channel, or empty."""
    options = [{"text": _plain(name), "value": name} for name in clusters[:100]]
    element: Json = {"type": "static_select", "action_id": CLUSTER, "options": options}
    chosen = options if len(options) == 1 else [option for option in options if option["value"] == default]
    if chosen:
        element["initial_option"] = chosen[0]
    return {"type": "input", "block_id": CLUSTER, "label": _plain("Cluster"), "element": element}


def _input(box: Box, initial: str) -> Json:
    element: Json
    if box.options:
        options = [{"text": _plain(text), "value": value} for value, text in box.options]
        element = {"type": "static_select", "action_id": box.block, "options": options}
    else:
        element = {"type": "plain_text_input", "action_id": box.block, "max_length": 1000}
        if initial:
            element["initial_value"] = initial
    block: Json = {"type": "input", "block_id": box.block, "label": _plain(box.label), "element": element}
    if box.hint:
        block["hint"] = _plain(box.hint)
    return {**block, "optional": True} if box.optional else block


def _channel() -> Json:
    """The channel for status messages; without one, they come in a direct message."""
    element = {"type": "conversations_select", "action_id": CHANNEL, "default_to_current_conversation": True}
    label = _plain("Post updates to")
    hint = _plain("Leave empty to get them in a direct message")
    return {
        "type": "input", "block_id": CHANNEL, "label": label, "hint": hint, "optional": True, "element": element,
    }  # fmt: skip


def _plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def handled_callback_ids() -> frozenset[str]:
    """Return the callback ids that the bot handles."""
    return frozenset({*FORMS, SHOW})
