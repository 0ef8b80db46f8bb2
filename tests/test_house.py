"""The house keeps its own rules: names, charters, budgets, and where a broad `except` may stand."""

import ast
import functools
import statistics
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("bot", "operations", "tracking", "commands", "policy", "notifier", "velero", "store", "domain")
MODULES = [path for package in (*PACKAGES, "sandbox") for path in sorted((ROOT / package).rglob("*.py"))]
FORBIDDEN = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base"}
BROAD = {"bot/supervise.py": 2, "bot/http.py": 1, "bot/slack/listeners.py": 1}
"""The supervised loop and its one piece of work, the HTTP middleware, the listener wrapper."""


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def functions(path: Path):
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("name", PACKAGES)
def test_a_top_level_name_belongs_to_this_distribution_alone(name):
    assert set(packages_distributions().get(name, ["velero-chatops"])) == {"velero-chatops"}
    assert name not in sys.stdlib_module_names


@pytest.mark.parametrize("package", [*PACKAGES, "sandbox"])
def test_each_package_begins_with_its_charter_and_nothing_else(package):
    for path in (ROOT / package).rglob("__init__.py"):
        body = parsed(path).body
        assert len(body) == 1, shown(path)
        assert isinstance(body[0], ast.Expr), shown(path)
        assert isinstance(body[0].value.value, str), shown(path)


def test_each_module_says_what_it_is_for():
    silent = [shown(path) for path in MODULES if not ast.get_docstring(parsed(path))]
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
    handlers = [n for n in ast.walk(parsed(path)) if isinstance(n, ast.ExceptHandler)]
    wide = ("Exception", "BaseException")
    kept = [one for one in handlers if not isinstance(one.body[-1], ast.Raise)]
    return sum(1 for one in kept if one.type is None or (isinstance(one.type, ast.Name) and one.type.id in wide))


def test_a_broad_except_stands_in_its_named_places_only():
    product = [path for path in MODULES if path.parts[len(ROOT.parts)] in PACKAGES]
    assert {shown(path): broad(path) for path in product if broad(path)} == BROAD


OWN_TABLES = {"commands/planning/hints.py", "commands/schedule/cron_errors.py", "bot/configuration/setting_values.py"}
"""Modules whose patterns stand in a table of their own."""
PATTERN_TAKERS = {"compile", "search", "match", "fullmatch", "split", "findall", "finditer", "sub", "subn"}


def calls(path: Path):
    """`module.function` of each call, with the call."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield ast.unparse(node.func), node


def is_own_text(node: ast.expr) -> bool:
    """Literals, constants of the module and what was escaped: no sign in it that works is somebody else's."""
    match node:
        case ast.Constant():
            return True
        case ast.JoinedStr(values=parts):
            return all(is_own_text(part.value if isinstance(part, ast.FormattedValue) else part) for part in parts)
        case ast.Name(id=name):
            return name.isupper()
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "re.escape"


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(f"{node.module}.{name.name}" for name in node.names)}
    return found


PRODUCT = [path for path in MODULES if path.parts[len(ROOT.parts)] in PACKAGES]


def test_a_pattern_that_re_runs_is_our_own():
    foreign = [
        f"{shown(path)}:{call.lineno}"
        for path in PRODUCT
        for name, call in calls(path)
        if name.partition(".")[0] == "re"
        and name.removeprefix("re.") in PATTERN_TAKERS
        and not is_own_text(call.args[0])
    ]
    assert {place.partition(":")[0] for place in foreign} == OWN_TABLES, foreign
    assert [shown(path) for path in PRODUCT if imported(path) & {"fnmatch", "glob", "re.compile", "re.search"}] == []
    assert [shown(path) for path in PRODUCT if "re2" in imported(path)] == ["velero/patterns.py"]


READERS = {
    "json.loads",
    "json.load",
    "yaml.safe_load",
    "yaml.load",
    "yaml.safe_load_all",
    "yaml.load_all",
    "yaml.parse",
}
OWN_ROWS = {
    "store/encode.py",
    "store/lock.py",
    "store/audit_chain/verify.py",
    "operations/restore_preview/live_index.py",
}
"""What the product itself wrote: rows of the store, its lock file, the packed form of a live object."""
MEASURED_FIRST = {
    "velero/api.py",
    "velero/gateway.py",
    "velero/resources/rows.py",
    "velero/watch.py",
    "bot/webhooks/routes.py",
}
"""Parsers of other libraries, for speed; `check_json` measures what they are given."""


def test_what_somebody_else_wrote_is_read_by_the_bounded_reader_alone():
    readers, parsers = set(), set()
    for path in PRODUCT:
        for name, call in calls(path):
            own = bool(call.args) and ast.unparse(call.args[0]).startswith("json.dumps(")
            readers |= {shown(path)} if name in READERS and not own else set()
            parsers |= {shown(path)} if name.endswith(".model_validate_json") else set()
        parsers |= {shown(path)} if imported(path) & {"msgspec.json", "msgspec.yaml"} else set()
        assert not imported(path) & {"json.loads", "json.load", "yaml.safe_load", "yaml.parse"}, shown(path)
    assert readers - OWN_ROWS == {"velero/documents.py"}
    assert parsers == MEASURED_FIRST
    for name in MEASURED_FIRST:
        assert "velero.documents.check_json" in imported(ROOT / name), name
