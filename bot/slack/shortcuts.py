"""Shortcuts: forms that stand for a backup or a restore, and a look at what one of our messages is about.

A form is a command line in boxes: what is sent becomes the line, read by the same parser, and nothing downstream differs.
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
"""Value and its words."""


@dataclass(frozen=True, slots=True)
class Shortcut:
    """`type` is Slack's: global, or message. `description` is shown where people choose one."""

    callback_id: str
    type: str
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Box:
    """`flag` is the flag that it fills; without one it is the name."""

    block: str
    label: str
    flag: str = ""
    hint: str = ""
    optional: bool = True
    options: Options = ()
    words: bool = False
    """A list of words: blanks and commas part them."""


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
                NAMESPACES, "Namespaces", "include-namespaces", "For example shop, shop-db", optional=False, words=True
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
                words=True,
            ),
            Box("mappings", "Restore into other namespaces", "namespace-mappings", "shop:shop-copy", words=True),
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
                options=(("true", "Yes, and wait until it completes"), ("false", "no")),
            ),
            _REASON,
        ),
    ),
}
"""By callback id, of the shortcut and of the form alike."""

SHOW = "show"
SHORTCUTS: tuple[Shortcut, ...] = (
    Shortcut("ask:backup", "global", "Back up now…", "Back up namespaces in a cluster"),
    Shortcut("ask:restore", "global", "Restore from a backup…", "Request a restore from a backup"),
    Shortcut(
        SHOW, "message", "Show backup or restore", "Show details of the backup, restore or schedule in this message"
    ),
)


def find_shortcut(received: Received) -> str:
    """The form that a bare `backup create` or `restore create` stands for; empty for every other line."""
    words = f"{received.lead} {received.line}".split()
    return next((ident for ident, form in FORMS.items() if words == [form.noun, "create"]), "")


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
    """A form that was sent, as the command line that it stands for, in the channel that was chosen."""
    form = FORMS.get(received.action)
    if form is None:
        return received
    values: Mapping[str, str] = received.extra.get("values") or {}
    return replace(received, line=command_line(form, values), channel=values.get(CHANNEL, ""))


def command_line(form: Form, values: Mapping[str, str]) -> str:
    said = {box.block: _said(box, values.get(box.block, "")) for box in form.boxes}
    words = [form.noun, "create"]
    words += [quote(said[box.block]) for box in form.boxes if not box.flag and said[box.block]]
    words += [f"--{box.flag}={quote(said[box.block])}" for box in form.boxes if box.flag and said[box.block]]
    if "backup" in said and not said["backup"]:
        words.append("--latest")
    if cluster := values.get(CLUSTER, ""):
        words.append(f"--cluster={quote(cluster)}")
    return " ".join(words)


def _said(box: Box, text: str) -> str:
    return ",".join(word for word in re.split(r"[\s,]+", text) if word) if box.words else text.strip()


def form_errors(received: Received) -> Mapping[str, str] | None:
    """Block id → what is wrong with it; None for what can be read, and for forms that are none of these."""
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
    """Required boxes of blanks alone, which Slack lets through; a restore that says neither what nor from where."""
    said = {box.block: _said(box, values.get(box.block, "")) for box in form.boxes}
    empty = {box.block: "This field is required." for box in form.boxes if not box.optional and not said[box.block]}
    if "backup" in said and not said["backup"] and not said[NAMESPACES]:
        empty["backup"] = "Enter a backup, or namespaces to find their latest backup."
    return empty


_LOOKS: Mapping[str, str] = {
    "backup": "backup describe",
    "restore": "restore describe",
    "schedule": "schedule describe",
    "backupstoragelocation": "backup-location get",
    "volumesnapshotlocation": "snapshot-location get",
}


def lookup_line(cluster: str, noun: str, name: str) -> str | None:
    """The line that shows what a message is about; None for one that is about none of these."""
    if noun not in _LOOKS or not name:
        return None
    return f"{_LOOKS[noun]} {quote(name)}" + (f" --cluster {quote(cluster)}" if cluster else "")


def _cluster(clusters: Sequence[str], here: str) -> Json:
    """`here`: that of the channel, or empty."""
    options = [{"text": _plain(name), "value": name} for name in clusters[:100]]
    element: Json = {"type": "static_select", "action_id": CLUSTER, "options": options}
    chosen = options if len(options) == 1 else [option for option in options if option["value"] == here]
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
    made: Json = {"type": "input", "block_id": box.block, "label": _plain(box.label), "element": element}
    if box.hint:
        made["hint"] = _plain(box.hint)
    return {**made, "optional": True} if box.optional else made


def _channel() -> Json:
    """Where its card appears; left out, it comes directly."""
    element = {"type": "conversations_select", "action_id": CHANNEL, "default_to_current_conversation": True}
    label = _plain("Post updates to")
    hint = _plain("Leave empty to get them in a direct message")
    return {
        "type": "input", "block_id": CHANNEL, "label": label, "hint": hint, "optional": True, "element": element,
    }  # fmt: skip


def _plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def known() -> frozenset[str]:
    """Callback ids that somebody here answers to."""
    return frozenset({*FORMS, SHOW})
