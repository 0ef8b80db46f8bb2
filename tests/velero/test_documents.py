"""Untrusted YAML and JSON: bounds, refusals and their reasons."""

import json
import resource
import signal
import subprocess
import sys

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from velero import documents
from velero.documents import (
    ARTIFACT_BOUNDS,
    MANIFEST_BOUNDS,
    TYPED_BOUNDS,
    BadDocument,
    DocumentBounds,
    read_json,
    read_yaml,
)

SMALL = DocumentBounds(size=200, depth=4, values=10)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc <=&*!1", max_size=4), inner, max_size=3),
    max_leaves=12,
)


@given(VALUES)
def test_json_values_are_read_unchanged(value):
    assert read_json(json.dumps(value), TYPED_BOUNDS) == value
    assert read_json(json.dumps(value, ensure_ascii=False, indent=1).encode(), TYPED_BOUNDS) == value


@pytest.fixture
def in_steps(monkeypatch):
    """Every JSON text is read as a large one is."""
    monkeypatch.setattr(documents, "_INTERRUPTIBLE_BYTES", 0)


@given(value=VALUES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_large_json_is_read_unchanged(in_steps, value):
    assert read_json(json.dumps(value), TYPED_BOUNDS) == value
    assert read_json(json.dumps(value, ensure_ascii=False, indent=1).encode(), TYPED_BOUNDS) == value


@pytest.mark.parametrize(
    "text", ['{"a": 1', "[1,]", '{"a" 1}', "[1] x", '["\\x"]', '["\n"]', "", "9" * 10_000, '{"a": nul}']
)
def test_large_json_that_is_not_json_is_refused(in_steps, text):
    with pytest.raises(BadDocument, match="isn't valid JSON"):
        read_json(text, TYPED_BOUNDS)


def test_large_json_is_read_in_steps_between_which_other_threads_run():
    """The decoder in C is one call for the whole text; a step in Python is a frame of its own."""
    body = b'{"errors": {"namespaces": {"shop": [' + b'{"message": "[,{"},' * 60_000 + b"1]}}}"
    frames = 0

    def count(_frame, event, _arg):
        nonlocal frames
        frames += event == "call"

    sys.setprofile(count)
    try:
        read_json(body, ARTIFACT_BOUNDS)
    finally:
        sys.setprofile(None)
    assert frames > 60_000


@given(VALUES)
def test_written_yaml_is_read_unchanged(value):
    """In ASCII: PyYAML folds a written U+0085 into a blank."""

    class Plain(yaml.SafeDumper):
        ignore_aliases = staticmethod(lambda _: True)

    assert read_yaml(yaml.dump(value, Dumper=Plain), TYPED_BOUNDS) == value


def test_keys_and_dates_are_text_as_in_json():
    assert read_yaml("1: 2026-01-01\nyes: {2.5: on}", TYPED_BOUNDS) == {"1": "2026-01-01", "yes": {"2.5": True}}
    assert read_yaml("", TYPED_BOUNDS) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: &x [1]\nb: *x", "anchor"),
        ("a: &x 1", "anchor"),
        ("&k a: 1", "anchor"),
        ("a: !!python/object:os.system {}", "tag"),
        ("!!set {a, b}", "tag"),
        ("a: !!binary aGk=", "tag"),
        ("<<: {a: 1}", "merge key"),
        ("a: 1\nb: 2\na: 3", "twice"),
        ("? [a]\n: b", "as a key"),
        ("--- a\n--- b", "more than one document"),
        ("%TAG ! x\n--- a", "directive"),
        ("\ufeff%YAML 1.1\n--- a", "directive"),
        ("a: [1", "isn't valid YAML"),
        ("a: 0b_", "isn't valid YAML"),
        ("a: \ud800", "aren't valid Unicode"),
        ("1" * 100, "number of 100 digits"),
        ("- - - - - x", "deeper than 4"),
        ("[[[[[[", "deeper than 4"),
        ("[1,2,3,4,5,6,7,8,9,10,11]", "more than 10 values"),
        ("a" * 201, "the limit is 200"),
    ],
)
def test_yaml_that_is_refused(text, why):
    with pytest.raises(BadDocument, match=why):
        read_yaml(text, SMALL)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": [[[[1]]]]}', "deeper than 4"),
        ('["]]]]]", [[[[1]]]]]', "deeper than 4"),
        ("[" * 150, "deeper than 4|values"),
        ("[1,2,3,4,5,6,7,8,9,10,11]", "more than 10 values"),
        ("[{},{},{},{},{},{}]", "more than 10 values"),
        ('"' + "a" * 200 + '"', "the limit is 200"),
        ('{"a": 1', "isn't valid JSON"),
        ('["\ud800"]', "aren't valid Unicode"),
        (b'["\xff"]', "isn't valid JSON"),
        ('["[[[[[["', "brackets don't match"),
        ("[1]".encode("utf-16"), "isn't valid JSON"),
    ],
)
def test_json_that_is_refused(text, why):
    with pytest.raises(BadDocument, match=why):
        read_json(text, SMALL)


