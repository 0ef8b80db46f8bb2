"""Every refusal of a line: the wrong part underlined, why, the nearest values, and one better line that reads."""

from __future__ import annotations

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from commands.correction import Typed, correct_line, find_place, is_shown
from commands.grammar.flags import (
    BOOL,
    DURATION,
    INT,
    MAPPINGS,
    OPTIONAL_BOOL,
    OR_SELECTOR,
    PAIRS,
    PEEKING_BOOL,
    SELECTOR,
    STICKY_BOOL,
    Flag,
)
from commands.grammar.nearest import nearest
from commands.grammar.parser import parse
from commands.grammar.tokenizer import tokenize
from commands.grammar.verb import Effect
from commands.grammar.vocabulary import SHARED_FLAGS
from commands.registry import VERBS, verb_of
from domain.errors import NotFound, Refused, UsageError, UserError
from tests.commands.shelf import Shelf, backup, location, namespace

DRY_RUN = next(flag for flag in SHARED_FLAGS if flag.name == "dry-run")


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
        (
            "restore create r1 --before 2h --include-namespaces shop",
            "2h",
            "restore create r1 --before '2h ago' --include-namespaces shop",
        ),
        ("backup-location set defualt --default", "defualt", "backup-location set default --default"),
        ("backup cancel nigthly-1", "nigthly-1", "backup cancel nightly-1"),
        ("velero backup cancel “nigthly-1”", "“nigthly-1”", "velero backup cancel nightly-1"),
        ("backup cancel &lt;nigthly-1&gt;", "&lt;nigthly-1&gt;", ""),
        ("backup cancel &lt;x&gt;", "&lt;x&gt;", ""),
    ],
)
def test_the_wrong_part_and_a_better_line(line: str, wrong: str, better: str) -> None:
    fault = fault_of(line)
    span = find_place(fault, line)
    assert span is not None
    assert line[slice(*span)] == wrong
    assert correct_line(fault, Typed(line)) == better


@pytest.mark.parametrize(
    "line", ["backup create", "backup cancel", "backup create a b c", "backup delete", "backup create x --labels a"]
)
def test_where_nothing_is_near_there_is_a_usage(line: str) -> None:
    fault = fault_of(line)
    assert fault.text
    assert fault.fix


def test_a_word_that_is_part_of_another_is_not_underlined() -> None:
    fault = NotFound("Backup `default` doesn't exist.", nearest=("other",))
    assert find_place(fault, "backup-location set x --default") is None


@pytest.mark.parametrize(
    "line",
    [
        "restore create r --from-backup nightly-1 --clean --dry-run",
        "backup create x --ttl 7parsecs",
        "snapshot-location delete x",
        "snapshot-location set x --config region=eu",
        "restore create r --from-backup nightly-1 --force",
        "backup create x --exclude-kinds shop",
        "backup create x --clude-namespaces shop",
        "backup create x --reason --dry-run",
        "backup create x --reason --dryrun",
        "backup create x --snapshot-volumes=maybe",
        "delete x",
        "create --dry-run",
        "backup-location fet",
        "schedule un nightly",
        "backup cancel zebra",
        "backup create x y --dry-run",
        "backup create --from-schedule s --type full --dry-run",
        "backup create x --storage-location '' --reason 'NAME'x --tl 1h --tll 1h",
        "backup create x --dryrun --tll 1h",
    ],
)
def test_no_line_is_better_than_a_wrong_one(line: str) -> None:
    assert correct_line(fault_of(line), Typed(line)) == ""


@pytest.mark.parametrize(
    ("line", "better"),
    [
        ("backup create x --ttl 7years", "backup create x --ttl 7y"),
        ("backup create x --ttl '30 dayz'", ""),
        ("backup create x --tll 1h --dry-run", "backup create x --ttl 1h --dry-run"),
        ("backup create x --dryrun", "backup create x --dry-run"),
        ("backup create x --dry-run=no", ""),
        ("backup create x --snapshot-volumes=no", "backup create x --snapshot-volumes=false"),
        ("backup create x -o ymal", "backup create x -o yaml"),
        ("backup delet x --dry-run", "backup delete x --dry-run"),
        ("create backpu x --dry-run", "create backup x --dry-run"),
        ("backup create x -n velero --dry-run", "backup create x --dry-run"),
    ],
)
def test_a_better_line_keeps_what_holds_back(line: str, better: str) -> None:
    assert correct_line(fault_of(line), Typed(line)) == better


