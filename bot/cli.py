"""`velero-chatops …`: the terminal commands. The module of a command is imported only when it runs."""

from __future__ import annotations

import importlib
from typing import ClassVar

import click


class _LazyGroup(click.Group):
    """Imports a command's module on use, so that `plan` doesn't load Slack's libraries."""

    modules: ClassVar[dict[str, str]] = {
        "audit": "bot.terminal.audit",
        "config": "bot.terminal.config",
        "cron": "bot.terminal.cron",
        "docs": "bot.terminal.docs",
        "gate": "bot.terminal.gate",
        "items": "bot.terminal.items",
        "notices": "bot.terminal.notices",
        "plan": "bot.terminal.plan",
        "policy": "bot.terminal.policy",
        "serve": "bot.terminal.serve",
        "webhook": "bot.terminal.webhook",
        "slack": "bot.terminal.manifest",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        module = self.modules.get(cmd_name)
        if module is None:
            return None
        command: click.Command = importlib.import_module(module).COMMAND
        return command


@click.group(cls=_LazyGroup)
@click.version_option(package_name="velero-chatops")
def cli() -> None:
    """Run and inspect the Velero bot for Slack."""


def main() -> None:
    cli(prog_name="velero-chatops")
