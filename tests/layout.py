"""Parses the project's modules for the tests that check its layout and boundaries."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PRODUCT = ("bot", "operations", "tracking", "commands", "policy", "notifier", "velero", "store", "domain")
PACKAGES = (*PRODUCT, "sandbox")
MODULES = tuple(path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
PRODUCT_MODULES = tuple(path for path in MODULES if path.relative_to(ROOT).parts[0] in PRODUCT)


def relative_path(path: Path) -> str:
    return str(path.relative_to(ROOT))


@functools.cache
def parse_module(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def is_terminal_command(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Recognize click's commands, whose parameters are the command's options."""
    return any(ast.unparse(decorator).startswith("click.command") for decorator in function.decorator_list)


def find_functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(parse_module(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def count_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count parameters without `self` and `cls`."""
    names = [arg.arg for arg in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def find_constants(path: Path) -> Iterator[str]:
    """Find the names in capitals that a module assigns at its top level."""
    for node in parse_module(path).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        yield from (target.id for target in targets if isinstance(target, ast.Name) and target.id.isupper())


@functools.cache
def find_calls(path: Path) -> tuple[tuple[str, ast.Call], ...]:
    """Find each call of `module.function`, with that text."""
    calls = (node for node in ast.walk(parse_module(path)) if isinstance(node, ast.Call))
    return tuple((ast.unparse(call.func), call) for call in calls if isinstance(call.func, ast.Attribute))


@functools.cache
def find_imports(path: Path) -> set[str]:
    """Find the dotted names that a module imports, late and type-checking imports included."""
    found = set()
    for node in ast.walk(parse_module(path)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(f"{node.module}.{name.name}" for name in node.names)}
    return found


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def find_import_cycles() -> list[list[str]]:
    """Find the groups of modules that import each other, by Tarjan's algorithm."""
    names = {module_name(path) for path in MODULES}
    graph = {module_name(path): sorted(find_imports(path) & names - {module_name(path)}) for path in MODULES}
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    cycles: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = lowest[name] = len(index)
        stack.append(name)
        for other in graph[name]:
            if other not in index:
                visit(other)
            if other in stack:
                lowest[name] = min(lowest[name], lowest[other])
        if lowest[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                cycles.append(sorted(group))

    for name in graph:
        if name not in index:
            visit(name)
    return cycles
