"""Batch mode: one line in, one JSON object out. Every line is answered at once, also one that isn't UTF-8."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable


def answer_lines(answer: Callable[[str], object]) -> None:
    """Answer each line. Only a newline ends a line; a carriage return inside it belongs to it."""
    out = sys.stdout.buffer
    for raw in sys.stdin.buffer:
        response = answer(raw.decode("utf-8", "replace").rstrip("\r\n"))
        out.write(json.dumps(response, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        out.flush()
