"""A flag that holds a command back is never eaten by another one: a dry run stays a dry run."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commands.grammar.parser import parse
from commands.grammar.verb import Effect
from commands.grammar.vocabulary import SHARED_FLAGS
from commands.registry import VERBS
from domain.errors import UsageError

WRITES = [verb for verb in VERBS if verb.effect is Effect.WRITE]
TAKERS = [(verb, flag) for verb in WRITES for flag in (*verb.flags, *SHARED_FLAGS) if flag.type.bare is None]


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(TAKERS),
    st.sampled_from(["--dry-run", "--dry-run=true", "--dryrun", "--dry_run", "--Dry-Run", "—dry-run", "'--dry-run'"]),
)
def test_no_flag_takes_a_dry_run_for_its_value(taker, word):
    verb, flag = taker
    line = f"{verb.noun} {verb.name} {'x' if verb.args.least else ''} --{flag.name} {word}"
    with pytest.raises(UsageError):
        pytest.fail(f"{line}: {parse(line)}")


@pytest.mark.parametrize("flag", ["--reason", "--break-glass", "--description", "--namespaces", "--cluster"])
@pytest.mark.parametrize(
    "word", ["--ttl", "--ttl=1h", "-o", "-oyaml", "-w", "--wait", "--nosuch", "--help", "--confirm"]
)
def test_our_own_flags_take_no_flag_for_a_value(flag, word):
    with pytest.raises(UsageError) as caught:
        parse(f"backup create x {flag} {word}")
    assert f"{flag}={word}" in caught.value.fix


@pytest.mark.parametrize("word", ["-o", "-oyaml", "-o=yaml", "-wo", "--output", "--output=yaml", "-h", "--paused"])
def test_velero_s_flags_take_none_that_holds_back(word):
    with pytest.raises(UsageError):
        parse(f"backup create --data-mover {word} yaml")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("backup create x --reason=--dry-run", "--dry-run"),
        ("backup create x --reason='--dry-run is done'", "--dry-run is done"),
        ("backup create x --reason '--dry-run is done'", "--dry-run is done"),
        ("backup create x --reason '- moved'", "- moved"),
        ("backup create x --reason -5", "-5"),
    ],
)
def test_text_that_begins_with_dashes_is_written_after_an_equals_sign(line, said):
    command = parse(line)
    assert command.text("reason") == said
    assert not command.dry_run
    assert parse(command.line).text("reason") == said


@pytest.mark.parametrize(
    "line",
    [
        "backup create x --dry-run --dry-run=false",
        "backup create x --dry-run=false --dry-run",
        "backup create x -o yaml -o ''",
        "backup create x -wo yaml",
        "backup create x —dry-run",
        "schedule create x --schedule @daily --skip-immediately --dry-run",
    ],
)
def test_said_once_it_holds(line):
    assert parse(line).dry_run
