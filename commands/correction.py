"""From what an error says back to the place in the line that it speaks of, and to one better line.

An error that knows its place says so; one that was found out later (a name that is not there) quotes the word.
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

Span = tuple[int, int]

_PLACEHOLDER = re.compile(r"\b[A-Z][A-Z_]{1,}\b|…|\.\.\.|<[a-z ]+>")
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)+)'|\"((?:[^\"\\]|\\.)+)\"")


def find_place(error: ChatopsError, line: str) -> Span | None:
    """Of the wrong part in the line as it was received."""
    if error.part is not None or not line:
        return error.part
    try:
        found = tokenize(line)
    except UsageError:
        return None
    quoted = [one or other for one, other in _QUOTED.findall(error.text)]
    spans = (_span(word, text, line) for text in quoted for word in found)
    return next((span for span in spans if span is not None), None)


def _span(word: Word, text: str, line: str) -> Span | None:
    """The word, its value after `=`, or one item of its list."""
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
    """A line as it arrived; `lead` and `subject` as the grammar takes them."""

    line: str
    lead: str = ""
    subject: tuple[str, str] = ("", "")


def correct_line(error: ChatopsError, typed: Typed) -> str:
    """One line ready to copy, or nothing: it reads, differs, holds back what the original did, and does no more."""
    candidates = [better for better in (*_only(error.nearest), error.fix) if _is_command(better)]
    if (part := find_place(error, typed.line)) and (value := _meant(error, typed.line[slice(*part)])):
        candidates.append(_replaced(typed.line, part, value))
    return next((better for better in candidates if sound(better, typed, error)), "")


def _only(nearest: tuple[str, ...]) -> tuple[str, ...]:
    return nearest if len(nearest) == 1 else ()


def is_shown(fix: str, line: str) -> bool:
    """Whether the advice may be read out: a command in it never drops a flag that holds the original back."""
    return not _is_command(fix) or _held_back(fix) >= _held_back(line)


def sound(better: str, typed: Typed, error: ChatopsError) -> bool:
    if _texts(better) == _texts(typed.line):
        return False
    if any(found[0] not in typed.line for found in _PLACEHOLDER.finditer(better)):
        return False
    try:
        made = parse(better, lead=typed.lead, subject=typed.subject)
    except UsageError:
        return False
    verb = None if made.help else verb_of(made.key)
    if verb is None or verb.effect is Effect.UNSUPPORTED or not _keeps(made, better, typed, error):
        return False
    return verb.effect is Effect.READ or _same_verb(made, typed)


def _is_command(text: str) -> bool:
    return " " in text and text.split(" ", 1)[0] in NOUNS and not text.endswith((" ?", "."))


def _words(line: str) -> list[Word]:
    try:
        return [word for word in tokenize(line) if word.text not in LEADS]
    except UsageError:
        return []


def _texts(line: str) -> list[str]:
    return [word.text for word in _words(line)]


def _held_back(line: str) -> frozenset[str]:
    return frozenset(filter(None, map(safety_flag_of, _texts(line))))


def _keeps(made: Command, better: str, typed: Typed, error: ChatopsError) -> bool:
    """What holds the original back still does, and every word but those at fault is still there."""
    if not all(made.has_flag(flag) for flag in _held_back(typed.line)):
        return False
    if _says_dry_run(typed.line) and not made.dry_run:
        return False
    left = _texts(better)
    for text in _beside_the_fault(typed.line, error):
        if text not in left:
            return False
        left.remove(text)
    return not any(_repeats(value) for value in made.flags.values())


def _repeats(value: object) -> bool:
    """An item of a list that stands there twice was not what was meant."""
    return isinstance(value, list) and any(item in value[:at] for at, item in enumerate(value))


def _beside_the_fault(line: str, error: ChatopsError) -> Iterator[str]:
    """Words that the fault isn't about. A flag that it is about takes its value with it."""
    part = find_place(error, line)
    with_flag = False
    for word in _words(line):
        within = part is not None and word.span[0] < part[1] and part[0] < word.span[1]
        name = word.text.partition("=")[0]
        named = f"{word.text!r}" in error.text or (
            name.startswith("--") and re.search(rf"{re.escape(name)}\b(?!-)", error.text)
        )
        if not within and not named and not (with_flag and not word.text.startswith("-")):
            yield word.text
        with_flag = bool(within or named) and word.text.startswith("-") and "=" not in word.text


def _says_dry_run(line: str) -> bool:
    """Also where it doesn't read: `--dry-run=maybe` was meant to hold back."""
    return any(safety_flag_of(text) == "dry-run" and not text.endswith("=false") for text in _texts(line))


def _same_verb(made: Command, typed: Typed) -> bool:
    """A verb that was typed right stays what it is; else it is one that was meant."""
    heads = _texts(typed.line)[:2]
    if not made.verb:
        return any(NOUNS.get(text, text) == made.noun or meant(text, NOUNS) == made.noun for text in heads)
    if known := {VERB_WORDS[text] for text in heads if text in VERB_WORDS}:
        return made.verb in known
    return any(meant(text, [each.name for each in VERBS if each.noun == made.noun]) == made.verb for text in heads)


def _meant(error: ChatopsError, wrong: str) -> str:
    """Values that the grammar offers are taken; of names the one that this is a slip of."""
    if not error.nearest or isinstance(error, BadValue):
        return error.nearest[0] if error.nearest else ""
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
