"""Logs of any size are read in pieces: what is counted, what is kept, and how much memory that takes."""

import subprocess
import sys
from pathlib import Path

import pytest

from velero.artifacts import log_summary
from velero.artifacts.log_summary import LogReader, LogSummary, summarize_log

INFO = b'time="2026-12-01T01:00:00Z" level=info msg="Backed up an item" name=web-0\n'
ERROR = b'time="2026-12-01T01:00:01Z" level=error msg="broken pipe" name=db-0\n'
WARNING = b'time="2026-12-01T01:00:02Z" level=warning msg="slow" name=db-1\n'
HOOK = b'level=info msg="stdout: ok" hookPhase=pre\n'


def read(body: bytes, size: int) -> LogSummary:
    reader = LogReader()
    for at in range(0, len(body), size):
        reader.feed(body[at : at + size])
    return reader.finish()


@pytest.mark.parametrize("size", [1, 7, 64, 1000, 100_000])
def test_pieces_of_any_size_make_the_same_summary(size):
    body = (INFO * 3 + ERROR + WARNING + HOOK) * 20 + ERROR.strip()
    found = read(body, size)
    assert found == summarize_log(body)
    assert (found.size, found.lines, found.errors, found.warnings) == (len(body), 121, 21, 20)
    assert found.error_lines == (ERROR.decode().strip(),) * log_summary.MAX_ERROR_LINES
    assert found.hook_lines == (HOOK.decode().strip(),) * 20
    assert found.tail == body


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        (b"level=error msg=x", (1, 0)),
        (b"level=fatal msg=x", (1, 0)),
        (b"level=panic msg=x", (1, 0)),
        (b"level=warning msg=x", (0, 1)),
        (b'{"level":"error","msg":"x"}', (1, 0)),
        (b'{"backup":"velero/a","level":"warning","msg":"x"}', (0, 1)),
        (b'time="2026-12-01T01:00:00Z" level=info msg="saw level=error in a pod\'s log"', (0, 0)),
        (b'{"level":"info","msg":"saw level=error and \\"level\\":\\"error\\""}', (0, 0)),
        (b'{"error":"level=warning","level":"error","msg":"x"}', (1, 0)),
    ],
)
def test_only_the_lines_own_level_counts(line, counts):
    found = summarize_log(INFO + line + b"\n" + INFO)
    assert (found.errors, found.warnings) == counts


def test_the_tail_begins_with_a_line_and_the_rest_is_counted(monkeypatch):
    monkeypatch.setattr(log_summary, "MAX_TAIL_BYTES", 10 * len(INFO) + 5)
    found = read(ERROR + INFO * 100, 64)
    assert found.tail == INFO * 10
    assert found.bytes_left_out == len(ERROR) + 90 * len(INFO)
    assert (found.lines, found.errors) == (101, 1)


def test_a_tail_that_ends_exactly_at_the_limit_is_whole(monkeypatch):
    monkeypatch.setattr(log_summary, "MAX_TAIL_BYTES", 10 * len(INFO))
    assert read(INFO * 11, 64).tail == INFO * 10
    assert read(INFO * 10, 64).bytes_left_out == 0


def test_a_tail_without_the_start_of_a_line_is_cut_at_the_limit(monkeypatch):
    monkeypatch.setattr(log_summary, "MAX_TAIL_BYTES", 100)
    assert read(INFO + b"x" * 500 + b"\n", 64).tail == b"x" * 99 + b"\n"


def test_the_rest_of_a_line_above_the_limit_is_skipped(monkeypatch):
    monkeypatch.setattr(log_summary, "_MAX_LINE_BYTES", 100)
    long = b'level=error msg="' + b"x" * 500 + b" hookPhase=pre" + b'"\n'
    found = read(long + ERROR, 64)
    assert (found.lines, found.errors, found.hook_lines) == (2, 2, ())
    assert found.error_lines[1] == ERROR.decode().strip()


def test_lines_about_hooks_above_the_limit_are_counted(monkeypatch):
    monkeypatch.setattr(log_summary, "MAX_HOOK_BYTES", 3 * len(HOOK))
    found = summarize_log(HOOK * 10)
    assert (len(found.hook_lines), found.hook_lines_left_out) == (3, 7)


LARGE = """
import resource, sys, zlib
from velero.artifacts.log_summary import LogReader
from velero.artifacts.unpacking import Unpacker, UnpackLimits

pack = zlib.compressobj(1, wbits=31)
block = {info!r} * 14_000 + {error!r}
packed = b"".join([*(pack.compress(block) for _ in range(110)), pack.flush()])
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (20 << 20), used + (20 << 20)))
reader, unpacker = LogReader(), Unpacker(UnpackLimits(ratio=2000), "The log")
for piece in unpacker.feed(packed):
    reader.feed(piece)
found = reader.finish()
print(found.size >> 20, found.errors, len(found.tail) <= 4 << 20)
"""


def test_a_log_of_a_hundred_mebibytes_is_read_in_little_memory():
    code = LARGE.format(info=INFO, error=ERROR)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[3], check=False
    )
    assert done.stdout.split() == ["108", "110", "True"], done.stderr


def test_a_line_full_of_levels_costs_no_more_than_its_length(monkeypatch):
    calls = []
    find = log_summary._line_at
    monkeypatch.setattr(log_summary, "_line_at", lambda *args: calls.append(args) or find(*args))
    summarize_log(b'level=info msg="' + b"level=error " * 5_000 + b'"\n')
    assert len(calls) == 1
