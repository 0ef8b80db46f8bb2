"""Finds the wrong part of a line from its error, and suggests one corrected line.

A parser error carries the position. An error found later, such as a name that doesn't exist, quotes the wrong word. A
corrected line must parse, differ from the original, keep its safety flags, and do no more than the original.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from commands.grammar.command import Command
from commands.grammar.nearest import meant
from commands.grammar.parser import LEADS, BadValue, parse
from commands.grammar.safety_flags import safety_flag_of
from commands.grammar.tokenizer import Word, quote, tokenize
from commands.grammar.verb import Effect
from commands.grammar.vocabulary import NOUNS, VERB_WORDS
from commands.registry import VERBS, verb_of
from domain.errors import ChatopsError, UsageError
from domain.when import BadTime

Span = tuple[int, int]

_PLACEHOLDER = re.compile(r"\b[A-Z][A-Z_]{1,}\b|…|\.\.\.|<[a-z ]+>")
_QUOTED = re.compile(r"`([^`]+)`|'((?:[^'\\]|\\.)+)'|\"((?:[^\"\\]|\\.)+)\"")


def find_place(error: ChatopsError, line: str) -> Span | None:
    """Return the span of the wrong part in the line as received."""
    if error.part is not None or not line:
        return error.part
    try:
        found = tokenize(line)
    except UsageError:
        return None
    quoted = [next(filter(None, groups)) for groups in _QUOTED.findall(error.text)]
    spans = (_span(word, text, line) for text in quoted for word in found)
    return next((span for span in spans if span is not None), None)


def _span(word: Word, text: str, line: str) -> Span | None:
    """Return the span of the word, of its value after `=`, or of one item of its list."""
    if word.text == text:
        return word.span
    value = word.text.partition("=")[2] if word.text.startswith("-") else word.text
    items = re.split(r"[,;:=]", value)
    if text != value and text not in items:
        return None
    start = _start(line, text, word.span)
    return None if start < 0 else (start, start + len(text))


def _start(line: str, text: str, span: Span) -> int:
    pattern = re.compile(rf"(?<![^,;:=\"'“”]){re.escape(text)}(?![^,;:=\"'“”\s])")
    found = pattern.search(line, span[0], span[1])
    return found.start() if found else -1


@dataclass(frozen=True, slots=True)
class Typed:
    """A line as it arrived; `lead` and `subject` as `parse` accepts them."""

    line: str
    lead: str = ""
    subject: tuple[str, str] = ("", "")


def correct_line(error: ChatopsError, typed: Typed) -> str:
    """Return one corrected line ready to copy; empty if there is no safe one."""
    candidates = [
        better for better in (*(error.nearest if len(error.nearest) == 1 else ()), error.fix) if _is_command(better)
    ]
    if (part := find_place(error, typed.line)) and (value := _meant(error, typed.line[slice(*part)])):
        candidates.append(_replaced(typed.line, part, value))
    return next((better for better in candidates if _is_safe(better, typed, error)), "")


def is_shown(fix: str, line: str) -> bool:
    """Whether advice may be shown: a command in it must not drop a safety flag of the original."""
    return not _is_command(fix) or _safety_flags(fix) >= _safety_flags(line)


def _is_safe(better: str, typed: Typed, error: ChatopsError) -> bool:
    if _texts(better) == _texts(typed.line):
        return False
    if any(found[0] not in typed.line for found in _PLACEHOLDER.finditer(better)):
        return False
    try:
        command = parse(better, lead=typed.lead, subject=typed.subject)
    except UsageError:
        return False
    verb = None if command.help else verb_of(command.key)
    if verb is None or verb.effect is Effect.UNSUPPORTED or not _keeps_words(command, better, typed, error):
        return False
    return verb.effect is Effect.READ or _same_verb(command, typed)


def _is_command(text: str) -> bool:
    return " " in text and text.split(" ", 1)[0] in NOUNS and not text.endswith((" ?", "."))


def _words(line: str) -> list[Word]:
    try:
        return [word for word in tokenize(line) if word.text not in LEADS]
    except UsageError:
        return []


def _texts(line: str) -> list[str]:
    return [word.text for word in _words(line)]


def _safety_flags(line: str) -> frozenset[str]:
    return frozenset(filter(None, map(safety_flag_of, _texts(line))))


def _keeps_words(command: Command, better: str, typed: Typed, error: ChatopsError) -> bool:
    """Whether all safety flags and all words except the wrong ones are kept."""
    if not all(command.has_flag(flag) for flag in _safety_flags(typed.line)):
        return False
    if _wants_dry_run(typed.line) and not command.dry_run:
        return False
    remaining = _texts(better)
    for text in _correct_words(typed.line, error):
        if text not in remaining:
            return False
        remaining.remove(text)
    return not any(_repeats(value) for value in command.flags.values())


def _repeats(value: object) -> bool:
    """Whether a list contains an item twice, which no one intends."""
    return isinstance(value, list) and any(item in value[:at] for at, item in enumerate(value))


def _correct_words(line: str, error: ChatopsError) -> Iterator[str]:
    """Yield the words that the error isn't about. A wrong flag includes its value."""
    part = find_place(error, line)
    with_flag = False
    for word in _words(line):
        within = part is not None and word.span[0] < part[1] and part[0] < word.span[1]
        name = word.text.partition("=")[0]
        named = any(quoted in error.text for quoted in (f"`{word.text}`", f"{word.text!r}")) or (
            name.startswith("--") and re.search(rf"{re.escape(name)}\b(?!-)", error.text)
        )
        if not within and not named and not (with_flag and not word.text.startswith("-")):
            yield word.text
        with_flag = bool(within or named) and word.text.startswith("-") and "=" not in word.text


