"""Parses a line into a Command by the registry of verbs.

Flags follow pflag: `--flag v`, `--flag=v`, `-fv`, `-f=v`, grouped short flags, `--` ends the flags, flags and names may
mix, an optional value is accepted only after `=`. A UsageError has the position of the wrong part, the usage and near
words. Differences from pflag protect the requester and are in `safety_flags`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from commands.grammar import format_flags
from commands.grammar.command import Command
from commands.grammar.flags import Flag
from commands.grammar.nearest import nearest
from commands.grammar.safety_flags import swallows_flag
from commands.grammar.tokenizer import Word, quote, tokenize
from commands.grammar.verb import Effect, Verb
from commands.grammar.vocabulary import NOUNS, REFUSED_FLAGS, SHARED_FLAGS, VERB_WORDS
from commands.registry import VERBS
from domain.errors import UsageError

LEADS = frozenset({"velero", "/velero"})
_HELP = frozenset({"help", "-h", "--help", "?"})


def parse(line: str, *, lead: str = "", subject: tuple[str, str] = ("", "")) -> Command:
    """Parse a line. Raises UsageError.

    `lead` is the noun that an alias command stands for (`/backup` → backup); it isn't added twice. `subject` is the
    thread's (noun, name): a verb that needs a name may leave it out there.
    """
    command = parse_quickly(line, lead=lead, subject=subject)
    verb = None if command.help else _find(command.noun, command.verb)
    if verb is None or verb.effect is Effect.UNSUPPORTED:
        return command
    return replace(
        command,
        line=format_flags.canonical_line(verb, command.names, command.flags),
        cli=format_flags.format_cli_command(command, verb.flags),
    )


def parse_quickly(line: str, *, lead: str = "", subject: tuple[str, str] = ("", "")) -> Command:
    """Parse without formatting the canonical line: Slack waits for the acknowledgement."""
    words = list(tokenize(line))
    while words and words[0].text in LEADS:
        words.pop(0)
    if lead:
        words = _with_lead(words, lead)
    if not words:
        return Command("", "", help=True)
    if words[0].text in _HELP:
        return Command("help", "", help=True, topic=tuple(word.text for word in words[1:]))
    noun, verb, rest = _noun_and_verb(words)
    if verb is None or any(word.text == "?" and not word.quoted for word in rest):
        return Command(noun, verb.name if verb else "", help=True, topic=(noun, verb.name) if verb else (noun,))
    if verb.effect is Effect.UNSUPPORTED:
        return Command(noun, verb.name, tuple(word.text for word in rest))
    return _FlagParser(verb, rest, line, subject[1] if subject[0] == noun else "").command()


def _with_lead(words: list[Word], lead: str) -> list[Word]:
    first = NOUNS.get(words[0].text) if words else None
    if first == lead or (words and words[0].text in _HELP):
        return words
    return [Word(lead, lead, (0, 0)), *words]


def _noun_and_verb(words: list[Word]) -> tuple[str, Verb | None, list[Word]]:
    """Return noun, verb and the other words. Noun and verb come in either order; plural and short nouns count."""
    first, second = words[0], words[1] if len(words) > 1 else None
    noun = NOUNS.get(first.text)
    if noun is None and first.text in VERB_WORDS and second is not None:
        swapped = NOUNS.get(second.text)
        if swapped is None:
            raise _unknown_word(second, f"`{first.text} {second.text}` isn't a command.", NOUNS)
        return swapped, _verb(swapped, first), words[2:]
    if noun is None:
        if first.text in VERB_WORDS:
            fits = sorted({verb.noun for verb in VERBS if verb.name == first.text})
            raise UsageError(
                f"`{first.text}` needs an object, such as `{fits[0]}`.",
                nearest=tuple(f"{noun} {first.text}" for noun in fits),
                part=first.span,
            )
        raise _unknown_word(first, f"Unknown command `{first.text}`.", [*NOUNS, "help"])
    alone = _find(noun, "")
    if alone is not None:
        return noun, alone, words[1:]
    if second is None or second.text in _HELP:
        return noun, None, []
    return noun, _verb(noun, second), words[2:]


def _find(noun: str, name: str) -> Verb | None:
    return next((verb for verb in VERBS if verb.noun == noun and verb.name == name), None)


def _verb(noun: str, word: Word) -> Verb:
    verb = _find(noun, VERB_WORDS.get(word.text, word.text))
    if verb is None:
        raise _unknown_word(
            word, f"`{noun}` has no command `{word.text}`.", [verb.name for verb in VERBS if verb.noun == noun]
        )
    return verb


def _unknown_word(word: Word, text: str, known: Iterable[str]) -> UsageError:
    """Suggest near words, unless the word is a verb of another noun and so not a typing error."""
    names = list(dict.fromkeys(known))
    near = () if word.text in VERB_WORDS else nearest(word.text, names)
    return UsageError(
        text,
        nearest=near,
        fix="" if near else f"Allowed: {', '.join(dict.fromkeys(NOUNS.get(name, name) for name in names))}.",
        part=word.span,
    )


@cache
def _flags_of(key: str) -> tuple[Mapping[str, Flag], Mapping[str, Flag]]:
    """Flags of a verb by name and by letter."""
    own = next(verb.flags for verb in VERBS if verb.key == key)
    by_name = {flag.name: flag for flag in (*own, *SHARED_FLAGS)}
    return by_name, {flag.short: flag for flag in (*SHARED_FLAGS, *own) if flag.short}


@cache
def _shown_flags(key: str) -> tuple[str, ...]:
    return tuple(f"--{name}" for name, flag in _flags_of(key)[0].items() if not flag.hidden)


@cache
def _flag_names() -> frozenset[str]:
    """Flag names of all verbs: a flag of another verb isn't a typing error."""
    return frozenset(flag.name for verb in VERBS for flag in verb.flags)


