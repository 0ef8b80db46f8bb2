"""`velero-chatops items`: lists failed items and retries them."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bot.terminal.webhook import DATA_DIR, call_bot
from domain.counting import counted
from store.connection import DATABASE_FILE, read_transaction
from store.tables.failed_items import FailedItem


@click.group("items")
def COMMAND() -> None:  # noqa: N802
    """List and retry failed commands, events, objects and timers."""


@COMMAND.command("failed")
@DATA_DIR
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50)
def failed(data_dir: Path, output: str, limit: int) -> None:
    """List failed items with their errors, newest first. The bot may be running."""
    if not (data_dir / DATABASE_FILE).is_file():
        raise click.ClickException(f"No database in {data_dir}.")
    with read_transaction(data_dir) as tx:
        found = [_as_json(each) for each in tx.failed_items.all(limit)]
    if output == "json":
        print(json.dumps(found, indent=2))
        return
    for each in found:
        print(f"{each['id']}  {each['since']}  {each['subject']}  {each['key']}  {each['failures']}×  {each['error']}")
    print(counted(len(found), "failed item") if found else "No failed items.")


@COMMAND.command("retry")
@click.argument("ident", metavar="ID")
@DATA_DIR
def retry(ident: str, data_dir: Path) -> None:
    """Retry a failed item. The bot must be running."""
    print(call_bot(data_dir, "items.retry", id=ident)["text"])


def _as_json(item: FailedItem) -> dict[str, object]:
    return {
        "id": item.id,
        "since": f"{item.failed_since:%Y-%m-%dT%H:%M:%SZ}",
        "kind": item.kind.value,
        "subject": item.subject,
        "key": item.key,
        "failures": item.failures,
        "error": f"{item.error_type}: {item.error}",
        "retry_at": f"{item.retry_at:%Y-%m-%dT%H:%M:%SZ}" if item.retry_at else None,
    }
