"""Every refusal of a line: the wrong part underlined, why, the nearest values, and one better line that reads."""

from __future__ import annotations

import pytest

from commands.correction import corrected, place
from commands.grammar import parse
from commands.nearest import nearest
from domain.errors import Unknown, UsageError, UserError
from tests.commands.shelf import Shelf, backup, location, namespace


def shelf() -> Shelf:
    held = Shelf().put("backups", backup("nightly-1")).put("namespaces", namespace("shop"), namespace("billing"))
    return held.put("backupstoragelocations", location("default", default=True))


def fault_of(line: str) -> UserError:
    with pytest.raises(UserError) as caught:
        shelf().plans(line)
    return caught.value


@pytest.mark.parametrize(
    ("line", "wrong", "better"),
    [
        ("backpu create x", "backpu", "backup create x"),
        ("backup crate x", "crate", "backup create x"),
        ("create backpu x", "backpu", "create backup x"),
        ("backup create x --tll 1h", "--tll", "backup create x --ttl 1h"),
        ("backup create x --tll=1h", "--tll=1h", "backup create x --ttl=1h"),
        ("backup create x --ttl 30", "30", "backup create x --ttl 30h"),
        ("backup create x --ttl=30", "--ttl=30", "backup create x --ttl=30h"),
        ("backup create x --wait=yes", "--wait=yes", "backup create x --wait=true"),
        ("backup create x -o xml", "xml", "backup create x -o table"),
        ("backup create x -n velero --ttl 1h", "-n", "backup create x --ttl 1h"),
        ("backup create x --storage-location defualt", "defualt", "backup create x --storage-location default"),
        (
            "backup create x --include-namespaces shop,Bilng",
            "Bilng",
            "backup create x --include-namespaces shop,billing",
        ),
        ("backup-location set defualt --default", "defualt", "backup-location set default --default"),
        ("backup cancel nigthly-1", "nigthly-1", "backup cancel nightly-1"),
        ("velero backup cancel “nigthly-1”", "“nigthly-1”", "velero backup cancel nightly-1"),
        ("backup cancel &lt;x&gt;", "&lt;x&gt;", "backup cancel nightly-1"),
    ],
)
def test_the_wrong_part_and_a_better_line(line: str, wrong: str, better: str) -> None:
    fault = fault_of(line)
    span = place(fault, line)
    assert span is not None
    assert line[slice(*span)] == wrong
    assert corrected(fault, line) == better


@pytest.mark.parametrize(
    "line", ["backup create", "backup cancel", "backup create a b c", "backup delete", "backup create x --labels a"]
)
def test_where_nothing_is_near_there_is_a_usage(line: str) -> None:
    fault = fault_of(line)
    assert fault.text
    assert fault.fix


def test_a_word_that_is_part_of_another_is_not_underlined() -> None:
    fault = Unknown("There is no backup 'default'.", nearest=("other",))
    assert place(fault, "backup-location set x --default") is None


def test_a_command_that_the_error_names_is_taken_as_it_is() -> None:
    fault = UsageError("'x' is done.", nearest=("backup delete x",))
    assert corrected(fault, "backup cancel x") == "backup delete x"


def test_a_flag_that_would_mend_it_is_added() -> None:
    fault = UsageError("'b' has no region.", nearest=("--config region=…",))
    assert corrected(fault, "backup-location create b") == "backup-location create b --config region=…"


def test_a_line_that_does_not_read_has_no_place() -> None:
    assert place(UsageError("'x' is wrong."), "backup 'x") is None


@pytest.mark.parametrize(
    ("word", "found"), [("sched", "schedule"), ("shcedule", "schedule"), ("bakup", "backup"), ("rstore", "restore")]
)
def test_the_nearest_word(word: str, found: str) -> None:
    assert nearest(word, ("backup", "restore", "schedule", "cluster"))[0] == found


@pytest.mark.parametrize("word", ["", "zzzz", "x" * 300])
def test_what_is_near_to_nothing(word: str) -> None:
    assert nearest(word, ("backup", "restore")) == ()


def test_in_a_thread_the_name_is_at_hand() -> None:
    command = parse("backup logs", subject=("backup", "shop-1"))
    assert command.names == ("shop-1",)