def _wants_dry_run(line: str) -> bool:
    """Whether the line has a dry-run flag, even one that doesn't parse: `--dry-run=maybe` was meant as one."""
    return any(safety_flag_of(text) == "dry-run" and not text.endswith("=false") for text in _texts(line))


def _same_verb(command: Command, typed: Typed) -> bool:
    """Whether the command has the verb that was typed, or the one that was meant by a typing error."""
    heads = _texts(typed.line)[:2]
    if not command.verb:
        return any(NOUNS.get(text, text) == command.noun or meant(text, NOUNS) == command.noun for text in heads)
    if known := {VERB_WORDS[text] for text in heads if text in VERB_WORDS}:
        return command.verb in known
    return any(
        meant(text, [each.name for each in VERBS if each.noun == command.noun]) == command.verb for text in heads
    )


def _meant(error: ChatopsError, wrong: str) -> str:
    """Return the value that replaces the wrong one: the grammar's suggestion, or the name that differs by a typing error."""
    if not error.nearest or isinstance(error, BadValue):
        return error.nearest[0] if error.nearest else ""
    if isinstance(error, BadTime):
        return error.nearest[0] if len(error.nearest) == 1 else ""  # two: a local time that exists twice or not at all
    text = next(iter(_texts(wrong)), wrong)
    text = text.partition("=")[0] if text.startswith("--") else text
    first = error.nearest[0]
    if re.sub(r"[^a-z0-9]", "", text.lower()) == re.sub(r"[^a-z0-9]", "", first) or re.fullmatch(
        rf"{re.escape(text)}-\d+", first
    ):
        return first
    return meant(text, error.nearest)


def _replaced(line: str, part: Span, value: str) -> str:
    start, end = part
    wrong = line[start:end]
    if wrong.startswith("--") and "=" in wrong:
        flag, _, rest = wrong.partition("=")
        value = f"{value}={rest}" if value.startswith("--") else f"{flag}={quote(value)}"
    elif not value.startswith("--"):
        value = quote(value)
    return line[:start] + value + line[end:]
