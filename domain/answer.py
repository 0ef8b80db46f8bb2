"""The immediate answer to a command, as a document that the notifier renders for Slack and the terminal prints.

Text isn't escaped here: renderers escape it and apply limits. In the bot's own sentences a name in backticks is code
and nothing else formats. `Text.untrusted` marks text that a cluster, an object store or a person wrote: nothing formats.
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
    """`rows` may exceed a message; the renderer shows what fits and attaches the whole table as a file."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """Text in a monospaced font."""

    body: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file. It is sent only where `Answer.namespaces` may be seen."""

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
    """Namespaces that the answer is about. A channel whose scope doesn't cover them gets no file."""
    reference: str = ""
