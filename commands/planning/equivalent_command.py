"""The same change without the bot: a velero line where one makes the same object, else the manifests for kubectl."""

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
"""Of what a Slack message takes as one block."""
_LOOKS = frozenset({"output", "label-columns", "show-labels"})
"""With these the velero CLI prints the object and writes nothing."""


def velero_line(cmd: Command, flags: Iterable[Flag]) -> str:
    """The line as the velero CLI takes it: without our flags and without those that only show."""
    told = (flag for flag in flags if not flag.ours and flag.name not in _LOOKS)
    return f"velero {format_flags.format_command(cmd.noun, cmd.verb, cmd.names, told, cmd.flags)}"


def equivalent_of_create(
    steps: Sequence[Step],
    cmd: Command,
    flags: Sequence[Flag],
    more: Sequence[Json],
    translate: Callable[[Command], Json],
    namespace: str,
) -> str:
    """`more`: flags that may be needed to say what our own words came to. `translate`: what the CLI makes of a command."""
    known = [flag for flag in flags if not flag.ours and flag.name not in _LOOKS]
    kept = {flag.name: cmd.flags[flag.name] for flag in known if flag.name in cmd.flags}
    for added in ({}, *more):
        candidate = replace(cmd, flags={**kept, **added})
        try:
            made = translate(candidate)
        except UserError:
            continue
        if len(steps) == 1 and made == steps[0].manifest:
            return velero_line(candidate, known)
    return kubectl_commands(steps, namespace)


def kubectl_commands(steps: Sequence[Step], namespace: str) -> str:
    """Empty where it would be too long to read or to copy."""
    made = [step.manifest for step in steps if step.verb is StepVerb.CREATE]
    lines = [f"kubectl apply -f - <<'EOF'\n{yaml.safe_dump_all(made, sort_keys=False)}EOF"] if made else []
    lines += [_patch(step, namespace) for step in steps if step.verb is StepVerb.PATCH]
    text = "\n".join(lines)
    return text if len(text) <= MAX_COMMAND_LENGTH else ""


def _patch(step: Step, namespace: str) -> str:
    body = json.dumps(step.manifest, separators=(",", ":"))
    return f"kubectl patch {step.resource}.velero.io {quote(step.name)} -n {namespace} --type merge -p {quote(body)}"