def test_brackets_and_commas_inside_texts_do_not_count():
    value = {"a": "[[[[[[[[[[,,,,,,,,,,,,,", 'q"': '\\"[{' * 5, "b": [1, "]"]}
    assert read_json(json.dumps(value), DocumentBounds(size=1_000, depth=2, values=8)) == value


def test_a_number_too_long_for_python_is_refused():
    with pytest.raises(BadDocument, match="isn't valid JSON"):
        read_json("9" * 10_000, TYPED_BOUNDS)


HOSTILE = r"""
import json, random, sys
from velero.documents import CONFIG_MAP_BOUNDS, MANIFEST_BOUNDS, MESSAGE_BOUNDS, TYPED_BOUNDS, BadDocument, read_json, read_yaml

rng = random.Random(int(sys.argv[1]))
PIECES = [
    "&a ", "*a ", "*b", "!!str ", "!x ", "<<: ", "? ", ": ", "- ", "- - - ", "[", "]", "{", "}", ", ", "\n", "\n  ", "\n    ",
    "a", "b: ", '"', "'", "\\", "|\n", ">-\n", "%TAG ! x\n", "---\n", "...\n", "#", "0x1f", "1e999", "9" * 300, "1:" * 30 + "1",
    "2026-13-45", "0b_", "~", "yes", "null", "true", "\t", "\0", "\ud800", "\U0001f600", "\ufeff", "=", "__", '"a":', "NaN", "1,",
]


def text():
    return "".join(rng.choice(PIECES) for _ in range(rng.randrange(1, 60)))


def bombs():
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    yield "\n".join(levels)
    for piece in ["[", "{", "- ", "? ", "{a: ", "[{", '{"a":', '[{"a":', "!x ", "&a ", "|\n", "'", '"\\"', "1:", "9", "a: b\n", "%TAG !a! b\n",
                  "{},", "[],", "a,", "#\n", "\\", ": ", "\t", "\n ", "{a: 1}, ", "? a\n", "<<: *a\n", "- &a x\n", "--- \n", '"", ']:
        yield piece * (400_000 // len(piece))
        yield "[" + piece * (99_000 // len(piece))
    yield "\n".join(" " * n + "a:" for n in range(440))


def height(value):
    todo, most = [(value, 0)], 0
    while todo:
        one, level = todo.pop()
        most = max(most, level)
        todo += [(each, level + 1) for each in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())]
    return most


counts = {"read": 0, "refused": 0}
for document in [*bombs(), *(text() for _ in range(int(sys.argv[2])))]:
    for read in (read_yaml, read_json):
        for bounds in (TYPED_BOUNDS, CONFIG_MAP_BOUNDS, MANIFEST_BOUNDS) if len(document) > 5_000 else (TYPED_BOUNDS,):
            try:
                found = read(document, bounds)
            except BadDocument:
                counts["refused"] += 1
            else:
                assert height(found) <= bounds.depth
                json.dumps(found)
                counts["read"] += 1
print(json.dumps(counts))
"""


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
    resource.setrlimit(resource.RLIMIT_CPU, (40, 40))


def test_thousands_of_hostile_documents_are_read_or_refused_in_little_time_and_memory():
    """In a process of its own, which the kernel ends where a reader takes too much of either."""
    command = [sys.executable, "-c", HOSTILE, "7", "5000"]
    done = subprocess.run(command, preexec_fn=limited, capture_output=True, text=True, check=False)
    assert done.returncode not in {-signal.SIGXCPU, -signal.SIGKILL}, "a document took too long"
    assert done.returncode == 0, done.stderr[-2000:]
    counts = json.loads(done.stdout)
    assert counts["read"] > 300
    assert counts["refused"] > 3_000


def test_a_manifest_may_be_large():
    value = {"items": [{"metadata": {"name": f"n{n}", "labels": {"a": "]["}}} for n in range(20_000)]}
    assert read_json(json.dumps(value), MANIFEST_BOUNDS) == value
