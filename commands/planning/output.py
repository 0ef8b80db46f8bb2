"""Output flags of reads, and the parts of answers that they control."""

from __future__ import annotations

import json
from collections.abc import Sequence

import yaml

from commands.grammar.command import Command
from commands.grammar.flags import BOOL, INT, STRING_SLICE, TEXT, Flag, choice
from commands.planning.context import PlanContext
from domain.answer import Button, Code
from domain.json_types import Json

OUTPUT_FLAGS: tuple[Flag, ...] = (
    Flag(
        "output",
        choice("table", "json", "yaml", ""),
        "Print the object instead of creating it: table, json or yaml",
        short="o",
        group="Output",
    ),
    Flag("label-columns", STRING_SLICE, "Labels to show as columns", short="L", group="Output"),
    Flag("show-labels", BOOL, "Show all labels in the last column", group="Output"),
)

LIST_FLAGS: tuple[Flag, ...] = (
    Flag(
        "output",
        choice("table", "wide", "json", "yaml", ""),
        "Output format: table, wide, json or yaml",
        short="o",
        group="Output",
    ),
    Flag("label-columns", STRING_SLICE, "Labels to show as columns", short="L", group="Output"),
    Flag("show-labels", BOOL, "Show all labels in the last column", group="Output"),
)

ALL_CLUSTERS = Flag("all-clusters", BOOL, "List objects of all clusters", short="A", group="Cluster", ours=True)

FIND = Flag("find", TEXT, "Show only objects that match kind/name", group="Output", ours=True)

PAGE = Flag("page", INT, "Page number of a long list", group="Output", ours=True)
PAGE_SIZE = 20


def is_wide(cmd: Command) -> bool:
    return cmd.text("output") == "wide"


def wants_objects(cmd: Command) -> bool:
    """Whether the answer shows objects as JSON or YAML instead of a table."""
    return cmd.text("output") in {"json", "yaml"}


def render_objects(cmd: Command, items: Sequence[Json]) -> Code:
    """Render one object as it is and several as a List, as kubectl and the velero CLI do."""
    shown: object = items[0] if len(items) == 1 else {"apiVersion": "v1", "kind": "List", "items": list(items)}
    if cmd.text("output") == "json":
        return Code(json.dumps(shown, indent=2), "json")
    return Code(yaml.safe_dump(shown, sort_keys=False), "yaml")


def label_columns(cmd: Command) -> list[str]:
    return [*cmd.strings("label-columns"), *(["LABELS"] if cmd.is_true("show-labels") else [])]


def label_cells(cmd: Command, item: Json) -> list[str]:
    found = (item.get("metadata") or {}).get("labels")
    labels: Json = found if isinstance(found, dict) else {}
    cells = [str(labels.get(key, "")) for key in cmd.strings("label-columns")]
    if cmd.is_true("show-labels"):
        cells.append(",".join(f"{key}={value}" for key, value in sorted(labels.items())) or "<none>")
    return cells


def with_cluster_flag(line: str, context: PlanContext) -> str:
    """Add the cluster to a button's line, so that it works in every channel."""
    return f"{line} --cluster {context.cluster.name}" if context.cluster.name else line


def page(cmd: Command, count: int) -> tuple[int, int, int]:
    """Return (number, start, end) of the wanted page, or of the last page if there are fewer."""
    pages = max(1, -(-count // PAGE_SIZE))
    number = min(max(1, cmd.number("page", 1)), pages)
    return number, (number - 1) * PAGE_SIZE, min(count, number * PAGE_SIZE)


def page_buttons(cmd: Command, count: int, context: PlanContext) -> tuple[Button, ...]:
    """Return buttons for the previous and the next page."""
    number, start, end = page(cmd, count)
    line = " ".join(word for word in cmd.line.split(" ") if word)
    bare = _without_page(line)
    buttons = [Button("Previous page", with_cluster_flag(f"{bare} --page {number - 1}", context))] if start else []
    if end < count:
        buttons.append(Button("Next page", with_cluster_flag(f"{bare} --page {number + 1}", context)))
    return tuple(buttons)


def _without_page(line: str) -> str:
    before, found, after = line.partition(" --page ")
    return f"{before} {after.partition(' ')[2]}".strip() if found else line
