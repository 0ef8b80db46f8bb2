"""`velero-chatops docs`: writes or checks the documentation pages that are generated from the code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from bot.terminal import generated_pages, messages_page

PAGES: dict[str, Callable[[], str]] = {
    "docs/commands.md": generated_pages.commands,
    "docs/settings.md": generated_pages.settings,
    "docs/state-machine.md": generated_pages.state_machine,
    "docs/messages.md": messages_page.messages,
    "docs/openapi.json": generated_pages.openapi,
    **{f"docs/events/{name}.schema.json": page for name, page in generated_pages.event_schemas().items()},
}


@click.command("docs")
@click.option("--write", "write", is_flag=True)
@click.option("--check", "check", is_flag=True)
def COMMAND(*, write: bool, check: bool) -> None:  # noqa: N802
    """Generate the documentation pages, or check that they are up to date."""
    stale = [name for name, page in PAGES.items() if not Path(name).exists() or Path(name).read_text("utf-8") != page()]
    if write:
        for name in stale:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(PAGES[name](), "utf-8")
            print(f"wrote {name}")
    elif check and stale:
        raise click.ClickException(f"Out of date: {', '.join(stale)}. Run `make docs`.")
