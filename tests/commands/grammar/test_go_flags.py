"""Values and argument vectors that Go read: pflag, encoding/csv, strconv, and Kubernetes' selectors. Ours read the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from commands.grammar.flags import PAIRS, STRING_SLICE, parse_int
from commands.grammar.parser import parse
from commands.grammar.tokenizer import quote
from domain.errors import UsageError
from domain.json_types import Json
from domain.selectors import parse_selector

VECTORS: list[Json] = json.loads((Path(__file__).parents[2] / "data" / "go-flags" / "vectors.json").read_text())
READERS = {"selector": parse_selector, "map": PAIRS.parse, "slice": STRING_SLICE.parse, "int": parse_int}
FLAGS = (
    "include-namespaces",
    "snapshot-volumes",
    "default-volumes-to-fs-backup",
    "wait",
    "ttl",
    "volume-snapshot-locations",
    "labels",
    "selector",
    "storage-location",
    "parallel-files-upload",
    "show-labels",
)


def read(row: Json) -> Any:
    if row["kind"] != "args":
        return READERS[row["kind"]](row["given"])
    command = parse("backup create " + " ".join(map(quote, row["given"])))
    given = {name: command.flags.get(name) for name in FLAGS}
    return {"args": list(command.names), **{name: value for name, value in given.items() if value}}


def expected(row: Json) -> Any:
    if row["kind"] != "args":
        return row["value"]
    given = {name: value for name, value in row["value"].items() if value}
    if selector := given.pop("selector", None):
        given["selector"] = {key: value for key, value in selector.items() if value}
    return {"args": [], **given}


def of(kind: str, *, ok: bool) -> list[Json]:
    return [row for row in VECTORS if row["kind"] == kind and row["ok"] is ok]


@pytest.mark.parametrize("kind", ["selector", "map", "slice", "int", "args"])
def test_what_go_takes_we_take_for_the_same(kind: str) -> None:
    for row in of(kind, ok=True):
        if kind == "args" and len(row["value"]["args"] or []) > 1:
            continue  # one name is all that the verb takes
        assert read(row) == expected(row), row["given"]


@pytest.mark.parametrize("kind", ["selector", "map", "slice", "int", "args"])
def test_what_go_refuses_we_refuse(kind: str) -> None:
    for row in of(kind, ok=False):
        with pytest.raises(UsageError):
            pytest.fail(f"{row['given']!r} was read as {read(row)!r}")
