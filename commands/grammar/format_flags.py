"""Formats commands and flag values back into the words that a person would type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from commands.grammar.command import Command
from commands.grammar.flags import DURATION, MAPPINGS, OR_SELECTOR, PAIRS, SELECTOR, STRING_SLICE, STRINGS, Flag
from commands.grammar.tokenizer import quote
from commands.grammar.verb import Verb
from commands.grammar.vocabulary import SHARED_FLAGS
from domain.duration import format_go
from domain.selectors import format_selector


def format_flag_value(flag: Flag, value: Any) -> str | None:
    """Return None for a value that means the same as an absent flag."""
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
        return format_selector(value)
    if flag.type is OR_SELECTOR:
        return " or ".join(format_selector(part) for part in value)
    return str(value)


def format_command(noun: str, verb: str, names: Iterable[str], flags: Iterable[Flag], values: Mapping[str, Any]) -> str:
    """Return a command line in canonical words, with flags in the given order."""
    parts = [noun, verb, *(quote(name) for name in names)]
    parts += [format_flag(flag, values[flag.name]) for flag in flags if flag.name in values]
    return " ".join(part for part in parts if part)


def format_cli_command(cmd: Command, flags: Iterable[Flag]) -> str:
    """Return the line for the velero CLI, without flags that only the bot has."""
    return format_command(cmd.noun, cmd.verb, cmd.names, (flag for flag in flags if not flag.ours), cmd.flags)


def canonical_line(verb: Verb, names: tuple[str, ...], flags: Mapping[str, Any]) -> str:
    """Return the command line that parses to this command again: canonical words, flags in declared order, no `--cluster`."""
    shown = (flag for flag in (*verb.flags, *SHARED_FLAGS) if flag.name != "cluster")
    return format_command(verb.noun, verb.name, names, shown, flags)


def format_flag(flag: Flag, value: Any) -> str:
    text = format_flag_value(flag, value)
    if text is None:
        return ""
    if flag.type.bare is not None:  # the velero CLI would take the next word as the value of a peeking flag
        return f"--{flag.name}" if value is True and not flag.type.peeks else f"--{flag.name}={text}"
    return f"--{flag.name}{'=' if text.startswith('-') else ' '}{quote(text)}"


def _csv(field: str) -> str:
    if any(sign in field for sign in ',"\n'):
        return '"' + field.replace('"', '""') + '"'
    return field
