"""The threat model names existing tests for every attacker."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "threat-model.md").read_text("utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", TEXT)
ATTACKERS = ("Stranger", "Guest", "Tenant", "Approver", "Pipeline", "Cluster", "Object store", "Slack", "Bot host")


@cache
def functions(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_named_tests_exist():
    assert len(NAMED) > 50
    assert [
        f"{path}::{name}" for path, name in NAMED if not (ROOT / path).is_file() or name not in functions(path)
    ] == []


def test_every_attacker_has_a_section_whose_rows_name_tests():
    chapters = {part.splitlines()[0]: part for part in TEXT.split("\n## ")[1:]}
    for attacker in ATTACKERS:
        (found,) = (part for title, part in chapters.items() if title.startswith(attacker))
        rows = [line for line in found.splitlines() if line.startswith("| ") and not line.startswith("| wants")]
        assert rows, attacker
        assert [row for row in rows if not re.search(r"`tests/[\w/]+\.py::test_\w+`", row)] == []
