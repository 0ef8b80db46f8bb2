"""Lines on standard input: each is answered by one JSON object, whatever is in it."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from bot.terminal.cron import COMMAND as CRON
from bot.terminal.plan import COMMAND as PLAN


def answers(command: object, sent: bytes) -> list[dict[str, object]]:
    done = CliRunner().invoke(command, ["--batch"], input=sent)  # type: ignore[arg-type]
    assert done.exit_code == 0
    return [json.loads(line) for line in done.stdout_bytes.decode("utf-8").splitlines()]


@pytest.mark.parametrize(
    "sent",
    [
        b"backup create x\r\nbackup create y\n",
        b"backup create \xff\xfe\nbackup create y",
        b"backup create x\ry\nbackup create y\n",
        b"\nbackup create y\n",
    ],
)
def test_every_line_of_a_plan_is_answered(sent: bytes) -> None:
    first, second = answers(PLAN, sent)
    assert (second["line"], second["ok"]) == ("backup create y", True)
    assert "\n" not in str(first["line"])


def test_every_line_of_cron_is_answered() -> None:
    wrong, right = answers(CRON, b'\xff{"expr"\n{"expr": "0 1 * * *", "from": "2026-11-21T00:00:00Z", "count": 1}')
    assert "error" in wrong
    assert right == {"next": ["2026-11-21T01:00:00Z"]}
