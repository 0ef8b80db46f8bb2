"""The documentation is true: generated pages are current, and the commands, links and paths that it shows exist."""

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
PAGES_OF_PEOPLE = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/**/*.md")])


def code_lines(text):
    """Yield the lines of fenced and indented code."""
    fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line.strip()


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_current(name):
    assert (ROOT / name).read_text("utf-8") == PAGES[name]()


def chat_lines():
    for path in TEXTS:
        for line in re.findall(r"^\s*(?:> )?(/velero [^`|\n]+)$", path.read_text("utf-8"), re.MULTILINE):
            yield pytest.param(line.strip(), id=f"{path.name}: {line.strip()[:60]}")


@pytest.mark.parametrize("line", [*chat_lines()])
def test_a_chat_command_parses(line):
    assert parse(line.partition("   ")[0])


def terminal_lines():
    for path in TEXTS:
        for line in code_lines(path.read_text("utf-8")):
            if found := re.match(r"(?:\$ )?(?:\.venv/bin/)?velero-chatops (.+)$", line):
                yield pytest.param(found[1], id=f"{path.name}: {found[1][:60]}")


@pytest.mark.parametrize("line", [*terminal_lines()])
def test_a_terminal_command_exists(line):
    words = shlex.split(line, comments=True)
    command: click.Command | None = main
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command = command.get_command(click.Context(command), words.pop(0))
    assert command is not None


def test_the_make_targets_in_the_readme_exist():
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"^\s*(?:\$ )?make ([a-z0-9-]+)", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE))
    assert named <= targets
    assert "demo" in named


def slug(heading):
    """GitHub's anchor of a heading."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


def links():
    for path in PAGES_OF_PEOPLE:
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8")):
            if not target.startswith(("http://", "https://", "mailto:")):
                yield pytest.param(path, target, id=f"{path.relative_to(ROOT)}: {target}")


@pytest.mark.parametrize(("path", "target"), [*links()])
def test_a_link_resolves(path, target):
    name, _, anchor = target.partition("#")
    page = (path.parent / name).resolve() if name else path
    assert page.exists()
    if anchor:
        headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
        assert anchor in {slug(heading) for heading in headings}


def paths():
    """Yield the repository paths that pages show as code; ADRs may name what they replaced."""
    packages = "|".join(path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("."))
    for path in PAGES_OF_PEOPLE:
        if path.parent.name != "adr" and path.name != "CHANGELOG.md":
            for name in re.findall(rf"`((?:{packages})/[\w./-]+)`", path.read_text("utf-8")):
                yield pytest.param(name, id=f"{path.relative_to(ROOT)}: {name}")


@pytest.mark.parametrize("name", [*paths()])
def test_a_path_exists(name):
    assert (ROOT / name).exists()
