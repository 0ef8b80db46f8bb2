"""Structured logs: one JSON object per line, with the reference that error messages show. Secrets are scrubbed."""

from __future__ import annotations

import contextvars
import json
import logging
import sys
from datetime import UTC, datetime

from store.scrub import scrub

REFERENCE: contextvars.ContextVar[str] = contextvars.ContextVar("reference", default="")
"""The current task's subject: the reference of an inbox item, or the name of a loop."""

_QUIET_LOGGERS = ("slack_bolt", "slack_sdk", "aiohttp.access", "kubernetes", "asyncio")


class _JsonFormatter(logging.Formatter):
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
    handler.setFormatter(_JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    # At INFO Bolt would log the whole body of a request with an invalid signature.
    logging.getLogger("slack_bolt.AsyncRequestVerification").setLevel(logging.ERROR)
