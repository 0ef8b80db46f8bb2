"""Boundaries that the type checker can't hold: broad `except`, regular expressions, parsers of untrusted documents."""

import ast

from tests.layout import PRODUCT_MODULES, ROOT, find_calls, find_imports, parse_module, relative_path

BROAD_EXCEPTS = {"bot/supervise.py": 2, "bot/http.py": 1, "bot/slack/listeners.py": 1}
"""The supervised loop and its unit of work, the HTTP middleware, the wrapper of Slack listeners."""


def count_broad_excepts(path) -> int:
    """Count handlers that catch everything and don't raise again as their last statement."""
    handlers = [node for node in ast.walk(parse_module(path)) if isinstance(node, ast.ExceptHandler)]
    broad = ("Exception", "BaseException")
    swallowing = [handler for handler in handlers if not isinstance(handler.body[-1], ast.Raise)]
    return sum(1 for one in swallowing if one.type is None or (isinstance(one.type, ast.Name) and one.type.id in broad))


def test_broad_excepts_are_only_in_named_places():
    counts = {relative_path(path): count_broad_excepts(path) for path in PRODUCT_MODULES}
    assert {name: count for name, count in counts.items() if count} == BROAD_EXCEPTS


PATTERN_TABLES = {
    "commands/planning/hints.py",
    "commands/schedule/cron_errors.py",
    "bot/configuration/setting_values.py",
}
"""Modules whose own patterns are rows of a table."""
PATTERN_BUILDERS = {"policy/globs.py"}
"""They build a pattern of escaped letters; each star but the last is atomic, so a match takes bounded time."""
PATTERN_TAKERS = {"compile", "search", "match", "fullmatch", "split", "findall", "finditer", "sub", "subn"}


def is_own_text(node: ast.expr) -> bool:
    """Accept literals, constants of the module and escaped text: no character with a meaning comes from outside."""
    match node:
        case ast.Constant():
            return True
        case ast.JoinedStr(values=parts):
            return all(is_own_text(part.value if isinstance(part, ast.FormattedValue) else part) for part in parts)
        case ast.Name(id=name):
            return name.isupper()
        case ast.Call(func=ast.Attribute(value=ast.Constant(), attr="join"), args=[parts]):
            return is_own_text(parts)
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "re.escape"


def test_re_runs_only_patterns_of_the_project():
    outside = [
        f"{relative_path(path)}:{call.lineno}"
        for path in PRODUCT_MODULES
        for name, call in find_calls(path)
        if name.partition(".")[0] == "re"
        and name.removeprefix("re.") in PATTERN_TAKERS
        and not is_own_text(call.args[0])
    ]
    assert {place.partition(":")[0] for place in outside} == PATTERN_TABLES | PATTERN_BUILDERS, outside
    banned = {"fnmatch", "glob", "re.compile", "re.search"}
    assert [relative_path(path) for path in PRODUCT_MODULES if find_imports(path) & banned] == []
    assert [relative_path(path) for path in PRODUCT_MODULES if "re2" in find_imports(path)] == ["velero/patterns.py"]


DOCUMENT_READERS = {
    "json.loads",
    "json.load",
    "yaml.safe_load",
    "yaml.load",
    "yaml.safe_load_all",
    "yaml.load_all",
    "yaml.parse",
}
OWN_ROWS = {
    "bot/terminal/messages_page.py",
    "store/encode.py",
    "store/lock.py",
    "store/audit_chain/verify.py",
    "operations/restore_preview/live_index.py",
}
"""They read what the project wrote itself: rows of the store, its lock file, packed live objects, golden messages."""
CHECKED_FIRST = {
    "velero/api.py",
    "velero/gateway.py",
    "velero/resources/rows.py",
    "velero/watch.py",
    "bot/webhooks/routes.py",
}
"""They use faster parsers of other libraries; `check_json` measures the input first."""


def test_untrusted_documents_are_read_only_by_the_bounded_reader():
    readers, parsers = set(), set()
    for path in PRODUCT_MODULES:
        for name, call in find_calls(path):
            own = bool(call.args) and ast.unparse(call.args[0]).startswith("json.dumps(")
            readers |= {relative_path(path)} if name in DOCUMENT_READERS and not own else set()
            parsers |= {relative_path(path)} if name.endswith(".model_validate_json") else set()
        parsers |= {relative_path(path)} if find_imports(path) & {"msgspec.json", "msgspec.yaml"} else set()
        assert not find_imports(path) & {"json.loads", "json.load", "yaml.safe_load", "yaml.parse"}, relative_path(path)
    assert readers - OWN_ROWS == {"velero/documents.py"}
    assert parsers == CHECKED_FIRST
    for name in CHECKED_FIRST:
        assert "velero.documents.check_json" in find_imports(ROOT / name), name
