"""Outlives the suite by a moment: ends every process group that was left when its standard input closes.

Runs as a process of its own, so that even `kill -9` on pytest leaves nothing behind. It reads `+ GROUP` and `- GROUP`.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterable


def remaining(lines: Iterable[str]) -> set[int]:
    groups: set[int] = set()
    for line in lines:
        word, group = line.split()
        (groups.add if word == "+" else groups.discard)(int(group))
    return groups


def main() -> None:
    for group in remaining(sys.stdin):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
