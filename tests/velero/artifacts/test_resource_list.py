"""Lists of objects are parsed step by step: the same names as a JSON parser finds, in the memory of the list itself."""

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.backup.details_file import detail_lines
from commands.backup.findings import BackupFindings
from domain.errors import DownloadError
from velero.artifacts import resource_list
from velero.artifacts.resource_list import ListedItem, resources_of
from velero.documents import DocumentBounds

NAMES = st.lists(st.text(st.characters(exclude_categories=["Cs"])))
UNREADABLE = [
    b"",
    b"<html>",
    b"[]",
    b"null",
    b"{} {}",
    b"{",
    b'{"v1/Pod": ["a"',
    b'{"v1/Pod": ["a"]',
    b'{"v1/Pod": ["a"]}x',
    b'{"v1/Pod": ["a" "b"]}',
    b'{"v1/Pod": ["a",]}',
    b'{"v1/Pod": ["a"],}',
    b'{"v1/Pod": [["a"]]}',
    b'{"v1/Pod": {"a": []}}',
    b'{"v1/Pod": ["\\x"]}',
    b'{"v1/Pod": ["\xff"]}',
    b'{"v1/Pod": ["\n"]}',
    b'{"v1/Pod": ["a',
]


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), NAMES | st.none()), st.booleans())
def test_the_names_are_those_of_a_json_parser(lists, ascii_only):
    body = json.dumps(lists, ensure_ascii=ascii_only, indent=1 if ascii_only else None).encode()
    listed = resources_of(body)
    keys = [key for key, names in lists.items() for _ in names or ()]
    assert [
        f"{one.api_version}/{one.kind}" if "/" in key else one.kind for key, one in zip(keys, listed, strict=True)
    ] == keys
    plain = [name for names in lists.values() for name in names or () if not name.endswith(")")]
    assert [
        f"{one.namespace}/{one.name}" if "/" in name else one.name
        for name, one in zip(
            plain, (one for one in listed if one.outcome == "" and not one.name.endswith(")")), strict=True
        )
    ] == plain
    assert len(listed) == len(keys)


@pytest.mark.parametrize("body", UNREADABLE)
def test_anything_else_is_refused_at_once(body):
    with pytest.raises(DownloadError, match=r"The resource list can't be read\."):
        resources_of(body)


def test_limits_of_size_and_number(monkeypatch):
    monkeypatch.setattr(resource_list, "ARTIFACT_BOUNDS", DocumentBounds(size=100, values=3))
    with pytest.raises(DownloadError) as refused:
        resources_of(b" " * 101)
    assert refused.value.why == "it has 101 bytes; the limit is 100"
    assert len(resources_of(b'{"v1/Pod": ["a", "b", "c"]}')) == 3
    with pytest.raises(DownloadError) as refused:
        resources_of(b'{"v1/Pod": ["a", "b"], "v1/Secret": ["c", "d"]}')
    assert refused.value.why == "it has more than 3 values"


def large_list(count: int) -> bytes:
    return json.dumps(
        {f"v1/Kind{kind}": [f"shop/object-{n}" for n in range(count // 10)] for kind in range(10)}
    ).encode()


def test_a_list_holds_no_item_in_memory():
    body = large_list(5_000)
    tracemalloc.start()
    try:
        listed = resources_of(body)
        assert sum(1 for _ in listed) == 5_000
        assert tracemalloc.get_traced_memory()[1] < len(body) // 4
    finally:
        tracemalloc.stop()


def test_details_go_through_the_list_once_whatever_the_number_of_kinds():
    class Counted:
        passes = 0

        def __len__(self):
            return 3

        def __iter__(self):
            self.passes += 1
            return iter([ListedItem("v1", kind, "shop", "a") for kind in ("Pod", "Secret", "Pod")])

    listed = Counted()
    lines = detail_lines(BackupFindings({"metadata": {"name": "b1"}}, listed=listed), details=True)
    assert listed.passes == 1
    assert lines[-5:] == ["  v1/Pod (2):", "    shop/a", "    shop/a", "  v1/Secret (1):", "    shop/a"]
