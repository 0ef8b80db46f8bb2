"""Turns the body of a webhook request into its command line."""

from __future__ import annotations

from collections.abc import Iterable

from bot.webhooks.bodies import CommandBody, GateBody, Structured, Value
from commands.grammar.parser import parse
from commands.grammar.tokenizer import quote, tokenize
from domain.errors import UsageError


def line_of(body: CommandBody) -> str:
    """Return the command line of a body. Raises UsageError with the same text as in chat."""
    line = body.line if body.line is not None else _format_structured(body.command)
    command = parse(line)
    extra = []
    if body.cluster and not command.cluster:
        extra.append(f"--cluster={quote(body.cluster)}")
    if body.reason and not command.has_flag("reason"):
        extra.append(f"--reason={quote(body.reason)}")
    if not extra:
        return line
    whole = _insert_flags(line, extra)
    parse(whole)
    return whole


def _insert_flags(line: str, extra: Iterable[str]) -> str:
    """Insert flags after the others, before a `--` that separator the flags."""
    separator = next((word for word in tokenize(line) if word.text == "--" and not word.quoted), None)
    if separator is None:
        return " ".join([line, *extra])
    return " ".join([line[: separator.span[0]].rstrip(), *extra, line[separator.span[0] :]])


def _format_structured(command: Structured | None) -> str:
    assert command is not None
    flags = [_flag(name, value) for name, value in command.flags.items()]
    names = ["--", *map(quote, command.names)] if command.names else []
    line = " ".join([quote(command.noun), *([quote(command.verb)] if command.verb else []), *flags, *names])
    parsed = parse(line)
    if parsed.names != command.names and not parsed.help:
        wrong = next((name for name in command.names if name not in parsed.names), "")
        raise UsageError(
            f"Name `{wrong}` isn't valid.",
            why="Names can't contain quotes, spaces or control characters.",
        )
    return line


def _flag(name: str, value: Value) -> str:
    match value:
        case bool():
            return f"--{name}={'true' if value else 'false'}"
        case dict():
            return f"--{name}={quote(','.join(f'{key}={inner}' for key, inner in value.items()))}"
        case tuple():
            return f"--{name}={quote(','.join(value))}"
        case _:
            return f"--{name}={quote(str(value))}"


def gate_line(body: GateBody, namespaces: Iterable[str], operation: str) -> str:
    """Return the command for the backup of a gate. Its name follows from the operation: a retry creates no second one."""
    name = f"gate-{operation.removeprefix('op-')}"
    line = ["backup", "create", name, f"--include-namespaces={quote(','.join(namespaces))}"]
    line += [f"--ttl={quote(body.ttl)}"] if body.ttl else []
    line += [f"--cluster={quote(body.cluster)}"] if body.cluster else []
    line.append(f"--reason={quote(body.reason or 'deploy gate')}")
    return " ".join(line)
