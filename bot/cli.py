"""`velero-chatops …`: every terminal command by name, its module imported only when it runs."""

from __future__ import annotations

import importlib
from typing import ClassVar

import click


class _Late(click.Group):
    """Imports a command's module when it is asked for: `plan` does not wait for Slack's libraries."""

    rooms: ClassVar[dict[str, str]] = {
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
        return sorted(self.rooms)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        room = self.rooms.get(cmd_name)
        if room is None:
            return None
        command: click.Command = importlib.import_module(room).COMMAND
        return command


@click.group(cls=_Late)
@click.version_option(package_name="velero-chatops")
def cli() -> None:
    """Back up, restore and schedule Kubernetes clusters from Slack, with Velero."""


def main() -> None:
    cli(prog_name="velero-chatops")
