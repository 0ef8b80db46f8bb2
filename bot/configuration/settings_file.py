"""Reading the settings: every fault at once, with its line, the nearest right key and what is allowed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bot.configuration.settings import Settings
from commands.grammar.vocabulary import VERB_WORDS
from commands.registry import VERBS
from domain.counting import counted
from domain.errors import ConfigError
from policy.parse import EXPIRES, Faults, Vocabulary, parse_rules
from policy.rules import Rule
from policy.table_reader import TableError

Location = tuple[int | str, ...]
Found = tuple[Location, str]
"""Where a fault is, and what it is."""


SYNONYMS = {
    f"{verb.noun}.{word}": verb.key
    for verb in VERBS
    for word, name in VERB_WORDS.items()
    if name == verb.name != word and f"{verb.noun}.{word}" not in {each.key for each in VERBS}
}


def read(path: Path) -> tuple[Settings, tuple[Rule, ...]]:
    """Raises ConfigError with all its faults."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The settings file {path} can't be read.", faults=(str(error),)) from None
    return parse(text, str(path))


def parse(text: str, name: str) -> tuple[Settings, tuple[Rule, ...]]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name} isn't valid TOML.", faults=(_broken(name, text, str(error)),)) from None
    settings, found = _validated(data)
    rules = _rules(data, settings, found)
    if found or settings is None:
        raise ConfigError(f"{name} has {counted(len(found), 'fault')}.", faults=sort_errors(name, text, found))
    return settings, rules


def sort_errors(name: str, text: str, found: Sequence[Found]) -> tuple[str, ...]:
    """Each with file and line in front, by line."""
    lines = positions(text)
    placed = sorted((_line(lines, where), _called(where), words) for where, words in found)
    return tuple(f"{name}:{line}: {key}: {words}" for line, key, words in placed)


def locate_errors(table: str, faults: Sequence[TableError]) -> list[Found]:
    """Faults inside tables of an array, such as rules, with their places."""
    return [((table, each.index, *_steps(each.key)), each.words) for each in faults]


def _broken(name: str, text: str, fault: str) -> str:
    """The parser's words with their place in front, as of every other fault."""
    what, _, where = fault.rpartition(" (at ")
    place = re.match(r"line (\d+), column (\d+)", where)
    line = int(place[1]) if place else len(text.splitlines()) or 1
    return f"{name}:{line}: {what[:1].lower()}{what[1:]}" + (
        f", column {place[2]}" if place else ", at the end of the file"
    )


def _validated(data: Mapping[str, Any]) -> tuple[Settings | None, list[Found]]:
    try:
        settings = Settings.model_validate(data)
    except ValidationError as faults:
        # What a rule holds is judged with the rules.
        found = [_found(each) for each in faults.errors(include_url=False)]
        return None, [each for each in found if each[0][0] != "rules" or len(each[0]) == 1]
    return settings, disagreements(settings)


def disagreements(settings: Settings) -> list[tuple[Location, str]]:
    """Where parts of the settings contradict each other: place and words."""
    found: list[tuple[Location, str]] = []
    for table, key, names in (
        ("clusters", "name", [each.name for each in settings.clusters]),
        ("senders", "name", [each.name for each in settings.senders]),
        ("routes", "name", [each.name for each in settings.routes]),
        ("channels", "id", [each.id for each in settings.channels]),
    ):
        for at, name in enumerate(names):
            if name and name in names[:at]:
                found.append(((table, at, key), f"there is another with the {key} {name!r}"))
    if settings.listen == settings.status_listen and not settings.listen.endswith(":0"):
        found.append((("status_listen",), f"{settings.status_listen!r} is taken by listen; give it another port"))
    known = tuple(each.name for each in settings.clusters)
    bound: list[tuple[Location, str]] = [
        (("channels", at, "cluster"), each.cluster) for at, each in enumerate(settings.channels)
    ]
    bound += [(("applications", at, "cluster"), each.cluster) for at, each in enumerate(settings.applications)]
    for place, name in bound:
        if name and name not in known:
            found.append((place, f"there is no cluster {name!r}; allowed: {', '.join(known) or 'none is listed'}"))
    return found


def _rules(data: Mapping[str, Any], settings: Settings | None, found: list[Found]) -> tuple[Rule, ...]:
    """Adds the faults of rules. Names of clusters are compared once the clusters themselves are right."""
    entries = data.get("rules")
    clusters = tuple(each.name for each in settings.clusters) if settings else ()
    known = Vocabulary(tuple(verb.key for verb in VERBS), clusters, SYNONYMS)
    expires = int(settings.approvals.expires) if settings else EXPIRES
    rules = parse_rules(entries if isinstance(entries, list) else (), known, expires=max(1, expires))
    if not isinstance(rules, Faults):
        return rules
    found += locate_errors("rules", rules.faults)
    return ()


