"""Structured logs: one JSON object a line, with a reference that also stands in what a person is told. No secrets."""

from __future__ import annotations

import contextvars
import json
import logging
import sys
from datetime import UTC, datetime

from store.scrub import scrub

REFERENCE: contextvars.ContextVar[str] = contextvars.ContextVar("reference", default="")
"""Of the thing being worked on: an inbox key's id, or a loop's name."""

_QUIET = ("slack_bolt", "slack_sdk", "aiohttp.access", "kubernetes", "asyncio")


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "where": record.name,
            "what": scrub(record.getMessage()),
        }
        if reference := REFERENCE.get():
            entry["ref"] = reference
        extra = getattr(record, "facts", None)
        if isinstance(extra, dict):
            entry |= {key: scrub(str(value)) for key, value in extra.items()}
        if record.exc_info:
            entry["trace"] = scrub(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False)


def set_up(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    # A request with a bad signature would have its whole body logged at INFO.
    logging.getLogger("slack_bolt.AsyncRequestVerification").setLevel(logging.ERROR)
