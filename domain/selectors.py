"""Label selectors: parsing, formatting and matching.

Source: Kubernetes labels.Parse and metav1.ParseToLabelSelector.
"""

from __future__ import annotations

import re
from typing import Any

from domain.errors import UsageError

Selector = dict[str, Any]

_SPECIAL = "=!(),<>"
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_OPERATORS = frozenset({"=", "==", "!=", "in", "notin", ">", "<"})


def is_valid_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or not _PREFIX.fullmatch(prefix)):
        return False
    return bool(_NAME.fullmatch(name))


def is_valid_value(value: str) -> bool:
    return value == "" or bool(_NAME.fullmatch(value))


def parse_or_selector(text: str) -> list[Selector]:
    return [parse_selector(part) for part in text.split(" or ")]


def parse_selector(text: str) -> Selector:
    """Return a LabelSelector with sorted requirements and values, as the velero CLI writes it. Raises UsageError."""
    labels: dict[str, str] = {}
    expressions: list[dict[str, Any]] = []
    for key, operator, values in sorted(_Parser(text).requirements(), key=lambda requirement: requirement[0]):
        if operator in {"=", "=="}:
            labels[key] = values[0]
        elif operator in {">", "<", "!="}:
            alternative = {"!=": f"{key} notin ({values[0]})"}.get(operator, "")
            raise UsageError(
                f"Selectors don't support `{operator}`.",
                why="Velero supports =, in, notin, key and !key.",
                nearest=(alternative,) if alternative else (),
            )
        else:
            kind = {"in": "In", "notin": "NotIn", "exists": "Exists", "!": "DoesNotExist"}[operator]
            entry: dict[str, Any] = {"key": key, "operator": kind}
            if values:
                entry["values"] = sorted(set(values))
            expressions.append(entry)
    selector: Selector = {}
    if labels:
        selector["matchLabels"] = labels
    if expressions:
        selector["matchExpressions"] = expressions
    return selector


Requirement = tuple[str, str, list[str]]


class _Parser:
    """A recursive-descent parser that follows labels.Parse."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0

    def requirements(self) -> list[Requirement]:
        found: list[Requirement] = []
        if not self._tokens:
            return found
        while True:
            found.append(self._requirement())
            if self._at == len(self._tokens):
                return found
            if self._next() != ",":
                raise self._error("a comma or the end")
            if self._at == len(self._tokens):
                raise self._error("a label key after the comma")

    def _requirement(self) -> Requirement:
        token = self._next()
        negated = token == "!"
        if negated:
            token = self._next()
        self._check_key(token)
        following = self._peek()
        if negated:
            if following not in {"", ","}:
                raise self._error("a comma or the end")
            return token, "!", []
        if following in {"", ","}:
            return token, "exists", []
        operator = self._next()
        if operator not in _OPERATORS:
            raise self._error("=, in, notin, a comma or the end")
        values = self._values() if operator in {"in", "notin"} else [self._exact()]
        for value in values:
            if not is_valid_value(value) or (operator in "<>" and not value.lstrip("-").isdigit()):
                raise UsageError(
                    f"`{value}` isn't a valid label value.", why="Use at most 63 letters, digits, '-', '_' and '.'."
                )
        return token, operator, values

    def _exact(self) -> str:
        if self._peek() in {"", ","}:
            return ""
        token = self._next()
        if token[0] in _SPECIAL:
            raise self._error("a value")
        return token

    def _values(self) -> list[str]:
        if self._next() != "(":
            raise self._error("'('")
        values: list[str] = []
        if self._peek() == ")":
            self._next()
            return [""]
        expect_value = True
        while True:
            token = self._next()
            if token == ")":
                return [*values, ""] if expect_value else values
            if token == ",":
                values += [""] if expect_value else []
                expect_value = True
            elif token and token[0] not in _SPECIAL and expect_value:
                values.append(token)
                expect_value = False
            else:
                raise self._error("a value, ',' or ')'")

    def _check_key(self, token: str) -> None:
        if not token or token[0] in _SPECIAL:
            raise self._error("a label key")
        if not is_valid_key(token):
            raise UsageError(
                f"`{token}` isn't a valid label key.",
                why="Use a key such as app or example.org/app, at most 63 characters after the slash.",
            )

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _error(self, expected: str) -> UsageError:
        found = self._tokens[self._at - 1] if 0 < self._at <= len(self._tokens) else "the end"
        return UsageError(f"Selector `{self._text}` is invalid at `{found}`.", why=f"Expected {expected}.")


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char in " \t\r\n":
            at += 1
        elif char in _SPECIAL:
            two = text[at : at + 2]
            found.append(two if two in {"==", "!="} else char)
            at += len(found[-1])
        else:
            end = at
            while end < len(text) and text[end] not in _SPECIAL + " \t\r\n":
                end += 1
            found.append(text[at:end])
            at = end
    return found


def format_selector(selector: Selector) -> str:
    """Format the selector as a person would type it."""
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for entry in selector.get("matchExpressions") or []:
        key, values = entry.get("key", ""), ",".join(entry.get("values") or [])
        parts.append(
            {
                "In": f"{key} in ({values})",
                "NotIn": f"{key} notin ({values})",
                "Exists": key,
                "DoesNotExist": f"!{key}",
            }.get(entry.get("operator", ""), key)
        )
    return ",".join(parts)


def selector_matches(selector: Selector, labels: dict[str, str]) -> bool:
    """Whether the labels match, by the API server's rules."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for entry in selector.get("matchExpressions") or []:
        key, values = entry["key"], entry.get("values") or []
        fits = {
            "In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }[entry["operator"]]
        if not fits:
            return False
    return True
