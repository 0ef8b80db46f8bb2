"""`velero-chatops slack manifest`: prints the Slack app manifest for the settings, for api.slack.com/apps."""

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
    """Print the Slack app manifest. With -o json, the reasons for the scopes are printed to standard error."""
    try:
        settings, _ = read(path)
        manifest = build_manifest(settings)
    except ConfigError as error:
        for line in error.faults:
            click.echo(line, err=True)
        raise click.ClickException(error.text) from None
    if output == "yaml":
        print(comment_manifest(manifest, required_scopes(settings)), end="")
        return
    print(json.dumps(manifest, indent=2, ensure_ascii=False))
    for scope in required_scopes(settings):
        print(f"{scope.name}: {reason(scope)}", file=sys.stderr)


def comment_manifest(manifest: dict[str, Any], scopes: tuple[Scope, ...]) -> str:
    """Return the manifest as YAML, with the reason of each scope as a comment at its first mention."""
    reasons = {f"- {scope.name}": reason(scope) for scope in scopes}
    lines = []
    for line in yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, width=1000).splitlines():
        comment = reasons.pop(line.strip(), "")
        lines.append(f"{line}  # {comment}" if comment else line)
    return "\n".join(lines) + "\n"


def reason(scope: Scope) -> str:
    return f"{scope.why} Without this scope, {scope.without}." if scope.without else scope.why
