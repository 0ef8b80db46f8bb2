"""One verb is data plus pure functions. The registry of verbs makes parsing, help, the Slack manifest and the docs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from commands.grammar.command import Command
from commands.grammar.flags import Flag
from domain.answer import Answer
from domain.plan import Plan

if TYPE_CHECKING:
    from commands.planning.context import PlanContext
    from commands.planning.facts import Facts, FactsByCluster, Needs
    from store.transaction import Transaction


class Effect(StrEnum):
    READ = "read"
    WRITE = "write"
    MEMORY = "note"
    """Changes our own memory alone: nothing in a cluster."""
    UNSUPPORTED = "not-here"
    """A verb of the velero CLI that chat does not run; it answers why, and what to do instead."""


@dataclass(frozen=True, slots=True)
class Args:
    """How many names follow; `word` is what the usage calls them."""

    word: str = ""
    least: int = 0
    most: int = 0
    source: str = ""

    @property
    def usage(self) -> str:
        if not self.word:
            return ""
        shown = self.word if self.least else f"[{self.word}]"
        return f"{shown}…" if self.most > 1 else shown


@dataclass(frozen=True, slots=True)
class MemoryChange:
    """What is said, and what is kept: a closure over one transaction; None where nothing changes."""

    answer: Answer
    write: Callable[[Transaction], None] | None = None


Planner = Callable[[Command, "Facts", "PlanContext"], Plan]
Answerer = Callable[[Command, "FactsByCluster", "PlanContext"], Answer]
MemoryChanger = Callable[[Command, "Facts", "PlanContext"], MemoryChange]
NeedsReader = Callable[[Command, "Facts"], "Needs"]


@dataclass(frozen=True, slots=True)
class Verb:
    """`needs` names what must be read, from what is known so far; it is asked again until it asks for nothing new.

    A writing verb has `plan`, a reading one `answer`, one that changes our memory alone `note`. `fans_out`: a read that goes over several clusters at once.
    """

    noun: str
    name: str
    summary: str
    effect: Effect = Effect.READ
    args: Args = field(default_factory=Args)
    flags: tuple[Flag, ...] = ()
    needs: NeedsReader | None = None
    plan: Planner | None = None
    answer: Answerer | None = None
    change_memory: MemoryChanger | None = None
    settle: Callable[[Command, PlanContext], Command] | None = None
    """Fixes what depends on the clock, before anything is read."""
    examples: tuple[str, ...] = ()
    instead: str = ""
    fans_out: bool = False
    group: str = ""

    @property
    def key(self) -> str:
        return f"{self.noun}.{self.name}" if self.name else self.noun

    @property
    def usage(self) -> str:
        return " ".join(
            part for part in (self.noun, self.name, self.args.usage, "[flags]" if self.flags else "") if part
        )

    def flag(self, name: str) -> Flag | None:
        return next((flag for flag in self.flags if flag.name == name), None)
