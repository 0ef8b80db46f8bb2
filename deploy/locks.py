"""Lock files for the image, selected from requirements.lock: runtime packages, and packages that build the wheel.

`python deploy/locks.py` writes them; with `--check` it reports whether they are current.
"""  # noqa: INP001 - a script, not a package

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
EXCLUDED = frozenset({"pip"})
"""sqlite-utils requires it for a command that isn't used here."""


def blocks() -> dict[str, str]:
    """Read the pins of the lock file with their hashes, by name."""
    found = re.split(r"^(?=\S)", (ROOT / "requirements.lock").read_text("utf-8"), flags=re.MULTILINE)
    pins = [block for block in found if "==" in block]
    return {canonicalize_name(block.partition("==")[0]): block.rstrip("\n") for block in pins}


def closure(wanted: list[str], known: dict[str, str]) -> list[str]:
    """Find everything that these requirements need, from the installed metadata, without extras that aren't requested."""
    todo, found = [Requirement(each) for each in wanted], set[str]()
    while todo:
        one = todo.pop()
        name = canonicalize_name(one.name)
        if name in found or name not in known or name in EXCLUDED:
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
        sys.stderr.write(f"out of date: {path.relative_to(ROOT)}; run `make lock`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
