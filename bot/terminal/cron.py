"""`velero-chatops cron`: prints the next runs as the Velero server computes them."""

from __future__ import annotations

import click

from bot.clock import utc_now
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
@click.option("--count", type=int, default=5, show_default=True, help="Number of runs to print.")
@click.option(
    "--batch", is_flag=True, help="Read one JSON request per line from standard input; print one JSON answer per line."
)
def COMMAND(expr: str | None, dialect: str, zone: str, start: str | None, count: int, *, batch: bool) -> None:  # noqa: N802
    """Print the next runs of a cron expression."""
    if batch:
        answer_lines(lambda line: answer_line(_parse_request(line)))
        return
    if expr is None:
        raise click.UsageError("EXPR is missing.")
    first = start or utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = answer_line({"expr": expr, "server_tz": zone, "from": first, "count": count, "dialect": dialect})
    if "error" in answer:
        raise click.ClickException(str(answer["error"]))
    runs = answer["next"]
    print("\n".join(map(str, runs)) if isinstance(runs, list) and runs else "never")


def _parse_request(line: str) -> object:
    try:
        return read_json(line, MESSAGE_BOUNDS)
    except BadDocument:
        return line
