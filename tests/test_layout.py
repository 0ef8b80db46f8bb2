"""The layout of the code: packages and their charters, sizes, parameters, file names, constants, import cycles."""

import ast
import statistics
import sys
from collections import Counter
from importlib.metadata import packages_distributions

import pytest

from tests.layout import (
    MODULES,
    PACKAGES,
    PRODUCT,
    PRODUCT_MODULES,
    ROOT,
    count_parameters,
    find_constants,
    find_functions,
    find_import_cycles,
    is_terminal_command,
    parse_module,
    relative_path,
)

FORBIDDEN_FILE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base"}
MAX_FILES_IN_A_PACKAGE = 25
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 50
MAX_PARAMETERS = 6
# fmt: off
BARE_NAMES = frozenset({
    "AFTER", "ALL", "BAD", "BUSY", "EACH", "EVERY", "FAR", "FEW", "FIRST", "FRESH", "GRACE",
    "HIGHEST", "KEPT", "LARGEST", "LAST", "LASTING", "LATE", "LEAST", "LEFT", "LIMIT", "LONG", "LONGEST",
    "LOOKS", "MANY", "MOST", "NEAR", "NEXT", "OLD", "PATIENCE", "PAUSE", "QUIET", "SEEN", "SHORT",
    "SHORTEST", "SHOWN", "SLOW", "SOON", "TOLERANCE", "TOLD", "WAIT", "WIDE", "WITHIN", "WORDS",
})
# fmt: on
"""Names that give a constant a quantity or a quality and no subject."""

LONG_PARAMETER_LISTS: frozenset[str] = frozenset(
    {
        "bot/approval_wiring.py:build_approvals",
        "bot/delivery_wiring.py:__init__",
        "bot/intake.py:_insert",
        "bot/record_queries.py:__init__",
        "bot/slack/item_processor.py:__init__",
        "bot/terminal/policy.py:explain_line",
        "bot/webhooks/item_processor.py:__init__",
        "bot/webhooks/problems.py:problem",
        "bot/webhooks/routes.py:__init__",
        "bot/webhooks/wiring.py:__init__",
        "notifier/deliver/message_builder.py:__init__",
        "notifier/deliver/projection.py:__init__",
        "notifier/deliver/slack.py:__init__",
        "operations/approval/transitions.py:append_audit",
        "operations/approval/transitions.py:record_end",
        "operations/approval/transitions.py:record_requested",
        "operations/execution_records.py:record_submitted",
        "operations/facts_reader.py:_read_rounds",
        "policy/decide.py:decide",
        "store/tables/inbox.py:accept",
        "store/tables/notices.py:add",
        "store/tables/steps.py:move",
        "tracking/follower.py:__init__",
        "tracking/observation.py:make_event",
        "tracking/operations.py:advance",
        "tracking/watchdog_round.py:__init__",
        "velero/reflector.py:__init__",
    }
)
"""Functions with more parameters than allowed. The list only shrinks: remove an entry when its function is shortened."""


@pytest.mark.parametrize("name", PRODUCT)
def test_a_top_level_package_belongs_to_this_distribution_only(name):
    assert set(packages_distributions().get(name, ["velero-chatops"])) == {"velero-chatops"}
    assert name not in sys.stdlib_module_names


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_a_charter_and_nothing_else_in_its_init(package):
    for directory in {path.parent for path in (ROOT / package).rglob("*.py")}:
        path = directory / "__init__.py"
        assert path.exists(), relative_path(path)
        (charter,) = parse_module(path).body
        assert isinstance(charter, ast.Expr), relative_path(path)
        assert isinstance(charter.value, ast.Constant), relative_path(path)
        assert "Belongs here:" in charter.value.value, relative_path(path)


def test_every_module_has_a_docstring():
    silent = [relative_path(path) for path in MODULES if not ast.get_docstring(parse_module(path))]
    assert [name for name in silent if not name.endswith("__main__.py")] == []


def test_no_package_has_too_many_files():
    counts = Counter(relative_path(path.parent) for path in MODULES if path.name != "__init__.py")
    assert {name: count for name, count in counts.items() if count > MAX_FILES_IN_A_PACKAGE} == {}


def test_no_module_is_too_long():
    lines = {relative_path(path): len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert {name: count for name, count in lines.items() if count > MAX_MODULE_LINES} == {}
    assert statistics.quantiles(lines.values(), n=10)[-1] <= 300


def test_no_function_is_too_long():
    lengths = {
        f"{relative_path(path)}:{function.name}:{function.lineno}": function.end_lineno - function.lineno + 1
        for path in MODULES
        for function in find_functions(path)
    }
    assert {name: count for name, count in lengths.items() if count > MAX_FUNCTION_LINES} == {}
    assert statistics.median(lengths.values()) <= 9


def test_no_function_has_too_many_parameters():
    too_many = {
        f"{relative_path(path)}:{function.name}"
        for path in PRODUCT_MODULES
        for function in find_functions(path)
        if count_parameters(function) > MAX_PARAMETERS and not is_terminal_command(function)
    }
    assert too_many - LONG_PARAMETER_LISTS == set()
    assert LONG_PARAMETER_LISTS - too_many == set(), "shortened: remove these from LONG_PARAMETER_LISTS"
    assert len(LONG_PARAMETER_LISTS) <= 30


def test_no_file_has_a_name_that_says_nothing():
    assert [
        relative_path(path)
        for path in MODULES
        if {path.stem, *path.relative_to(ROOT).parts[:-1]} & FORBIDDEN_FILE_NAMES
    ] == []


def test_no_bare_constant_name_is_used_twice():
    """Two constants named LONGEST are two limits of different things; each says of what, or is the only one."""
    places = {(name.strip("_"), relative_path(path)) for path in PRODUCT_MODULES for name in set(find_constants(path))}
    counts = Counter(name for name, _ in places if name in BARE_NAMES)
    assert sorted(place for place in places if counts[place[0]] > 1) == []


def test_no_modules_import_each_other():
    """Late imports and imports for type checking count."""
    assert find_import_cycles() == []
