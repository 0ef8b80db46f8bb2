"""The pipeline's input and output: the request, the result, and the policy in force."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from domain.actor import Actor, Origin
from domain.answer import Answer
from domain.operation import Operation
from policy.directory import Directory
from policy.rules import Rule


@dataclass(frozen=True, slots=True)
class CommandRequest:
    """`channel_cluster` is the cluster used without --cluster; `subject` is the object of the thread: (noun, name)."""

    key: str
    line: str
    actor: Actor
    origin: Origin
    lead: str = ""
    channel_cluster: str = ""
    subject: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The immediate answer, and the operation that now runs or waits, if there is one."""

    answer: Answer | None
    operation: Operation | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """Replaced as a whole when the settings are reloaded. `directory` takes the approvers and the voters."""

    rules: tuple[Rule, ...]
    directory: Callable[..., Awaitable[Directory]] = field(repr=False)
