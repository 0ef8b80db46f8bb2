"""The recipes in CONTRIBUTING.md name files that exist and names that are defined in them."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
RECIPES = {
    part.partition("\n")[0]: part for part in TEXT.partition("## Recipes")[2].partition("\n## ")[0].split("\n### ")[1:]
}
ROWS = [
    pytest.param(*(cell.strip() for cell in line.strip("|").split("|")), id=f"{title}: {line.split('|')[1].strip()}")
    for title, recipe in RECIPES.items()
    for line in recipe.splitlines()
    if line.startswith("| `")
]


def defined_names(path):
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = {node.name for node in nodes if isinstance(node, functions)}
    for node in ast.parse(path.read_text("utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def test_there_are_five_recipes():
    assert list(RECIPES) == ["Add a verb", "Add a guard", "Add an event", "Add a setting", "Add a table"]


@pytest.mark.parametrize(("file", "names", "change"), ROWS)
def test_a_recipe_names_what_exists(file, names, change):
    file = file.strip("`")
    pattern = re.sub(r"<\w+>", "*", file)
    assert [*ROOT.glob(pattern)], file
    if names:
        assert set(re.findall(r"`(\w+)`", names)) <= defined_names(ROOT / file)
    for mentioned in re.findall(r"`([\w/]+\.(?:py|yaml|toml))`", change):
        assert (ROOT / mentioned).exists(), mentioned


def test_the_event_recipe_names_the_function_that_makes_events():
    assert "make_event" in defined_names(ROOT / "tracking" / "observation.py")


def test_the_release_steps_name_a_target_and_its_files():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    steps = TEXT.partition("## Release")[2]
    assert "make release" in steps
    for name in ("velero-chatops.cdx.json", "SHA256SUMS"):
        assert name in steps
        assert name in makefile
