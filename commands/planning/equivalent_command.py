"""The equivalent command without the bot: a velero line that makes the same object, else manifests for kubectl."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import yaml

from commands.grammar import format_flags
from commands.grammar.command import Command
from commands.grammar.flags import Flag
from commands.grammar.tokenizer import quote
from domain.errors import UserError
from domain.json_types import Json
from domain.plan import Step, StepVerb

MAX_COMMAND_LENGTH = 2800
"""Longer commands don't fit into one block of a Slack message."""
_PRINT_ONLY_FLAGS = frozenset({"output", "label-columns", "show-labels"})
"""With one of these the velero CLI prints the object and writes nothing."""


def velero_line(cmd: Command, flags: Iterable[Flag]) -> str:
    """Return the line for the velero CLI, without the bot's flags and flags that only print."""
    shown = (flag for flag in flags if not flag.ours and flag.name not in _PRINT_ONLY_FLAGS)
    return f"velero {format_flags.format_command(cmd.noun, cmd.verb, cmd.names, shown, cmd.flags)}"


def equivalent_of_create(
    steps: Sequence[Step],
    cmd: Command,
    flags: Sequence[Flag],
    more: Sequence[Json],
    translate: Callable[[Command], Json],
    namespace: str,
) -> str:
    """Return a velero line that creates the same object, else kubectl commands.

    `more` are flags that may be needed to express what the bot's flags came to. `translate` is the CLI's translation.
    """
    known = [flag for flag in flags if not flag.ours and flag.name not in _PRINT_ONLY_FLAGS]
    kept = {flag.name: cmd.flags[flag.name] for flag in known if flag.name in cmd.flags}
    for added in ({}, *more):
        candidate = replace(cmd, flags={**kept, **added})
        try:
            manifest = translate(candidate)
        except UserError:
            continue
        if len(steps) == 1 and manifest == steps[0].manifest:
            return velero_line(candidate, known)
    return kubectl_commands(steps, namespace)


def kubectl_commands(steps: Sequence[Step], namespace: str) -> str:
    """Return kubectl commands; empty if they would be too long for a message."""
    manifests = [step.manifest for step in steps if step.verb is StepVerb.CREATE]
    lines = [f"kubectl apply -f - <<'EOF'\n{yaml.safe_dump_all(manifests, sort_keys=False)}EOF"] if manifests else []
    lines += [_patch(step, namespace) for step in steps if step.verb is StepVerb.PATCH]
    text = "\n".join(lines)
    return text if len(text) <= MAX_COMMAND_LENGTH else ""


def _patch(step: Step, namespace: str) -> str:
    body = json.dumps(step.manifest, separators=(",", ":"))
    return f"kubectl patch {step.resource}.velero.io {quote(step.name)} -n {namespace} --type merge -p {quote(body)}"
