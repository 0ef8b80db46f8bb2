"""Merge patch and JSON patch against the examples of their RFCs, and properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kubernetes import patches
from sandbox.kubernetes.failures import ApiFailure

# RFC 7396, appendix A
MERGES = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]

# RFC 6902, appendix A
APPLIES = [
    ({"foo": "bar"}, {"op": "add", "path": "/baz", "value": "qux"}, {"baz": "qux", "foo": "bar"}),
    ({"foo": ["bar", "baz"]}, {"op": "add", "path": "/foo/1", "value": "qux"}, {"foo": ["bar", "qux", "baz"]}),
    ({"baz": "qux", "foo": "bar"}, {"op": "remove", "path": "/baz"}, {"foo": "bar"}),
    ({"foo": ["bar", "qux", "baz"]}, {"op": "remove", "path": "/foo/1"}, {"foo": ["bar", "baz"]}),
    ({"baz": "qux"}, {"op": "replace", "path": "/baz", "value": "boo"}, {"baz": "boo"}),
    ({"foo": [1, 2]}, {"op": "replace", "path": "/foo/0", "value": 3}, {"foo": [3, 2]}),
    ({"foo": {"a": 1}, "qux": {}}, {"op": "move", "from": "/foo/a", "path": "/qux/b"}, {"foo": {}, "qux": {"b": 1}}),
    ({"foo": ["a", "b", "c"]}, {"op": "move", "from": "/foo/0", "path": "/foo/2"}, {"foo": ["b", "c", "a"]}),
    ({"foo": ["bar"]}, {"op": "add", "path": "/foo/-", "value": ["abc"]}, {"foo": ["bar", ["abc"]]}),
    ({"/": 9, "~1": 10}, {"op": "test", "path": "/~01", "value": 10}, {"/": 9, "~1": 10}),
    ({"a/b": 1}, {"op": "remove", "path": "/a~1b"}, {}),
    ({"foo": "bar"}, {"op": "add", "path": "", "value": {"whole": 1}}, {"whole": 1}),
]
REFUSED = [
    ({"baz": "qux"}, {"op": "test", "path": "/baz", "value": "bar"}),
    ({"/": 9}, {"op": "test", "path": "/~01", "value": "10"}),
    ({"foo": "bar"}, {"op": "add", "path": "/baz/bat", "value": "qux"}),
    ({"foo": ["a"]}, {"op": "add", "path": "/foo/5", "value": "qux"}),
    ({"foo": ["a"]}, {"op": "remove", "path": "/foo/x"}),
    ({"foo": 1}, {"op": "test", "path": "/foo", "value": True}),
    ({"foo": 1}, {"op": "remove", "path": ""}),
    ({"foo": 1}, {"op": "remove", "path": "foo"}),
    ({"foo": 1}, {"path": "/foo"}),
    ({"foo": 1}, "remove"),
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)
TREES = st.dictionaries(st.text(max_size=2), VALUES, max_size=4)


@pytest.mark.parametrize(("target", "patch", "result"), MERGES)
def test_merge(target, patch, result):
    assert patches.merge(target, patch) == result


@pytest.mark.parametrize(("target", "operation", "result"), APPLIES)
def test_apply(target, operation, result):
    assert patches.apply(target, [operation]) == result


@pytest.mark.parametrize(("target", "operation"), REFUSED)
def test_refused(target, operation):
    with pytest.raises(ApiFailure) as refused:
        patches.apply(target, [operation])
    assert refused.value.status == 422


@given(TREES, TREES)
def test_merging_twice_is_merging_once(target, patch):
    once = patches.merge(target, patch)
    assert patches.merge(once, patch) == once


@given(TREES, TREES)
def test_what_is_given_stays_as_it_was(target, patch):
    before = patches.clone(target), patches.clone(patch)
    patches.merge(target, patch)
    assert (target, patch) == before


@given(TREES, st.text(max_size=3), VALUES)
def test_what_was_added_can_be_tested_and_removed(target, key, value):
    path = "/" + key.replace("~", "~0").replace("/", "~1")
    operations = [{"op": "add", "path": path, "value": value}, {"op": "test", "path": path, "value": value}]
    added = patches.apply(target, operations)
    assert added[key] == value
    assert key not in patches.apply(added, [{"op": "remove", "path": path}])


@given(VALUES)
def test_a_clone_shares_nothing(value):
    copied = patches.clone(value)
    assert copied == value
    if isinstance(value, (dict, list)):
        assert copied is not value
