"""`velero-chatops slack manifest`: the Slack app to these settings, to paste into api.slack.com/apps."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
import yaml

from bot.configuration.settings_file import read
from bot.slack.manifest import Scope, build_manifest, required_scopes
from domain.errors import ConfigError


@click.group("slack")
def COMMAND() -> None:  # noqa: N802
    """Set up the Slack app."""


@COMMAND.command("manifest")
@click.option("--config", "path", type=click.Path(path_type=Path), required=True)
@click.option("-o", "--output", type=click.Choice(["json", "yaml"]), default="yaml")
def show(path: Path, output: str) -> None:
    """Print the app manifest; with JSON, the reasons of its scopes go to standard error."""
    try:
        settings, _ = read(path)
        made = build_manifest(settings)
    except ConfigError as error:
        for line in error.faults:
            click.echo(line, err=True)
        raise click.ClickException(error.text) from None
    if output == "yaml":
        print(comment_manifest(made, required_scopes(settings)), end="")
        return
    print(json.dumps(made, indent=2, ensure_ascii=False))
    for scope in required_scopes(settings):
        print(f"{scope.name}: {reason(scope)}", file=sys.stderr)


def comment_manifest(made: dict[str, Any], wanted: tuple[Scope, ...]) -> str:
    """YAML with each scope's reason beside it, where it is asked for the first time."""
    told = {f"- {scope.name}": reason(scope) for scope in wanted}
    lines = []
    for line in yaml.safe_dump(made, sort_keys=False, allow_unicode=True, width=1000).splitlines():
        why = told.pop(line.strip(), "")
        lines.append(f"{line}  # {why}" if why else line)
    return "\n".join(lines) + "\n"


def reason(scope: Scope) -> str:
    return f"{scope.why} Without this scope, {scope.without}." if scope.without else scope.why
