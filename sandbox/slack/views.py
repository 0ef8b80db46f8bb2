"""Forms and home pages: stacks of three, a hash per version, the state of their inputs."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from domain.json_types import Json
from sandbox.slack.journal import Journal
from sandbox.slack.words import controls
from sandbox.slack.workspace import Workspace

DEEPEST = 3
EMPTY = {"private_metadata": "", "callback_id": "", "clear_on_close": False, "notify_on_close": False}


@dataclass(slots=True)
class View:
    id: str
    user: str
    given: Json
    root: str
    hash: str
    previous: str | None = None
    values: Json = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    trouble: str = ""

    @property
    def title(self) -> str:
        return str((self.given.get("title") or {}).get("text", ""))

    @property
    def blocks(self) -> list[Json]:
        return list(self.given.get("blocks") or [])


class Views:
    def __init__(self, workspace: Workspace, journal: Journal) -> None:
        self._workspace, self._journal = workspace, journal
        self.stacks: dict[str, list[View]] = {}
        self.homes: dict[str, View] = {}

    def top(self, user: str) -> View | None:
        stack = self.stacks.get(user)
        return stack[-1] if stack else None

    def find(self, view_id: str = "", external_id: str = "") -> View | None:
        for view in [*(v for stack in self.stacks.values() for v in stack), *self.homes.values()]:
            if (view_id and view.id == view_id) or (external_id and view.given.get("external_id") == external_id):
                return view
        return None

    def open(self, user: str, given: Json) -> View:
        self.stacks[user] = []
        return self.push(user, given)

    def push(self, user: str, given: Json) -> View:
        stack = self.stacks.setdefault(user, [])
        name = self._workspace.new_id("V")
        view = View(name, user, _named(given), stack[0].id if stack else name, _hash())
        view.previous = stack[-1].id if stack else None
        view.values = initial_values(view.blocks)
        stack.append(view)
        self._note("view.opened", view)
        return view

    def update(self, view: View, given: Json) -> View:
        """Keep the typed values of inputs whose block_id and action_id stay the same."""
        view.given, view.hash, view.errors = _named(given), _hash(), {}
        fresh = initial_values(view.blocks)
        for block, elements in fresh.items():
            for action in elements:
                elements[action] = view.values.get(block, {}).get(action, elements[action])
        view.values = fresh
        self._note("view.updated", view)
        return view

    def publish(self, user: str, given: Json) -> View:
        name = self._workspace.new_id("V")
        view = self.homes.setdefault(user, View(name, user, {}, name, ""))
        return self.update(view, given)

    def close(self, view: View, *, everything: bool = False) -> None:
        stack = self.stacks.get(view.user, [])
        self.stacks[view.user] = [] if everything else [kept for kept in stack if kept is not view]
        self._note("view.closed", view)

    def refuse(self, view: View, errors: dict[str, str], trouble: str = "") -> None:
        view.errors, view.trouble = errors, trouble
        self._note("view.refused", view, errors=errors, trouble=trouble)

    def json(self, view: View) -> Json:
        return {
            **EMPTY,
            **{key: value for key, value in view.given.items() if value is not None},
            "id": view.id,
            "team_id": self._workspace.team_id,
            "app_installed_team_id": self._workspace.team_id,
            "app_id": self._workspace.app_id,
            "bot_id": self._workspace.bot_id,
            "state": {"values": view.values},
            "hash": view.hash,
            "root_view_id": view.root,
            "previous_view_id": view.previous,
            "external_id": view.given.get("external_id") or "",
        }

    def _note(self, kind: str, view: View, **more: object) -> None:
        self._journal.append(kind, view=view.id, user=view.user, title=view.title, **more)


def _hash() -> str:
    return f"{secrets.randbelow(10**10)}.{secrets.token_hex(4)}"


def _named(given: Json) -> Json:
    return {**given, "blocks": named_blocks(given.get("blocks") or [])}


def named_blocks(blocks: list[Json]) -> list[Json]:
    """Add the ids that the author left out, as Slack does."""
    return [_named_block(block) for block in blocks]


def _named_block(block: Json) -> Json:
    block = {**block, "block_id": block.get("block_id") or secrets.token_hex(3)}
    for name in ("element", "accessory"):
        if isinstance(block.get(name), dict):
            block[name] = _named_element(block[name])
    if block["type"] == "actions":
        block["elements"] = [_named_element(element) for element in block["elements"]]
    return block


def _named_element(element: Json) -> Json:
    if element.get("type") == "image" or element.get("action_id"):
        return element
    return {**element, "action_id": secrets.token_hex(3)}


VALUE_FIELDS = {
    "plain_text_input": "value",
    "number_input": "value",
    "email_text_input": "value",
    "url_text_input": "value",
    "rich_text_input": "rich_text_value",
    "file_input": "files",
    "static_select": "selected_option",
    "external_select": "selected_option",
    "radio_buttons": "selected_option",
    "users_select": "selected_user",
    "conversations_select": "selected_conversation",
    "channels_select": "selected_channel",
    "multi_static_select": "selected_options",
    "multi_external_select": "selected_options",
    "checkboxes": "selected_options",
    "multi_users_select": "selected_users",
    "multi_conversations_select": "selected_conversations",
    "multi_channels_select": "selected_channels",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
}
INITIAL_FIELDS = {
    "value": "initial_value",
    "rich_text_value": "initial_value",
    "files": "initial_files",
}


def initial_values(blocks: list[Json]) -> Json:
    """Return the state of a form before any input."""
    values: Json = {}
    for control in controls(blocks):
        kind = control.element["type"]
        if field_name := VALUE_FIELDS.get(kind):
            initial = INITIAL_FIELDS.get(field_name, field_name.replace("selected_", "initial_"))
            empty: object = [] if field_name.endswith("s") else None
            value = {"type": kind, field_name: control.element.get(initial, empty)}
            values.setdefault(control.block["block_id"], {})[control.action_id] = value
    return values
