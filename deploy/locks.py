"""Parts of requirements.lock for the image: what the bot runs with, and what builds its wheel.

`python deploy/locks.py` writes them; with `--check` it says whether they are up to date.
"""  # noqa: INP001 - a script, no package

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
LEFT_OUT = frozenset({"pip"})
"""sqlite-utils asks for it, for a command of its own that nobody runs here."""


def blocks() -> dict[str, str]:
    """Of the lock file, by name: the pin with its hashes."""
    found = re.split(r"^(?=\S)", (ROOT / "requirements.lock").read_text("utf-8"), flags=re.MULTILINE)
    pins = [block for block in found if "==" in block]
    return {canonicalize_name(block.partition("==")[0]): block.rstrip("\n") for block in pins}


def closure(wanted: list[str], known: dict[str, str]) -> list[str]:
    """What these need, by the metadata of what is installed; extras that nobody asked for are left out."""
    todo, found = [Requirement(each) for each in wanted], set[str]()
    while todo:
        one = todo.pop()
        name = canonicalize_name(one.name)
        if name in found or name not in known or name in LEFT_OUT:
            continue
        found.add(name)
        try:
            below = [Requirement(each) for each in requires(name) or []]
        except PackageNotFoundError:
            continue
        todo += [each for each in below if "extra" not in str(each.marker or "") or _asked(each, one)]
    return sorted(found)


def _asked(below: Requirement, by: Requirement) -> bool:
    return any(below.marker is not None and below.marker.evaluate({"extra": extra}) for extra in by.extras)


def made() -> dict[Path, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    known = blocks()
    parts = {
        DEPLOY / "requirements.lock": project["project"]["dependencies"],
        DEPLOY / "build.lock": project["build-system"]["requires"],
    }
    return {path: "\n".join(known[name] for name in closure(wanted, known)) + "\n" for path, wanted in parts.items()}


def main(words: list[str]) -> int:
    stale = [path for path, text in made().items() if not path.exists() or path.read_text("utf-8") != text]
    if "--check" not in words:
        for path, text in made().items():
            path.write_text(text, "utf-8")
        return 0
    for path in stale:
        sys.stderr.write(f"not up to date: {path.relative_to(ROOT)}; run `make lock`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
