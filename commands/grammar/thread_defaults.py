"""Defaults in the thread of a status message: `logs` there means the logs of that backup."""

from __future__ import annotations

from dataclasses import replace

from commands.grammar.command import Command
from commands.grammar.tokenizer import tokenize
from commands.grammar.verb import Verb
from commands.grammar.vocabulary import NOUNS, VERB_WORDS

EXPLICIT_VERBS = frozenset({"get", "create", "delete"})
"""Verbs that never take the name from the thread: they list, create or delete."""


def noun_from_thread(line: str, subject: tuple[str, str]) -> str:
    """Return the noun for a line that has only a verb; empty if the line names a noun or the thread has no subject."""
    first, *rest = [word.text for word in tokenize(line)] or [""]
    bare = first in VERB_WORDS and first not in NOUNS and not (rest and rest[0] in NOUNS)
    return subject[0] if bare and subject[1] else ""


def with_thread_name(command: Command, verb: Verb, subject: tuple[str, str]) -> Command:
    """Return the command with the name from the thread if it has none. `subject` is (noun, name)."""
    noun, name = subject
    chosen = bool(command.names) or command.is_true("all") or command.has_flag("selector")
    if chosen or noun != command.noun or not name or not verb.args.source or verb.name in EXPLICIT_VERBS:
        return command
    return replace(command, names=(name,))
