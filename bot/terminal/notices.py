"""`velero-chatops notices`: lists notifications that failed permanently and resends them."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bot.terminal.webhook import DATA_DIR, call_bot
from domain.counting import counted
from store.connection import DATABASE_FILE, read_transaction
from store.tables.notices import Notice


@click.group("notices")
def COMMAND() -> None:  # noqa: N802
    """List and resend failed notifications."""


@COMMAND.command("failed")
@DATA_DIR
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50)
def failed(data_dir: Path, output: str, limit: int) -> None:
    """List notifications that failed permanently, newest first. The bot may be running."""
    if not (data_dir / DATABASE_FILE).is_file():
        raise click.ClickException(f"No database in {data_dir}.")
    with read_transaction(data_dir) as tx:
        found = [
            _as_json(each, getattr(tx.outbox.event(each.event), "kind", "")) for each in tx.notices.dead_letters(limit)
        ]
    if output == "json":
        print(json.dumps(found, indent=2))
        return
    for each in found:
        print(f"{each['id']}  {each['created']}  {each['kind']} {each['receiver']}  {each['event']}  {each['error']}")
    print(counted(len(found), "failed notification") if found else "No failed notifications.")


@COMMAND.command("retry")
@click.argument("ident", metavar="ID")
@DATA_DIR
def retry(ident: str, data_dir: Path) -> None:
    """Resend a failed notification. The bot must be running."""
    print(call_bot(data_dir, "notices.retry", id=ident)["text"])


def _as_json(notice: Notice, event: str) -> dict[str, object]:
    return {
        "id": notice.id,
        "created": f"{notice.created_at:%Y-%m-%dT%H:%M:%SZ}",
        "kind": notice.kind,
        "receiver": notice.address,
        "event": event,
        "attempts": notice.attempts,
        "error": notice.error,
    }
