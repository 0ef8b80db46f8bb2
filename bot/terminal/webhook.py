"""`velero-chatops webhook`: tests a receiver, or enables one after 410 Gone, through the running bot."""

from __future__ import annotations

from pathlib import Path

import click

from bot.control import call_running_bot
from domain.errors import ChatopsError
from domain.json_types import Json

DATA_DIR = click.option("--data-dir", type=click.Path(path_type=Path), required=True, help="Data directory of the bot.")


@click.group("webhook")
def COMMAND() -> None:  # noqa: N802
    """Test and enable webhook receivers."""


@COMMAND.command("test")
@click.argument("name")
@DATA_DIR
def test(name: str, data_dir: Path) -> None:
    """Send a signed test notification to a receiver. If it succeeds, a disabled receiver is enabled again."""
    result = call_bot(data_dir, "webhook.test", name=name)["tried"]
    code = f"HTTP {result['code']}" if str(result["code"]).isdigit() else str(result["code"])
    print(f"{name}: {result['text']} ({code}, {result['milliseconds']} ms)")
    raise SystemExit(0 if result["ok"] else 1)


@COMMAND.command("enable")
@click.argument("name")
@DATA_DIR
def enable(name: str, data_dir: Path) -> None:
    """Enable a receiver that was disabled after 410 Gone."""
    print(call_bot(data_dir, "webhook.enable", name=name)["text"])


def call_bot(data_dir: Path, action: str, **arguments: object) -> Json:
    try:
        return call_running_bot(data_dir, action, **arguments)
    except ChatopsError as error:
        near = f"Did you mean {', '.join(error.nearest)}?" if error.nearest else ""
        raise click.ClickException(
            " ".join(part for part in (error.text, error.why, near, error.fix) if part)
        ) from None
