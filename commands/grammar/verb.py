"""The declaration of a verb: data plus functions.

Parsing, help, the Slack manifest, the docs and the pipeline follow these declarations. What only some verbs need at a
point of the pipeline is a slot here, so that the pipeline itself knows no noun.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from commands.grammar.command import Command
from commands.grammar.flags import Flag
from domain.answer import Answer
from domain.json_types import Json
from domain.operation import Operation
from domain.plan import Plan
from domain.reach import Reach

if TYPE_CHECKING:
    from commands.planning.context import PlanContext
    from commands.planning.facts import Facts, FactsByCluster, Needs
    from store.transaction import Transaction


class Effect(StrEnum):
    READ = "read"
    WRITE = "write"
    MEMORY = "note"
    """Changes the bot's own records only, nothing in a cluster."""
    UNSUPPORTED = "not-here"
    """A verb of the velero CLI that the bot doesn't run; the answer says why and what to do instead."""


class PreviewKind(StrEnum):
    """A reading of live objects that completes a plan. `operations.previews` has the readers."""

    RESTORE_CONTENTS = "restore-contents"


@dataclass(frozen=True, slots=True)
class Args:
    """How many names a verb takes. `word` is their placeholder in the usage, `source` the resource that has them."""

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
    """An answer and the write to the bot's records that goes with it; None if nothing changes."""

    answer: Answer
    write: Callable[[Transaction], None] | None = None


Planner = Callable[[Command, "Facts", "PlanContext"], Plan]
Answerer = Callable[[Command, "FactsByCluster", "PlanContext"], Answer]
MemoryChanger = Callable[[Command, "Facts", "PlanContext"], MemoryChange]
NeedsReader = Callable[[Command, "Facts"], "Needs"]
Preparer = Callable[[Plan, "Facts", "PlanContext"], Plan]
ConflictFinder = Callable[["Transaction", Operation, Reach], str]
Recorder = Callable[["Transaction", Operation, Plan, datetime, Sequence[Json]], None]


@dataclass(frozen=True, slots=True)
class Verb:
    """`needs` returns what to read, given the facts so far; it is called again until it returns nothing new.

    A verb with Effect.WRITE has `plan`, one with Effect.READ `answer`, one with Effect.MEMORY `change_memory`.
    `fans_out` marks a read over several clusters at once.
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
    """Replaces values that depend on the clock by absolute ones, before anything is read."""
    prepare: Preparer | None = None
    """Pins what the plan refers to, before it is shown and decided on."""
    preview: PreviewKind | None = None
    conflicts: ConflictFinder | None = None
    """Why operations granted earlier keep this one from starting; empty if none does. Runs in the transaction that grants."""
    undo: Callable[[Plan], str] | None = None
    """The command line that undoes the operation; empty if nothing does."""
    record: Recorder | None = None
    """Keeps what the operation promises, in the transaction that marks it submitted. Gets the objects the cluster returned."""
    examples: tuple[str, ...] = ()
    instead: str = ""
    fans_out: bool = False
    read_timeout: float = 0.0
    """Seconds for all reads from one cluster, where a verb has to be faster than others. 0: the default."""
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
