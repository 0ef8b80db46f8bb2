"""`make bench`: runs all rows, or the named ones; `--json` prints one object per line."""

from __future__ import annotations

import importlib
import sys

from benchmarks.figure import Figure

ROWS = (
    "ack_throughput",
    "ack_latency",
    "forgeries",
    "notice",
    "card",
    "backups",
    "ends",
    "lines",
    "schedules",
    "audit",
    "start",
    "memory",
    "previews",
)


def measure(row: str) -> Figure:
    figure: Figure = importlib.import_module(f"benchmarks.{row}").measure()
    return figure


def main(words: list[str]) -> int:
    as_json = "--json" in words
    wanted = [word for word in words if not word.startswith("-")] or list(ROWS)
    if unknown := [word for word in wanted if word not in ROWS]:
        print(f"no row {unknown[0]!r}; there are: {', '.join(ROWS)}", file=sys.stderr)
        return 2
    missed = 0
    for row in wanted:
        figure = measure(row)
        missed += not figure.ok
        print(figure.as_json() if as_json else figure.as_text(), flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
