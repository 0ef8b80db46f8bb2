"""The notation of schemas, and that what passed once passes again."""

from hypothesis import given
from hypothesis import strategies as st

from sandbox.kubernetes.schemas import structural
from sandbox.kubernetes.schemas.kinds import KINDS

SHAPE = {
    "name!": "string",
    "kind": ("a", "b"),
    "tags?": ["string"],
    "labels": "{string}",
    "free": "any",
    "port": "int-or-string",
    "at?": "date-time",
    "key": {"name=": "string"},
    "commands+": ["string"],
}
NODE = structural.parse(SHAPE)
KEYS = [key.rstrip("!?+=") for key in SHAPE]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from([*KEYS, "other"]), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.sampled_from([*KEYS, "other"]), VALUES)


def faults(value):
    return {(fault.of, fault.path) for fault in structural.faults(value, NODE)}


def test_a_good_value():
    value = {
        "name": "n",
        "kind": "a",
        "tags": None,
        "labels": {"x": "y"},
        "free": {"any": [1]},
        "port": 80,
        "at": "2026-11-21T10:00:00.5+01:00",
        "key": {"name": ""},
        "commands": ["ls"],
    }
    assert faults(value) == set()


def test_each_fault_has_its_place():
    value = {
        "kind": "c",
        "tags": ["x", 1],
        "labels": {"x": 1},
        "port": 1.5,
        "at": "yesterday",
        "key": [],
        "commands": [],
    }
    assert faults(value) == {
        ("required", "name"),
        ("enum", "kind"),
        ("type", "tags[1]"),
        ("type", "labels.x"),
        ("type", "port"),
        ("type", "at"),
        ("type", "key"),
        ("items", "commands"),
    }


def test_a_whole_number_may_be_written_as_a_fraction():
    node = structural.parse({"n": "integer"})
    assert list(structural.faults({"n": 2.0}, node)) == []
    assert [f.path for f in structural.faults({"n": 2.5}, node)] == ["n"]


def test_pruning_names_what_it_drops():
    value = {"name": "n", "zz": 1, "key": {"yy": 2}, "free": {"stays": 1}, "labels": {"x": "y", "gone": None}}
    kept, unknown = structural.prune(value, NODE)
    assert kept == {"name": "n", "key": {"name": ""}, "free": {"stays": 1}, "labels": {"x": "y"}}
    assert unknown == ["zz", "key.yy"]


@given(OBJECTS)
def test_pruning_is_done_after_once(value):
    kept, _ = structural.prune(value, NODE)
    assert structural.prune(kept, NODE) == (kept, [])


@given(OBJECTS)
def test_pruning_leaves_known_fields_only(value):
    kept, unknown = structural.prune(value, NODE)
    assert set(kept) <= set(KEYS)
    assert ("other" in value) == ("other" in unknown)


def test_every_velero_kind_has_a_phase_of_its_own():
    kinds = [kind for kind in KINDS.values() if kind.group == "velero.io"]
    assert len(kinds) == 13
    for kind in kinds:
        assert kind.schema.fields["status"].node.fields["phase"].node.enum


def test_a_schedule_holds_a_whole_backup():
    template = KINDS["schedules"].schema.fields["spec"].node.fields["template"].node
    assert template == KINDS["backups"].schema.fields["spec"].node