class BadValue(UsageError):
    """A flag's value that doesn't parse; the first of `nearest` is the most likely intended value."""


class _FlagParser:
    """Parses the words after noun and verb. `thread_name` completes a missing name."""

    def __init__(self, verb: Verb, rest: list[Word], line: str, thread_name: str = "") -> None:
        self._verb = verb
        self._thread_name = thread_name
        self._rest = rest
        self._line = line
        self._values: dict[str, Any] = {}
        self._names: list[Word] = []
        self._at = 0
        self._by_name, self._by_short = _flags_of(verb.key)
        self._wants_help = False

    def command(self) -> Command:
        ended = False
        while self._at < len(self._rest):
            word = self._rest[self._at]
            self._at += 1
            if ended or word.text in {"", "-"} or not word.text.startswith("-"):
                self._names.append(word)
            elif word.text == "--" and not word.quoted:
                ended = True
            elif word.text.startswith("--"):
                self._long(word)
            else:
                self._short(word)
        if self._wants_help:
            return Command(self._verb.noun, self._verb.name, help=True, topic=(self._verb.noun, self._verb.name))
        if not self._names and self._verb.args.least and self._verb.args.source and self._thread_name:
            self._names.append(Word(self._thread_name, self._thread_name, (0, 0)))
        self._count_names()
        names = tuple(word.text for word in self._names)
        return Command(self._verb.noun, self._verb.name, names, self._values)

    def _long(self, word: Word) -> None:
        name, equals, value = word.text[2:].partition("=")
        if name == "help":
            self._wants_help = True
            return
        flag = self._by_name.get(name)
        if flag is None:
            raise self._no_flag(word, f"--{name}")
        self._take(flag, word, value if equals else None, f"--{name}")

    def _short(self, word: Word) -> None:
        letters = word.text[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter == "h":
                self._wants_help = True
                return
            flag = self._by_short.get(letter)
            if flag is None:
                raise self._no_flag(word, f"-{letter}")
            if letters.startswith("=") and letters != "=":  # `-l=` alone has the value "=": so it is in pflag
                self._take(flag, word, letters[1:], f"-{letter}")
                return
            if flag.type.bare is None:
                self._take(flag, word, letters or None, f"-{letter}")
                return
            self._take(flag, word, None, f"-{letter}")

    def _take(self, flag: Flag, word: Word, value: str | None, shown: str) -> None:
        raw = word
        if value is None and flag.type.peeks:
            value = self._peeked(flag)
        elif value is None and flag.type.bare is not None:
            value = flag.type.bare
        elif value is None:
            if self._at == len(self._rest):
                raise UsageError(
                    f"{shown} needs a value.", why=flag.help, fix=f"{shown} <{flag.type.name}>", part=word.span
                )
            raw = self._rest[self._at]
            if swallows_flag(flag, raw, self._by_name.values()):
                raise self._no_value(raw, shown)
            value = raw.text
            self._at += 1
        if flag.name in REFUSED_FLAGS:
            raise UsageError(
                f"{shown} isn't available here.",
                why=f"{REFUSED_FLAGS[flag.name]} Use --cluster NAME to choose a cluster.",
                fix=self._without(word, raw),
                part=word.span,
            )
        if flag.type.free:
            value = raw.raw.partition("=")[2] if raw is word else raw.raw
        if flag.type.mentions and raw.mention:
            value = raw.mention
        try:
            parsed = flag.type.parse(value)
        except UsageError as error:
            raise BadValue(
                f"{shown}: {error.text}", why=error.why, nearest=error.nearest, fix=error.fix, part=raw.span
            ) from None
        before = self._values.get(flag.name)
        self._values[flag.name] = parsed if before is None else flag.type.merge(before, parsed)

    def _no_value(self, word: Word, shown: str) -> UsageError:
        return UsageError(
            f"{shown} needs a value, but the next word, {word.text}, looks like a flag.",
            why="A flag is never used as the value of another flag.",
            fix=f"If it's the value, write {shown}{'=' if shown.startswith('--') else ''}{quote(word.text)}.",
            part=word.span,
        )

    def _without(self, first: Word, last: Word) -> str:
        """The line without these words."""
        return " ".join((self._line[: first.span[0]] + self._line[last.span[1] :]).split())

    def _peeked(self, flag: Flag) -> str:
        following = self._rest[self._at].text if self._at < len(self._rest) else ""
        try:
            flag.type.parse(following or "x")
        except UsageError:
            return flag.type.bare or ""
        self._at += 1
        return following

    def _no_flag(self, word: Word, shown: str) -> UsageError:
        near = () if shown[2:] in _flag_names() else nearest(shown, _shown_flags(self._verb.key))
        return UsageError(
            f"`{self._verb.noun} {self._verb.name}` has no flag {shown}.".replace("  ", " "),
            nearest=near,
            fix=f"{self._verb.noun} {self._verb.name} ?".replace("  ", " "),
            part=word.span,
        )

    def _count_names(self) -> None:
        args, count = self._verb.args, len(self._names)
        if args.least <= count <= args.most:
            return
        wrong = self._names[args.most] if count > args.most else None
        if wrong is None:
            raise UsageError(f"{args.word} is missing.", fix=self._verb.usage)
        raise UsageError(
            f"Unexpected argument `{wrong.text}`." if args.most else f"`{self._verb.usage}` takes no names.",
            why=_why_too_many(wrong.text, self._values),
            fix=self._verb.usage,
            part=wrong.span,
        )


def _why_too_many(word: str, flags: Mapping[str, Any]) -> str:
    given = [name for name, value in flags.items() if isinstance(value, bool)]
    if word in {"true", "false"} and given:
        return f"Write boolean flags with '=': --{given[-1]}={word}"
    if word == "*" or " " in word:
        return "Put values with spaces or '*' in quotes."
    return ""
