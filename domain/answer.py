"""What is said back at once: a small document that the notifier lays out for Slack and the terminal prints.

Text inside is plain: escaping and limits are the renderer's business. `Text.untrusted` marks text from a cluster.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Tone(StrEnum):
    PLAIN = "plain"
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Text:
    body: str
    untrusted: bool = False


@dataclass(frozen=True, slots=True)
class Fields:
    """Label and value, in reading order."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """`rows` may be longer than a message takes; the renderer shows what fits and puts the whole into a file."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """Shown in a fixed font."""

    body: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file. Goes only where its audience allows: `namespaces` is what it tells of."""

    filename: str
    body: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Button:
    """`line` is the command that the click runs, decided again at the click; `typed` asks for this word first.

    `confirm` is the question of a dialog that repeats the button's text; `dismiss` is the other choice in it.
    """

    text: str
    line: str
    style: str = ""
    typed: str = ""
    confirm: str = ""
    dismiss: str = "Cancel"


Part = Text | Fields | Table | Code | Attachment


@dataclass(frozen=True, slots=True)
class Answer:
    headline: str
    parts: tuple[Part, ...] = ()
    tone: Tone = Tone.PLAIN
    buttons: tuple[Button, ...] = ()
    cluster: str = ""
    namespaces: frozenset[str] = field(default_factory=frozenset)
    """What it tells of: a channel whose scope does not cover it gets no file."""
    reference: str = ""