def test_an_item_that_is_there_already_is_not_suggested_again() -> None:
    fault = Refused("Namespace `shpo` doesn't exist in this cluster.", nearest=("shop",))
    assert correct_line(fault, Typed("backup create x --include-namespaces shop,shpo")) == ""
    assert correct_line(fault, Typed("backup create x --include-namespaces shpo")) == (
        "backup create x --include-namespaces shop"
    )


RIGHT = {
    BOOL: "",
    STICKY_BOOL: "",
    OPTIONAL_BOOL: "=false",
    PEEKING_BOOL: "=false",
    INT: "=3",
    DURATION: "=30d",
    PAIRS: "=a=b",
    MAPPINGS: "=a:b",
    SELECTOR: "=app=web",
    OR_SELECTOR: "='a=b or c=d'",
}


def worded(flag: Flag, draw: st.DrawFn) -> str:
    chosen = flag.type.name.split("|")[0] if "|" in flag.type.name and flag.type not in RIGHT else "shop"
    value = RIGHT.get(flag.type, f"={chosen}")
    apart = value and flag.type.bare is None and draw(st.booleans())
    return f"--{flag.name} {value[1:]}" if apart else f"--{flag.name}{value}"


@st.composite
def slipped(draw: st.DrawFn) -> tuple[str, str]:
    """A line that reads, and the same with a slip of the finger in one of its words."""
    verb = draw(st.sampled_from([verb for verb in VERBS if verb.effect is not Effect.UNSUPPORTED]))
    names = ["nightly-1"] * max(verb.args.least, draw(st.integers(0, min(1, verb.args.most))))
    flags = draw(st.lists(st.sampled_from([each for each in verb.flags if not each.hidden] or [DRY_RUN]), max_size=2))
    held = draw(st.sampled_from([["--dry-run"], ["--dry-run"], ["--reason=migration"], []]))
    rest = draw(st.permutations([*names, *(worded(flag, draw) for flag in flags), *held]))
    found = [word for word in (verb.noun, verb.name, *rest) if word]
    at = draw(st.integers(0, len(found) - 1))
    return " ".join(found), " ".join([*found[:at], slip(found[at], draw), *found[at + 1 :]])


def slip(word: str, draw: st.DrawFn) -> str:
    at = draw(st.integers(0, len(word) - 1))
    other = draw(st.sampled_from("aeioust-="))
    ways = (
        word[:at] + word[at + 1 :],
        word[:at] + other + word[at + 1 :],
        word[:at] + other + word[at:],
        word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
        word.replace("-", "", 1) if not word.startswith("--") else "--" + word[2:].replace("-", "", 1),
    )
    return draw(st.sampled_from(ways)) or word


@settings(max_examples=150, deadline=None)
@given(slipped())
def test_what_is_shown_reads_differs_holds_back_and_does_no_more(lines: tuple[str, str]) -> None:
    right, wrong = lines
    try:
        if planned(wrong):
            shelf().plans(wrong)
    except UserError as error:
        better = correct_line(error, Typed(wrong))
    else:
        return
    event("suggested" if better else "nothing")
    if better:
        wanted, made = parse(right), parse(better)
        verb = verb_of(made.key)
        assert verb is not None
        assert tokenize(better) != tokenize(wrong)
        if verb.effect is not Effect.READ:
            assert made.verb == wanted.verb
            assert made.dry_run or not wanted.dry_run
            assert set(made.flags) == set(wanted.flags)


def planned(line: str) -> bool:
    command = parse(line)
    verb = verb_of(command.key)
    return not command.help and verb is not None and verb.plan is not None


def test_another_verb_is_not_suggested_by_what_the_error_names() -> None:
    fault = UsageError("'x' is done.", nearest=("backup delete x",))
    assert correct_line(fault, Typed("backup cancel x")) == ""


def test_a_line_with_a_gap_to_fill_is_not_ready_to_copy() -> None:
    fault = UsageError("A backup name is missing.", fix="backup create NAME")
    assert correct_line(fault, Typed("backup create")) == ""


def test_advice_that_would_run_what_was_to_be_shown_is_not_read_out() -> None:
    assert not is_shown("backup create --from-schedule nightly", "backup create --from-schedule nightly --dry-run")
    assert is_shown("--ttl 1h", "backup create x --dry-run")


def test_a_line_that_does_not_read_has_no_place() -> None:
    assert find_place(UsageError("'x' is wrong."), "backup 'x") is None


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
