"""Faults of the Web API that tests switch on and off while the bot runs."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any


class Fault(StrEnum):
    NONE = "none"
    RATE_LIMITED = "429"
    SERVER_ERROR = "500"
    UNAVAILABLE = "503"
    ERROR = "ok: false with a code"
    SLOW = "answered late"
    DROP = "connection cut, nothing committed"
    HANG = "no answer, nothing committed"
    COMMIT_THEN_RESET = "committed, connection cut"
    COMMIT_THEN_HANG = "committed, no answer"
    COMMIT_THEN_503 = "committed, 503"
    LATE_COMMIT = "connection cut, committed later"


@dataclass(slots=True)
class Rule:
    fault: Fault
    method: str = "*"
    times: int | None = 1  # None: until it is taken away
    seconds: float = 1.0  # Retry-After, or how slow, or how late
    error: str = "internal_error"
    when: Callable[[Mapping[str, Any]], bool] | None = None

    def applies(self, method: str, args: Mapping[str, Any]) -> bool:
        if self.times == 0 or not fnmatchcase(method, self.method):
            return False
        return self.when is None or self.when(args)


CALM = Rule(Fault.NONE, times=None)


class Faults:
    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self._mixes: list[tuple[str, random.Random, list[Rule], list[float]]] = []

    def add(self, fault: Fault, method: str = "*", **settings: Any) -> Rule:
        """Add a fault, such as `slack.faults.add(Fault.RATE_LIMITED, "chat.postMessage", times=3, seconds=2)`."""
        rule = Rule(fault, method, **settings)
        self.rules.append(rule)
        return rule

    def refuse(self, error: str, method: str = "*", **settings: Any) -> Rule:
        return self.add(Fault.ERROR, method, error=error, **settings)

    def mix(self, method: str, shares: Mapping[Fault, float], rng: random.Random, seconds: float = 0.1) -> None:
        """Random faults by share; the remaining calls succeed."""
        rules = [Rule(fault, method, None, seconds) for fault in shares]
        weights = [*shares.values(), max(0.0, 1 - sum(shares.values()))]
        self._mixes.append((method, rng, [*rules, CALM], weights))

    def clear(self) -> None:
        self.rules.clear()
        self._mixes.clear()

    def next_for(self, method: str, args: Mapping[str, Any]) -> Rule:
        for rule in self.rules:
            if rule.applies(method, args):
                rule.times = rule.times - 1 if rule.times is not None else None
                return rule
        for name, rng, rules, weights in self._mixes:
            if fnmatchcase(method, name):
                return rng.choices(rules, weights)[0]
        return CALM
