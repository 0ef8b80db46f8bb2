"""Why Velero would refuse a cron expression, in words for people; Velero's own stand beside them."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORDS: Sequence[tuple[str, str]] = (
    (r"slice bounds out of range|missing fields after timezone", "it has a time zone but no cron fields"),
    (r"non-empty valid Cron expression", "it's empty"),
    (
        r"expected exactly 5 fields, found (\d+)",
        "it has {0} fields instead of five (minute, hour, day of month, month, day of week)",
    ),
    (r"end of range \((\d+)\) above maximum \((\d+)\)", "{0} is too large; the maximum is {1}"),
    (r"beginning of range \((\d+)\) below minimum \((\d+)\)", "{0} is too small; the minimum is {1}"),
    (r"beginning of range \((\d+)\) beyond end of range \((\d+)\)", "the range {0}-{1} is reversed"),
    (r"step of range (?:should|must) be", "the step after / must be a whole number of at least 1"),
    (r"step \((\d+)\) must be less than range size \((\d+)\)", "step {0} is larger than its range of {1}"),
    (r"failed to parse int from", "a field contains something that isn't a number or the name of a month or day"),
    (r"failed to parse duration", "@every needs a duration, for example 6h or 1h30m"),
    (r"@every duration must be at least", "@every needs at least 1 second"),
    (
        r"unrecognized descriptor",
        "after @ use hourly, daily, weekly, monthly, yearly, or every with a duration, for example @every 6h",
    ),
    (r"bad location|unknown time zone|invalid timezone", "unknown time zone"),
    (r"too many hyphens", "a range can have one '-', for example 1-5"),
    (r"too many slashes", "a step can have one '/', for example */15"),
    (r"spec too long", "it's too long"),
)


def explain_cron_error(fault: str) -> str:
    """`fault` as Velero writes it; empty where nobody foresaw it."""
    for pattern, words in _WORDS:
        if found := re.search(pattern, fault):
            return words.format(*found.groups())
    return ""
