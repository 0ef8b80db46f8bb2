"""`velero-chatops plan`: what a command line would write, offline where it needs no cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from bot.clock import utc_now
from bot.terminal.line_batches import answer_lines
from commands.batch import answer_line, facts_from_objects
from commands.planning.context import ClusterView, PlanContext
from commands.planning.facts import Facts
from domain.errors import UserError
from velero.documents import ARTIFACT_BOUNDS, read_json


def _facts(path: Path | None) -> Facts:
    if path is None:
        return Facts()
    try:
        loaded = read_json(path.read_bytes(), ARTIFACT_BOUNDS)
        return facts_from_objects(loaded if isinstance(loaded, list) else [loaded])
    except (OSError, ValueError, UserError) as error:
        raise click.ClickException(f"Fixtures file {path} can't be read: {error}") from None


def _situation(namespace: str) -> PlanContext:
    now = utc_now()
    return PlanContext(now=now, new_id=lambda: "", cluster=ClusterView("", velero_namespace=namespace))


@click.command("plan")
@click.argument("line", required=False)
@click.option("-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text")
@click.option(
    "--fixtures", "fixture_file", type=click.Path(path_type=Path), help="File with a JSON list of Kubernetes objects."
)
@click.option(
    "--batch", is_flag=True, help="Read one command per line from standard input; print one JSON object per line."
)
@click.option("--namespace", default="velero", help="Namespace of Velero.")
def COMMAND(line: str | None, output: str, fixture_file: Path | None, *, batch: bool, namespace: str) -> None:  # noqa: N802
    """Print what LINE would write: translation, guards and the velero command. Changes nothing."""
    facts, situation = _facts(fixture_file), _situation(namespace)
    if batch:
        answer_lines(lambda row: answer_line(row, facts, situation))
        return
    if line is None:
        raise click.UsageError("LINE is missing.")
    said = answer_line(line, facts, situation)
    print(_shown(said, output))
    if not said["ok"] or any(guard["level"] == "refuse" for guard in said["guards"]):
        raise SystemExit(1)


def _shown(said: dict[str, Any], output: str) -> str:
    if output == "json":
        return json.dumps(said, indent=2, ensure_ascii=False)
    import yaml

    if output == "yaml":
        return str(yaml.safe_dump(said, sort_keys=False, allow_unicode=True)).rstrip()
    if not said["ok"]:
        return f"refused: {said['error']}"
    lines = []
    for step in said["steps"]:
        lines += [
            f"{step['verb']} {step['kind']} {step['name']}".rstrip(),
            yaml.safe_dump(step["manifest"], sort_keys=False),
        ]
    lines += [f"{guard['level']}: {guard['text']} ({guard['code']})" for guard in said["guards"]]
    lines += [said["cli"]] if said["cli"] else ["no changes"]
    return "\n".join(lines)
