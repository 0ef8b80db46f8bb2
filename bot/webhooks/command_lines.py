"""A pipeline's body → the command line that it stands for. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from bot.webhooks.bodies import CommandBody, GateBody, Structured, Value
from commands.grammar.parser import parse
from commands.grammar.tokenizer import quote, tokenize
from domain.errors import UsageError


def line_of(body: CommandBody) -> str:
    """Raises UsageError with the same words as in chat."""
    line = body.line if body.line is not None else _spelled(body.command)
    command = parse(line)
    extra = []
    if body.cluster and not command.cluster:
        extra.append(f"--cluster={quote(body.cluster)}")
    if body.reason and not command.has_flag("reason"):
        extra.append(f"--reason={quote(body.reason)}")
    if not extra:
        return line
    whole = _with(line, extra)
    parse(whole)
    return whole


def _with(line: str, extra: Iterable[str]) -> str:
    """Behind the flags, before a `--` that ends them."""
    ends = next((word for word in tokenize(line) if word.text == "--" and not word.quoted), None)
    if ends is None:
        return " ".join([line, *extra])
    return " ".join([line[: ends.span[0]].rstrip(), *extra, line[ends.span[0] :]])


def _spelled(command: Structured | None) -> str:
    assert command is not None
    flags = [_flag(name, value) for name, value in command.flags.items()]
    names = ["--", *map(quote, command.names)] if command.names else []
    line = " ".join([quote(command.noun), *([quote(command.verb)] if command.verb else []), *flags, *names])
    understood = parse(line)
    if understood.names != command.names and not understood.help:
        raise UsageError(
            "The command contains a name that isn't valid.",
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
    """The backup that a gate takes. Its name follows from the operation, so that trying twice makes one."""
    name = f"gate-{operation.removeprefix('op-')}"
    line = ["backup", "create", name, f"--include-namespaces={quote(','.join(namespaces))}"]
    line += [f"--ttl={quote(body.ttl)}"] if body.ttl else []
    line += [f"--cluster={quote(body.cluster)}"] if body.cluster else []
    line.append(f"--reason={quote(body.reason or 'deploy gate')}")
    return " ".join(line)
