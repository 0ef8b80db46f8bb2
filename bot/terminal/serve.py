"""`velero-chatops serve`: runs the bot until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import click

from bot import garbage_collection, logs
from bot.configuration.live_settings import log_warnings
from bot.configuration.settings import Settings
from bot.configuration.settings_file import read
from domain.errors import ChatopsError, ConfigError
from policy.rules import Rule


@click.command("serve")
@click.option("--config", "path", type=click.Path(path_type=Path), required=True)
def COMMAND(path: Path) -> None:  # noqa: N802
    """Run the bot."""
    try:
        settings, rules = read(path)
        problems = missing_secrets(settings)
    except ConfigError as error:
        for line in error.faults:
            click.echo(line, err=True)
        raise click.ClickException(error.text) from None
    except OSError as error:
        raise click.ClickException(f"A secret can't be read: {error}") from None
    if problems:
        raise click.ClickException(" ".join(problems))
    os.umask(0o077)
    logs.set_up(settings.log_level)
    log_warnings(path)
    try:
        asyncio.run(_serve(settings, rules, path))
    except ChatopsError as error:
        raise click.ClickException(" ".join(part for part in (error.text, error.why, error.fix) if part)) from None


def missing_secrets(settings: Settings) -> list[str]:
    """Return errors for required secrets that are missing_secrets."""
    slack = settings.slack
    errors = []
    if not slack.bot_token():
        errors.append(
            "The Slack bot token is missing_secrets. Set VELERO_CHATOPS_SLACK_BOT_TOKEN or slack.bot_token_file."
        )
    if slack.transport == "http" and not slack.signing_secrets():
        errors.append(
            "The signing secret is missing_secrets. Set VELERO_CHATOPS_SLACK_SIGNING_SECRET or slack.signing_secret_file."
        )
    if slack.transport == "socket" and not slack.app_token():
        errors.append("The app token is missing_secrets. Set VELERO_CHATOPS_SLACK_APP_TOKEN or slack.app_token_file.")
    return errors


async def _serve(settings: Settings, rules: tuple[Rule, ...], path: Path) -> None:
    from bot.app import App

    app = App(settings, rules, path)
    await app.start()
    garbage_collection.freeze_startup_objects()
    print(f"status on {settings.status_listen.rpartition(':')[0]}:{app.status_port}", file=sys.stderr, flush=True)
    print(f"listening on {settings.listen.rpartition(':')[0]}:{app.port}", file=sys.stderr, flush=True)
    stop_requested = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop_requested.set)
    loop.add_signal_handler(signal.SIGHUP, app.reload)
    await stop_requested.wait()
    await app.stop()
