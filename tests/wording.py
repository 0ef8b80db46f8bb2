"""Finds wording that the project's texts avoid: archaic turns, pictures, and docstrings that are no sentence.

`python -m tests.wording` prints what it finds, by file. CONTRIBUTING.md ("Names and texts") has the rules.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
CODE = (
    "bot",
    "operations",
    "tracking",
    "commands",
    "policy",
    "notifier",
    "velero",
    "store",
    "domain",
    "sandbox",
    "deploy",
    "benchmarks",
)
PAGES = ("*.md", "docs/*.md", "docs/adr/*.md", ".github/**/*.md", "tests/golden/**/*")
PLAIN_FILES = ("Makefile", "Dockerfile", "pyproject.toml", ".ci/run", "deploy/**/*.yaml", "deploy/**/*.toml")

AVOIDED = {
    r"shall": "will, must, or a direct question",
    r"anew": "again, recreated",
    r"made good": "fixed, retried",
    r"is no (?!longer\b|more\b|less\b)": "isn't a valid …, doesn't exist",
    r"of it\.": "name the thing",
    r"tell(?:s|ing)? of": "shows, lists",
    r"told of": "notified about",
    r"somebody(?: else)?": "someone",
    r"nobody": "no one",
    r"everybody": "everyone",
    r"whoever": "the person who, the requester",
    r"by itself": "automatically, alone",
    r"goes on": "continues, is resumed",
    r"did not end well": "failed",
    r"ends? well": "succeeds",
    r"lies? in": "is stored in",
    r"mend(?:s|ed|ing)?": "fix",
    r"broken glass|the glass": "break-glass",
    r"two pairs of eyes": "approval",
    r"as such": "leave it out",
    r"cannot be looked at": "can't be read",
    r"stands? (?:in|alone|together)": "is in, can't be combined",
    r"deeds?": "entries, operations",
    r"for ever": "forever, without end",
    r"beside": "next to, in addition to",
    r"the house": "the project",
    r"the yardstick": "the reference",
    r"(?:what )?became of": "the result of",
    r"is there already": "already exists",
    r"just now": "a time",
    r"again and again": "repeatedly",
    r"yet again": "again",
    r"all is well": "everything is healthy",
    r"needs a look": "needs attention",
    r"to the letter": "exactly",
    r"of ours|of theirs": "the bot's own",
    r"told apart": "distinguished",
    r"what shall it be": "what do you want to do",
    r"foreign": "other namespaces'",
}
DOCSTRING = re.compile(r"(?:What|Of|Those|That which) ")
WORDS = re.compile(rf"(?<![\w-])\b(?:{'|'.join(AVOIDED)})(?!\w)", re.IGNORECASE)
OWN_WORDS: dict[str, frozenset[str]] = {}
"""Files that repeat the words of Velero, Go, Kubernetes or Slack, with the phrases they need."""


@dataclass(frozen=True, slots=True)
class Hit:
    path: str
    line: int
    phrase: str
    text: str


def search_text(path: str, line: int, text: str) -> Iterator[Hit]:
    for offset, row in enumerate(text.splitlines()):
        for match in WORDS.finditer(row):
            phrase = match[0].lower().strip()
            if phrase not in OWN_WORDS.get(path, frozenset()):
                yield Hit(path, line + offset, phrase, row.strip())


def search_python(path: Path, name: str) -> Iterator[Hit]:
    source = path.read_text("utf-8")
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from search_text(name, node.lineno, node.value)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            first = node.value.value.strip().partition("\n")[0]
            if DOCSTRING.match(first):
                yield Hit(name, node.lineno, f"docstring: {first.split()[0]}", first)
    for token in tokenize.generate_tokens(io.StringIO(source if "#" in source else "").readline):
        if token.type == tokenize.COMMENT:
            yield from search_text(name, token.start[0], token.string)


def files() -> Iterator[Path]:
    for package in CODE:
        yield from sorted((ROOT / package).rglob("*.py"))
    for pattern in (*PAGES, *PLAIN_FILES):
        yield from sorted(path for path in ROOT.glob(pattern) if path.is_file())


def search_all() -> list[Hit]:
    hits: list[Hit] = []
    for path in files():
        name = str(path.relative_to(ROOT))
        hits += search_python(path, name) if path.suffix == ".py" else search_text(name, 1, path.read_text("utf-8"))
    return hits


def main(words: list[str]) -> int:
    hits = [hit for hit in search_all() if hit.path.startswith(tuple(words) or "")]
    for hit in hits:
        print(f"{hit.path}:{hit.line}: {hit.phrase!r} in: {hit.text[:110]}")
    return 1 if hits else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