def _steps(key: str) -> Location:
    """`during[0].from` → its steps."""
    return tuple(int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", key))


def _line(lines: Mapping[Location, int], where: Location) -> int:
    """Of the innermost part that has a line of its own."""
    return next((lines[where[:cut]] for cut in range(len(where), 0, -1) if where[:cut] in lines), 1)


def _called(where: Location) -> str:
    """`rules[0].who`: tables counted from 0."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in where)
    return "".join(steps).removeprefix(".") or "settings"


def _found(fault: ErrorDetails) -> Found:
    where = tuple(fault["loc"])
    if fault["type"] == "extra_forbidden":
        return where, _unknown(where)
    if where[-1:] == ("[key]",):
        where = where[:-1]
    return where, _words(fault)


def _unknown(where: Location) -> str:
    allowed = _keys(where[:-1])
    near = get_close_matches(str(where[-1]), allowed, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"allowed: {', '.join(allowed)}"
    return f"unknown setting; {hint}"


_KINDS = {
    "bool": "must be true or false",
    "string": 'must be a string, in quotes: "…"',
    "path": 'must be a path, in quotes: "/…"',
    "int": "must be a whole number",
    "float": "must be a number",
    "finite": "must be a number",
    "tuple": 'must be a list: ["…", "…"]',
    "list": 'must be a list: ["…", "…"]',
    "dict": "must be a table",
    "mapping": "must be a table",
    "model": "must be a table",
    "dataclass": "must be a table",
    "missing": "required setting is missing",
}
"""By what the names of pydantic's faults begin with."""
_BOUNDS = (
    ("ge", "at least {}"),
    ("gt", "more than {}"),
    ("le", "at most {}"),
    ("lt", "less than {}"),
)


def _words(fault: ErrorDetails) -> str:
    """In this project's words: pydantic's name Python's types."""
    context: Mapping[str, Any] = fault.get("ctx") or {}
    for name, bound in _BOUNDS:
        if name in context:
            return f"{fault['input']} isn't valid; allowed: {bound.format(context[name])}"
    if fault["type"] == "literal_error":
        return _choice(fault["input"], re.findall(r"'([^']*)'", str(context.get("expected"))))
    kind = fault["type"].partition("_")[0]
    return _KINDS.get(kind) or fault["msg"].removeprefix("Value error, ")


def _choice(given: object, allowed: Sequence[str]) -> str:
    near = get_close_matches(str(given), allowed, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{given!r} isn't valid; {hint}allowed: {', '.join(allowed)}"


def _keys(where: Location) -> list[str]:
    """The settings that exist at a place."""
    model: Any = Settings
    for part in where:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part) if _is_model(model) else None
        if field is None:
            return []
        model = next((each for each in _models(field.annotation)), None)
    return sorted(model.model_fields) if _is_model(model) else []


def _is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)


def _models(annotation: Any) -> list[Any]:
    if _is_model(annotation):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


_TABLE = re.compile(r"^\s*\[(\[)?\s*([^\[\]]+?)\s*\]?\]\s*(#.*)?$")
_KEY = re.compile(r"^\s*([A-Za-z0-9_\"'.-]+)\s*=")


def positions(text: str) -> dict[Location, int]:
    """Line of every table and key. Good for what people write: tables, arrays of tables, one key a line."""
    found: dict[Location, int] = {}
    counts: dict[str, int] = {}
    prefix: Location = ()
    for number, line in enumerate(text.splitlines(), 1):
        if table := _TABLE.match(line):
            prefix = _table(table[2], counts, many=bool(table[1]))
            found.setdefault(prefix, number)
        elif key := _KEY.match(line):
            found.setdefault((*prefix, *_parts(key[1])), number)
    return found


def _table(name: str, counts: dict[str, int], *, many: bool) -> Location:
    parts = _parts(name)
    where: list[int | str] = []
    for depth, part in enumerate(parts):
        where.append(part)
        path = ".".join(parts[: depth + 1])
        last = depth == len(parts) - 1
        if many and last:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            where.append(counts[path])
    return tuple(where)


def _parts(name: str) -> Sequence[str]:
    return [part.strip().strip("\"'") for part in name.split(".")]
