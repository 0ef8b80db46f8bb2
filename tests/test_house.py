"""The house keeps its own rules: names, charters, budgets, and where a broad `except` may stand."""

import ast
import statistics
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("bot", "commands", "notifier", "velero", "store", "domain")
MODULES = [path for package in (*PACKAGES, "sandbox") for path in sorted((ROOT / package).rglob("*.py"))]
FORBIDDEN = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base"}
BROAD = {"bot/supervise.py": 2, "bot/http.py": 1, "bot/slack/listeners.py": 1}
"""The supervised loop and its one piece of work, the HTTP middleware, the listener wrapper."""


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("name", PACKAGES)
def test_a_top_level_name_belongs_to_this_distribution_alone(name):
    assert set(packages_distributions().get(name, ["velero-chatops"])) == {"velero-chatops"}
    assert name not in sys.stdlib_module_names


@pytest.mark.parametrize("package", [*PACKAGES, "sandbox"])
def test_each_package_begins_with_its_charter_and_nothing_else(package):
    for path in (ROOT / package).rglob("__init__.py"):
        body = ast.parse(path.read_text("utf-8")).body
        assert len(body) == 1, shown(path)
        assert isinstance(body[0], ast.Expr), shown(path)
        assert isinstance(body[0].value.value, str), shown(path)


def test_each_module_says_what_it_is_for():
    silent = [shown(path) for path in MODULES if not ast.get_docstring(ast.parse(path.read_text("utf-8")))]
    assert [name for name in silent if not name.endswith("__main__.py")] == []


def test_no_module_is_over_its_budget():
    lines = {shown(path): len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert {name: count for name, count in lines.items() if count > 400} == {}
    assert statistics.quantiles(lines.values(), n=10)[-1] <= 300


def test_no_function_is_over_its_budget():
    lengths = [(f"{shown(path)}:{name}", count) for path in MODULES for name, count in functions(path)]
    assert [one for one in lengths if one[1] > 60] == []
    assert statistics.median(count for _, count in lengths) <= 9


def test_no_file_is_named_by_nothing():
    assert [shown(path) for path in MODULES if path.stem in FORBIDDEN or path.parent.name in FORBIDDEN] == []


def broad(path: Path) -> int:
    """Handlers that catch everything and keep it; one that cleans up and raises again keeps nothing."""
    handlers = [n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.ExceptHandler)]
    wide = ("Exception", "BaseException")
    kept = [one for one in handlers if not isinstance(one.body[-1], ast.Raise)]
    return sum(1 for one in kept if one.type is None or (isinstance(one.type, ast.Name) and one.type.id in wide))


def test_a_broad_except_stands_in_its_named_places_only():
    product = [path for path in MODULES if path.parts[len(ROOT.parts)] in PACKAGES]
    assert {shown(path): broad(path) for path in product if broad(path)} == BROAD
