"""A flag's value back into the word that one would type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from commands.grammar.command import Command
from commands.grammar.flags import DURATION, MAPPINGS, OR_SELECTOR, PAIRS, SELECTOR, STRING_SLICE, STRINGS, Flag
from commands.grammar.tokenizer import quote
from domain.duration import format_go
from domain.selectors import words_of


def spoken(flag: Flag, value: Any) -> str | None:
    """None for a value that is as good as not given."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if flag.type is DURATION:
        return format_go(value)
    if flag.type in {STRINGS, STRING_SLICE}:
        return ",".join(value)
    if flag.type in {PAIRS, MAPPINGS}:
        sign = "=" if flag.type is PAIRS else ":"
        return ",".join(_csv(f"{key}{sign}{item}") for key, item in value.items())
    if flag.type is SELECTOR:
        return words_of(value)
    if flag.type is OR_SELECTOR:
        return " or ".join(words_of(part) for part in value)
    return str(value)


def line(noun: str, verb: str, names: Iterable[str], flags: Iterable[Flag], values: Mapping[str, Any]) -> str:
    """A command in canonical words, its flags as declared."""
    parts = [noun, verb, *(quote(name) for name in names)]
    parts += [flag_words(flag, values[flag.name]) for flag in flags if flag.name in values]
    return " ".join(part for part in parts if part)


def cli_line(cmd: Command, flags: Iterable[Flag]) -> str:
    """For the velero CLI: what only this bot knows is left out."""
    return line(cmd.noun, cmd.verb, cmd.names, (flag for flag in flags if not flag.ours), cmd.flags)


def flag_words(flag: Flag, value: Any) -> str:
    text = spoken(flag, value)
    if text is None:
        return ""
    if flag.type.bare is not None:  # the velero CLI takes the next word for one that peeks
        return f"--{flag.name}" if value is True and not flag.type.peeks else f"--{flag.name}={text}"
    return f"--{flag.name}{'=' if text.startswith('-') else ' '}{quote(text)}"


def _csv(field: str) -> str:
    if any(sign in field for sign in ',"\n'):
        return '"' + field.replace('"', '""') + '"'
    return field
