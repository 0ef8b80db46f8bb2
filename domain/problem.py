"""A problem of the bot itself: a part that doesn't work, since when, why, and the fix."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Problem:
    """`blocks` means that no command can be accepted, run or answered without this part."""

    part: str
    text: str
    fix: str = ""
    since: datetime | None = None
    cluster: str = ""
    blocks: bool = False
