"""What the pages say is so: made pages are up to date, and every command that README and docs show exists."""

import re
import shlex
from pathlib import Path

import click
import pytest

from bot.cli import main
from bot.terminal.docs import PAGES
from commands.grammar.parser import parse

ROOT = Path(__file__).parents[1]
TEXTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("name", PAGES)
def test_a_made_page_is_up_to_date(name):
    assert (ROOT / name).read_text("utf-8") == PAGES[name]()


def chat_lines():
    for path in TEXTS:
        for line in re.findall(r"^\s*(?:> )?(/velero [^`|\n]+)$", path.read_text("utf-8"), re.MULTILINE):
            yield pytest.param(line.strip(), id=f"{path.name}: {line.strip()[:60]}")


@pytest.mark.parametrize("line", [*chat_lines()])
def test_a_line_for_the_chat_can_be_read(line):
    assert parse(line.partition("   ")[0])


def terminal_lines():
    for path in TEXTS:
        for line in re.findall(
            r"^\s*(?:\$ )?(?:\.venv/bin/)?velero-chatops ([^`\n]+)$", path.read_text("utf-8"), re.MULTILINE
        ):
            yield pytest.param(line.strip(), id=f"{path.name}: {line.strip()[:60]}")


@pytest.mark.parametrize("line", [*terminal_lines()])
def test_a_command_of_the_terminal_exists(line):
    words = shlex.split(line, comments=True)
    command: click.Command | None = main
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command = command.get_command(click.Context(command), words.pop(0))
    assert command is not None


def test_targets_of_make_that_the_readme_names_exist():
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"^\s*(?:\$ )?make ([a-z0-9-]+)", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE))
    assert named <= targets
    assert "demo" in named
