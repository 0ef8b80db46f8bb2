"""`velero-chatops webhook`: test a receiver, or enable one that had said 410, through the running bot."""

from __future__ import annotations

from pathlib import Path

import click

from bot.control import call_running_bot
from domain.errors import ChatopsError
from domain.json_types import Json

DATA_DIR = click.option("--data-dir", type=click.Path(path_type=Path), required=True, help="Data directory of the bot.")


@click.group("webhook")
def COMMAND() -> None:  # noqa: N802
    """Receivers of webhooks and alerts."""


@COMMAND.command("test")
@click.argument("name")
@DATA_DIR
def test(name: str, data_dir: Path) -> None:
    """Send one signed call to NAME and say what became of it. Success enables it again."""
    tried = asked(data_dir, "webhook.test", name=name)["tried"]
    print(f"{name}: {tried['text']} (HTTP {tried['code']}, {tried['milliseconds']} ms)")
    raise SystemExit(0 if tried["ok"] else 1)


@COMMAND.command("enable")
@click.argument("name")
@DATA_DIR
def enable(name: str, data_dir: Path) -> None:
    """Send to NAME again, which had answered 410."""
    print(asked(data_dir, "webhook.enable", name=name)["text"])


def asked(data_dir: Path, do: str, **arguments: object) -> Json:
    try:
        return call_running_bot(data_dir, do, **arguments)
    except ChatopsError as error:
        near = f"Did you mean {', '.join(error.nearest)}?" if error.nearest else ""
        raise click.ClickException(
            " ".join(part for part in (error.text, error.why, near, error.fix) if part)
        ) from None
