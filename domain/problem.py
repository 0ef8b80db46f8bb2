"""Something of the bot itself that does not work: since when, why, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Problem:
    """`blocks`: without this part no command can be taken, done or told."""

    part: str
    text: str
    fix: str = ""
    since: datetime | None = None
    cluster: str = ""
    blocks: bool = False
