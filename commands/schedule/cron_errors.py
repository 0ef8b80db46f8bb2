"""Why Velero would refuse a cron expression, in words for people; Velero's own stand beside them."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORDS: Sequence[tuple[str, str]] = (
    (r"slice bounds out of range|missing fields after timezone", "it names a time zone and no times after it"),
    (r"non-empty valid Cron expression", "it is empty"),
    (
        r"expected exactly 5 fields, found (\d+)",
        "it has {0} of the five fields: minute, hour, day of month, month, day of week",
    ),
    (r"end of range \((\d+)\) above maximum \((\d+)\)", "{0} is too large, at most {1} can stand there"),
    (r"beginning of range \((\d+)\) below minimum \((\d+)\)", "{0} is too small, at least {1} has to stand there"),
    (r"beginning of range \((\d+)\) beyond end of range \((\d+)\)", "the range from {0} to {1} runs backwards"),
    (r"step of range (?:should|must) be", "a step after / is a whole number from 1 on"),
    (r"step \((\d+)\) must be less than range size \((\d+)\)", "a step of {0} is longer than its range of {1}"),
    (r"failed to parse int from", "a field holds what is no number and no name of a month or day"),
    (r"failed to parse duration", "after @every comes a duration, such as 6h or 1h30m"),
    (r"@every duration must be at least", "@every needs at least one second"),
    (
        r"unrecognized descriptor",
        "after @ stands hourly, daily, weekly, monthly, yearly, or every with a duration such as 6h",
    ),
    (r"bad location|unknown time zone|invalid timezone", "there is no such time zone"),
    (r"too many hyphens", "a range has one -, as in 1-5"),
    (r"too many slashes", "a step has one /, as in */15"),
    (r"spec too long", "it is too long"),
)


def explain_cron_error(fault: str) -> str:
    """`fault` as Velero writes it; empty where nobody foresaw it."""
    for pattern, words in _WORDS:
        if found := re.search(pattern, fault):
            return words.format(*found.groups())
    return ""
