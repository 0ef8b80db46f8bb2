"""`velero-chatops config check`: prints the effective settings with secrets masked, or all errors with their places."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bot.configuration.misconfiguration import find_misconfiguration
from bot.configuration.settings import Settings
from bot.configuration.settings_file import read, read_warnings
from domain.counting import counted
from domain.errors import ConfigError

MASK = "********"


@click.group("config")
def COMMAND() -> None:  # noqa: N802
    """Check the settings."""


@COMMAND.command("check")
@click.option("--config", "path", type=click.Path(path_type=Path), required=True)
@click.option("--strict", is_flag=True, help="Exit with 1 if a part can't work, such as a webhook without a secret.")
@click.option("--live", "live", is_flag=True, help="Also check Slack and the clusters.")
def check(path: Path, *, live: bool, strict: bool) -> None:
    """Validate the settings file, list all errors, and print the effective settings."""
    try:
        settings, rules = read(path)
    except ConfigError as error:
        for line in error.faults:
            click.echo(line, err=True)
        raise click.ClickException(error.text) from None
    for line in read_warnings(path):
        click.echo(line, err=True)
    if live:
        raise SystemExit(_live(settings))
    print(json.dumps(shown(settings), indent=2, default=str))
    print(f"{counted(len(rules), 'rule')}, {counted(len(settings.clusters), 'cluster')}")
    found = find_misconfiguration(settings)
    for problem in found:
        click.echo(f"{problem.part}: {problem.text}. Fix: {problem.fix}", err=True)
    raise SystemExit(1 if found and strict else 0)


def _live(settings: Settings) -> int:
    from bot.terminal import check as checking

    try:
        return checking.live(settings)
    except OSError as error:
        raise click.ClickException(f"A secret can't be read: {error}") from None


def shown(settings: Settings) -> dict[str, object]:
    """Return the effective settings; a secret only says whether it is set."""
    values: dict[str, object] = settings.model_dump(mode="json")
    values["secrets"] = {
        "slack.bot_token": _masked(settings.slack.bot_token),
        "slack.signing_secret": _masked(lambda: " ".join(settings.slack.signing_secrets())),
        "slack.app_token": _masked(settings.slack.app_token),
    }
    return values


def _masked(read_secret: object) -> str:
    assert callable(read_secret)
    try:
        return MASK if read_secret() else "missing"
    except OSError as error:
        return f"can't be read: {error.strerror}"
