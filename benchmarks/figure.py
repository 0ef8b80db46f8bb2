"""One row's result: a value, the floor that it is compared with, and the target."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` and `floor` are in `unit`; `target` limits their ratio if there is a floor, else the value.

    `more` are further conditions of the row: name → (value, maximum). `ok`: all conditions hold.
    """

    name: str
    value: float
    target: float
    unit: str
    floor: float | None = None
    least: bool = False
    """Whether the target is a minimum."""
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
    """Return the value that this share of the samples doesn't exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def seconds(work: Callable[[], object], times: int = 1) -> float:
    """Return the median of several runs."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return median(found)


def in_turn(one: Callable[[], object], other: Callable[[], object], times: int) -> tuple[float, float]:
    """Return the medians of both. Their runs alternate, so that load on the machine affects both."""
    pairs = [(seconds(one), seconds(other)) for _ in range(times)]
    return median([first for first, _ in pairs]), median([second for _, second in pairs])
