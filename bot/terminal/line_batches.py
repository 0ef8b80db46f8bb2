"""One line in, one JSON object out: every line is answered, also one that is no UTF-8, and at once, for who waits on a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable


def answer_lines(answer: Callable[[str], object]) -> None:
    """Lines end with a newline alone: a carriage return inside one belongs to it."""
    out = sys.stdout.buffer
    for raw in sys.stdin.buffer:
        said = answer(raw.decode("utf-8", "replace").rstrip("\r\n"))
        out.write(json.dumps(said, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        out.flush()
