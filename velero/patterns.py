"""Runs untrusted regular expressions with RE2, in time linear to the text.

Python's `re` backtracks, so a short pattern can block it for hours. RE2 also has the syntax of Go's `regexp`, which
Velero uses for `resourceNameRegex` of a resource modifier. No untrusted pattern may run anywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

MAX_PATTERN_LENGTH = 200
MAX_MEMORY_BYTES = 1 << 20
MAX_TEXT_LENGTH = 100_000


class BadPattern(ValueError):
    """The pattern is refused; the message says why."""


@dataclass(frozen=True, slots=True)
class Pattern:
    text: str
    _compiled: Any

    def matches_all(self, text: str) -> bool:
        return _is_searchable(text) and self._compiled.fullmatch(text) is not None

    def matches_part(self, text: str) -> bool:
        return _is_searchable(text) and self._compiled.search(text) is not None


@lru_cache(maxsize=256)
def compile_pattern(text: str) -> Pattern:
    """Compile the pattern. Raises BadPattern."""
    import re2  # late: only few commands have a pattern

    if len(text) > MAX_PATTERN_LENGTH:
        raise BadPattern(f"it has {len(text)} characters; the limit is {MAX_PATTERN_LENGTH}")
    options = re2.Options()
    options.max_mem = MAX_MEMORY_BYTES
    options.log_errors = False
    try:
        return Pattern(text, re2.compile(text, options))
    except re2.error as error:
        raise BadPattern(_message(error)) from None
    except UnicodeEncodeError:
        raise BadPattern("it has characters that aren't valid Unicode") from None


def _message(error: Exception) -> str:
    message = error.args[0] if error.args else ""
    return message.decode(errors="replace") if isinstance(message, bytes) else str(message)


def _is_searchable(text: str) -> bool:
    """Tell whether RE2 can search the text: names and log lines are far shorter, and RE2 rejects lone surrogates."""
    return len(text) <= MAX_TEXT_LENGTH and (
        text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
    )
