"""`velero-chatops cron`: the next runs as Velero's server will compute them."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from bot.terminal.line_batches import answer_lines
from velero.cron.line_answers import answer_line
from velero.documents import MESSAGE_BOUNDS, BadDocument, read_json


@click.command("cron")
@click.argument("expr", required=False)
@click.option(
    "--dialect",
    type=click.Choice(["robfig", "netresearch"]),
    default="robfig",
    help="Cron dialect: robfig for Velero up to 1.18, netresearch for later versions.",
)
@click.option("--timezone", "zone", default="UTC", help="Time zone of the Velero server.")
@click.option("--from", "start", default=None, help="Start time (RFC 3339). Default: now.")
@click.option("--count", type=int, default=5)
@click.option(
    "--batch", is_flag=True, help="Read one JSON request per line from standard input; print one JSON answer per line."
)
def COMMAND(expr: str | None, dialect: str, zone: str, start: str | None, count: int, *, batch: bool) -> None:  # noqa: N802
    """Print the next runs of EXPR."""
    if batch:
        answer_lines(lambda line: answer_line(_loaded(line)))
        return
    if expr is None:
        raise click.UsageError("EXPR is missing.")
    begin = start or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    said = answer_line({"expr": expr, "server_tz": zone, "from": begin, "count": count, "dialect": dialect})
    if "error" in said:
        raise click.ClickException(str(said["error"]))
    runs = said["next"]
    print("\n".join(map(str, runs)) if isinstance(runs, list) and runs else "never")


def _loaded(line: str) -> object:
    try:
        return read_json(line, MESSAGE_BOUNDS)
    except BadDocument:
        return line
