"""The one place where a regular expression of somebody else runs: RE2, in time linear to the text.

Python's `re` backtracks, and a short pattern can take longer than anybody lives. RE2 also reads the syntax of Go's
`regexp`, which is what Velero does with a modifier's `resourceNameRegex`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

MAX_PATTERN_LENGTH = 200
MAX_MEMORY_BYTES = 1 << 20
MAX_TEXT_LENGTH = 100_000


class BadPattern(ValueError):
    """Not a pattern that is run; the message says why."""


@dataclass(frozen=True, slots=True)
class Pattern:
    text: str
    _compiled: Any

    def matches_all(self, text: str) -> bool:
        return _readable(text) and self._compiled.fullmatch(text) is not None

    def matches_part(self, text: str) -> bool:
        return _readable(text) and self._compiled.search(text) is not None


@lru_cache(maxsize=256)
def compile_pattern(text: str) -> Pattern:
    """Raises BadPattern."""
    import re2  # late: a library of its own for the few commands that have a pattern in them

    if len(text) > MAX_PATTERN_LENGTH:
        raise BadPattern(f"it has {len(text)} characters; at most {MAX_PATTERN_LENGTH} are taken")
    options = re2.Options()
    options.max_mem = MAX_MEMORY_BYTES
    options.log_errors = False
    try:
        return Pattern(text, re2.compile(text, options))
    except re2.error as error:
        raise BadPattern(_said(error)) from None
    except UnicodeEncodeError:
        raise BadPattern("it has characters that are not Unicode text") from None


def _said(fault: Exception) -> str:
    said = fault.args[0] if fault.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)


def _readable(text: str) -> bool:
    """A name or a line of a log is far shorter; a lone surrogate is in no text that RE2 reads."""
    return len(text) <= MAX_TEXT_LENGTH and (text.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in text))
