"""Flags that keep a command from changing anything, and words that were meant as one of them.

A flag that needs a value takes the next word, as in pflag. If that word is `--dry-run`, a dry run turns into a real one.
So such a word is never taken as a value; `--reason=--dry-run` states that it is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from commands.grammar.flags import Flag
from commands.grammar.nearest import slips
from commands.grammar.tokenizer import Word

SAFETY_FLAGS = ("dry-run", "output", "paused", "help")
"""With one of these a command only shows something, or changes less."""

_FLAG_LIKE = re.compile(r"--?[A-Za-z]\S*")
_SHORT = re.compile(r"-[wA]*(?:h|o(?:=?(?:json|yaml|table|wide|plaintext))?)")


def swallows_flag(flag: Flag, value: Word, own: Iterable[Flag]) -> bool:
    """Whether the word after `flag` must not become its value.

    A flag of the bot takes no word that looks like a flag. A flag of Velero takes what pflag would give it, except a flag
    that the velero CLI doesn't have and a safety flag.
    """
    if not _FLAG_LIKE.fullmatch(value.text):
        return False
    if flag.ours or flag.type.free or safety_flag_of(value.text):
        return True
    return value.text.startswith("--") and value.text[2:].partition("=")[0] in {each.name for each in own if each.ours}


def safety_flag_of(word: str) -> str:
    """Return the safety flag that this word is or was meant to be; empty for any other word."""
    if (short := _SHORT.fullmatch(word)) is not None:
        return "help" if word.endswith("h") and "o" not in short[0] else "output"
    name = word.partition("=")[0]
    if not name.startswith("--"):
        return ""
    plain = name.lower().replace("-", "").replace("_", "")
    return next(
        (each for each in SAFETY_FLAGS if plain == each.replace("-", "") or slips(name, f"--{each}") is not None), ""
    )
