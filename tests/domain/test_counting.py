"""Numbers in words; and no text of the product counts by itself."""

import ast
import re
from pathlib import Path

import pytest

from domain.counting import counted, plural_of

ROOT = Path(__file__).parents[2]
PACKAGES = ("bot", "operations", "tracking", "commands", "policy", "notifier", "velero", "store", "domain")
NOUNS = (
    "backup restore schedule object error warning item run namespace volume check rule cluster case fault row notice"
    " step vote plugin kind part skip subscription line minute hour day location repository approval people"
)
COUNTS = re.compile(rf" (?:more )?(?:{'|'.join(f'{noun}s' for noun in NOUNS.split())}|repositories)\b")


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0 backups"), (1, "1 backup"), (2, "2 backups"), (-1, "-1 backups"), (1000, "1000 backups")],
)
def test_a_count(number, said):
    assert counted(number, "backup") == said


def test_a_plural_of_its_own():
    assert [counted(number, "repository", "repositories") for number in (1, 2)] == ["1 repository", "2 repositories"]
    assert [plural_of(number, "is", "are") for number in (1, 2)] == ["is", "are"]


def bare_counts(path: Path):
    """Places where a text puts a noun in the plural behind a number that may be one."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.JoinedStr):
            continue
        for number, after in zip(node.values, node.values[1:], strict=False):
            if isinstance(number, ast.FormattedValue) and isinstance(after, ast.Constant) and COUNTS.match(after.value):
                said = ast.unparse(number.value)
                if not NAMES.search(said):
                    yield f"{path.relative_to(ROOT)} {said}{after.value}"


NAMES = re.compile(r"name$|in_sentence$|host$|title|table$|^[A-Z_]+$")
"""What runs or skips is no number; a constant is not one."""
ALWAYS_MORE = (
    "commands/restore/schedule_hold.py minutes minutes longer",
    "notifier/render/limits.py len(blocks) - BLOCKS + 1 more parts",
    "velero/cron/description.py step ",
)
"""Numbers that are never one."""


def test_every_count_is_put_into_words_in_one_place():
    found = [
        place for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")) for place in bare_counts(path)
    ]
    assert [place for place in found if not place.startswith(ALWAYS_MORE)] == []
