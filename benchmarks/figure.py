"""One row's outcome: a value, the floor under it, what was to be reached."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` and `floor` in `unit`; `target` is of the ratio where there is a floor, else of the value.

    `more` are further conditions of the same row: name → (value, most). `ok` is all of them.
    """

    name: str
    value: float
    target: float
    unit: str
    floor: float | None = None
    least: bool = False
    """The target is a minimum."""
    of_ratio: bool = True
    more: dict[str, tuple[float, float]] = field(default_factory=dict)
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return None if not self.floor else self.value / self.floor

    @property
    def ok(self) -> bool:
        reached = self.ratio if self.of_ratio and self.ratio is not None else self.value
        good = reached >= self.target if self.least else reached <= self.target
        return good and all(value <= most for value, most in self.more.values())

    def as_json(self) -> str:
        told = {
            "name": self.name,
            "value": _short(self.value),
            "floor": _short(self.floor),
            "ratio": _short(self.ratio),
            "target": self.target,
            "ok": self.ok,
            "unit": self.unit,
        }
        return json.dumps(told | {key: [_short(value), most] for key, (value, most) in self.more.items()})

    def as_text(self) -> str:
        sign = "≥" if self.least else "≤"
        floor = f"floor {_short(self.floor)}, ratio {_short(self.ratio)}, " if self.floor else ""
        what = "" if self.of_ratio and self.floor else f" {self.unit}"
        more = "".join(f"; {name} {_short(value)} ≤ {most}" for name, (value, most) in self.more.items())
        mark = "ok    " if self.ok else "MISSED"
        note = f"\n         {self.note}" if self.note else ""
        return f"{mark}  {self.name}: {_short(self.value)} {self.unit} ({floor}{sign} {self.target}{what}{more}){note}"


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def part(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def seconds(work: Callable[[], object], times: int = 1) -> float:
    """Median of several runs."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return median(found)


def in_turn(one: Callable[[], object], other: Callable[[], object], times: int) -> tuple[float, float]:
    """Medians of both, taken in turn, so that a busy machine slows both down."""
    pairs = [(seconds(one), seconds(other)) for _ in range(times)]
    return median([first for first, _ in pairs]), median([second for _, second in pairs])
