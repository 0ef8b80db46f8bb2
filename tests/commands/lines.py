"""Lines as people and their phones write them: taken from what is known to work, and damaged. One seed, always the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

from commands.grammar.flags import BOOL, DURATION, INT, MAPPINGS, OPTIONAL_BOOL, OR_SELECTOR, PAIRS, SELECTOR
from commands.grammar.verb import Verb
from commands.grammar.vocabulary import SHARED_FLAGS
from commands.registry import VERBS

GOLDEN = Path(__file__).parents[1] / "data" / "golden-cli"
NAMES = ("done", "failed", "daily", "default", "secondary", "aws-east", "shop", "x", "Bad_Name", "a" * 300, "nope")
VALUES = {
    BOOL: ("true", "false", "maybe", ""),
    OPTIONAL_BOOL: ("true", "false", "", "2"),
    INT: ("1", "0x10", "-3", "99999999999999999999", "x", "1_0"),
    DURATION: ("1h", "30d", "-1h", "6mo", "1x", "", "9999999999h", "0"),
    PAIRS: ("a=b", "a=b,c=d", "a", '"', "velero.io/x=y", "=", "a=,b="),
    MAPPINGS: ("a:b", "a:b,c:d", "a", ":"),
    SELECTOR: ("app=web", "app in (a,b)", "!x", "a,", "app=", "((", "a>1"),
    OR_SELECTOR: ("a=b or c=d", "a=b", " or "),
}
OTHERS = (
    *NAMES,
    "shop,billing",
    "*",
    "sh*",
    "a=b",
    "@daily",
    "0 1 * * *",
    "14:30",
    "yaml",
    "json",
    "{version: v1}",
    "",
    "[",
)
NOISE = tuple("'\"\\<>&|;*?=-—–“”’«»…\u00a0\u200b\u202e\x00\x1b\n\t😀é٣@#!()[]{},.:/")
GLUE = (
    "&amp;",
    "&lt;",
    "<@U1|ada>",
    "<#C1|>",
    "<https://x.io|x.io>",
    "--",
    "—",
    " ",
    "?",
    "help",
    "-h",
    "velero",
    "\\",
)


def sources() -> list[str]:
    rows = [row["line"] for name in ("create", "effects") for row in json.loads((GOLDEN / f"{name}.json").read_text())]
    return [*rows, *(example for verb in VERBS for example in verb.examples)]


def made(random: Random, verb: Verb) -> str:
    """A line of this verb: some names, some of its flags, some good values."""
    flags = [*verb.flags, *SHARED_FLAGS[:4]]
    words = [verb.noun, verb.name, *(random.choice(NAMES) for _ in range(random.randint(0, 2)))]
    for flag in random.sample(flags, min(len(flags), random.randint(0, 4))):
        value = random.choice(VALUES.get(flag.type, OTHERS)) if random.random() < 0.9 else random.choice(OTHERS)
        quoted = value if value.isalnum() else f"'{value}'"
        short = f"-{flag.short}" if flag.short and random.random() < 0.3 else f"--{flag.name}"
        words.append(f"{short}{random.choice((' ', '='))}{quoted}" if random.random() < 0.9 else short)
    return " ".join(word for word in words if word)


def damaged(random: Random, line: str) -> str:
    for _ in range(random.randint(1, 3)):
        at = random.randint(0, len(line))
        match random.randrange(6):
            case 0:
                line = line[:at] + random.choice(NOISE) + line[at:]
            case 1:
                line = line[:at] + random.choice(GLUE) + line[at:]
            case 2:
                line = line[:at] + line[at + random.randint(1, 8) :]
            case 3:
                words = line.split(" ")
                random.shuffle(words)
                line = " ".join(words)
            case 4:
                words = line.split(" ")
                line = " ".join([*words, random.choice(words)])
            case _:
                line = line[at:] + " " + line[:at]
    return line


def lines(count: int, seed: int) -> Iterator[str]:
    random = Random(seed)
    known = sources()
    for number in range(count):
        line = random.choice(known) if number % 2 else made(random, random.choice(VERBS))
        yield line if number % 3 == 0 else damaged(random, line)
