"""`velero-chatops audit`: verify, export and show the audit log. Works while the bot runs; needs no settings or network."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from domain.errors import ChatopsError
from store.audit_chain.export import Format, export
from store.audit_chain.verify import verify
from store.connection import DATABASE_FILE, open_for_reading, read_transaction
from store.tables.audit import AuditRow

HIDDEN_DETAILS = frozenset({"approval"})
_DIGEST = re.compile(r"[0-9a-f]{64}")
DATA_DIR = click.option("--data-dir", type=click.Path(path_type=Path), required=True, help="Data directory of the bot.")


@click.group("audit")
def COMMAND() -> None:  # noqa: N802
    """Verify, export and show the audit log."""


@COMMAND.command("verify")
@DATA_DIR
@click.option(
    "--anchor", "anchors", type=click.Path(path_type=Path), multiple=True, help="File with signed checkpoints."
)
def verify_command(data_dir: Path, anchors: tuple[Path, ...]) -> None:
    """Verify the audit log and its signed checkpoints. Exit codes: 0 ok, 3 broken, 4 truncated, 5 checkpoint missing."""
    _require_database(data_dir)
    try:
        verdict = verify(data_dir, anchors=[path.read_text(encoding="utf-8") for path in anchors])
    except (ChatopsError, OSError) as error:
        raise click.ClickException(str(error)) from None
    print(verdict)
    raise SystemExit(verdict.exit_code)


@COMMAND.command("export")
@DATA_DIR
@click.option("--format", "kind", type=click.Choice([each.value for each in Format]), default=Format.JSONL.value)
def export_command(data_dir: Path, kind: str) -> None:
    """Print the audit log as CSV or JSON Lines."""
    _require_database(data_dir)
    connection = open_for_reading(data_dir / DATABASE_FILE)
    try:
        for piece in export(connection, Format(kind)):
            sys.stdout.write(piece)
    finally:
        connection.close()


@COMMAND.command("show")
@click.argument("operation")
@DATA_DIR
def show(operation: str, data_dir: Path) -> None:
    """Show all audit log entries of one operation."""
    _require_database(data_dir)
    with read_transaction(data_dir) as tx:
        rows = tx.audit.history_of(operation)
    if not rows:
        raise click.ClickException(f"Operation {operation!r} isn't in the audit log.")
    for row in rows:
        print(line_of_entry(row))


def line_of_entry(row: AuditRow) -> str:
    """Write an entry as one line: who did what, when, with which details; digests are shortened."""
    entry = row.entry
    details = ((key, _short(value)) for key, value in entry.detail.items() if key not in HIDDEN_DETAILS)
    shown = "  ".join(f"{key}={value}" for key, value in details if value)
    return f"{entry.at:%Y-%m-%d %H:%M:%S}Z  #{row.seq}  {entry.actor}  {entry.action} {entry.subject}: {entry.outcome}  {shown}".rstrip()


def _short(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    text = "" if value is None or value == {} else str(value)
    return text[:12] if _DIGEST.fullmatch(text) else text


def _require_database(data_dir: Path) -> None:
    if not (data_dir / DATABASE_FILE).exists():
        raise click.ClickException(f"No audit log in {data_dir}.")
