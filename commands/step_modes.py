"""The modes of a step, each with what it adds to a plain write. The executor looks a step's mode up here.

A table of functions, so that the executor knows no noun: a new mode is an entry here, not a branch there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from commands.restore import schedule_hold
from commands.schedule.horizon import refresh_horizon
from domain.json_types import Json
from domain.operation import Operation
from domain.plan import Step, StepMode

if TYPE_CHECKING:
    from store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class StepBehavior:
    """`refresh`: the step as it has to be written now. `on_done`: records in the transaction that completes the step.

    `is_satisfied`: whether the live object needs no write. A step with it is also done where its object doesn't exist.
    """

    refresh: Callable[[Step, datetime], Step] | None = None
    is_satisfied: Callable[[Json, Step], bool] | None = None
    on_done: Callable[[Transaction, Operation, Step, str, datetime], None] | None = None


PLAIN = StepBehavior()

BEHAVIORS: Mapping[StepMode, StepBehavior] = {
    StepMode.SCHEDULE_CHANGE: StepBehavior(refresh=refresh_horizon),
    StepMode.SCHEDULE_HOLD: StepBehavior(
        refresh=schedule_hold.refresh_hold,
        is_satisfied=schedule_hold.is_held_longer,
        on_done=schedule_hold.record_hold,
    ),
}


def behavior_of(step: Step) -> StepBehavior:
    return BEHAVIORS.get(step.mode, PLAIN)
