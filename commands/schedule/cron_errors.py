"""Explains Velero's errors about cron expressions; Velero's own message is shown next to the explanation."""

from __future__ import annotations

import re
from collections.abc import Sequence

_EXPLANATIONS: Sequence[tuple[str, str]] = (
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


def explain_cron_error(message: str) -> str:
    """`message` is Velero's; returns nothing for a message that isn't known."""
    for pattern, text in _EXPLANATIONS:
        if found := re.search(pattern, message):
            return text.format(*found.groups())
    return ""
