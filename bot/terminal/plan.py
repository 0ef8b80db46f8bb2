"""`velero-chatops plan`: shows what a command would write, without a cluster; facts come from a fixtures file."""

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


def _plan_context(namespace: str) -> PlanContext:
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
    """Show what a command would do: changes, checks and the equivalent velero command. Nothing is changed."""
    facts, context = _facts(fixture_file), _plan_context(namespace)
    if batch:
        answer_lines(lambda row: answer_line(row, facts, context))
        return
    if line is None:
        raise click.UsageError("LINE is missing.")
    answer = answer_line(line, facts, context)
    print(_format(answer, output))
    if not answer["ok"] or any(guard["level"] == "refuse" for guard in answer["guards"]):
        raise SystemExit(1)


def _format(answer: dict[str, Any], output: str) -> str:
    if output == "json":
        return json.dumps(answer, indent=2, ensure_ascii=False)
    import yaml

    if output == "yaml":
        return str(yaml.safe_dump(answer, sort_keys=False, allow_unicode=True)).rstrip()
    if not answer["ok"]:
        return f"refused: {answer['error']}"
    lines = []
    for step in answer["steps"]:
        lines += [
            f"{step['verb']} {step['kind']} {step['name']}".rstrip(),
            yaml.safe_dump(step["manifest"], sort_keys=False),
        ]
    lines += [f"{guard['level']}: {guard['text']} ({guard['code']})" for guard in answer["guards"]]
    lines += [answer["cli"]] if answer["cli"] else ["no changes"]
    return "\n".join(lines)
