"""Reads the settings file. A ConfigError lists all errors at once, each with its line, the nearest key and allowed values."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bot.configuration.renamed_settings import RenamedSetting, find_renamed, with_current_names
from bot.configuration.settings import Settings
from commands.grammar.vocabulary import VERB_WORDS
from commands.registry import VERBS
from domain.counting import counted
from domain.errors import ConfigError
from policy.parse import DEFAULT_APPROVAL_LIFETIME_S, RuleErrors, Vocabulary, parse_rules
from policy.rules import Rule
from policy.table_reader import TableError

Location = tuple[int | str, ...]
Found = tuple[Location, str]
"""An error: its place and its text."""


SYNONYMS = {
    f"{verb.noun}.{word}": verb.key
    for verb in VERBS
    for word, name in VERB_WORDS.items()
    if name == verb.name != word and f"{verb.noun}.{word}" not in {each.key for each in VERBS}
}


def read(path: Path) -> tuple[Settings, tuple[Rule, ...]]:
    """Raises ConfigError with all errors of the file."""
    return parse(_read_text(path), str(path))


def parse(text: str, name: str) -> tuple[Settings, tuple[Rule, ...]]:
    """Raises ConfigError with all errors of the text."""
    data = _load_toml(text, name)
    settings, found = _validate(data)
    rules = _parse_rules(data, settings, found)
    if found or settings is None:
        raise ConfigError(f"{name} has {counted(len(found), 'error')}.", faults=sort_errors(name, text, found))
    return settings, rules


def read_warnings(path: Path) -> tuple[str, ...]:
    """Return a line for each former name of a setting that the file uses. Raises ConfigError."""
    text, name = _read_text(path), str(path)
    renamed = find_renamed(_load_toml(text, name))
    return sort_errors(name, text, [((each.table, each.former), each.text) for each in renamed])


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The settings file {path} can't be read.", faults=(str(error),)) from None


def _load_toml(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name} isn't valid TOML.", faults=(_toml_error(name, text, str(error)),)) from None


def sort_errors(name: str, text: str, found: Sequence[Found]) -> tuple[str, ...]:
    """Return `file:line: setting: text` for each error, ordered by line."""
    lines = positions(text)
    placed = sorted((_line_of(lines, place), _setting_name(place), words) for place, words in found)
    return tuple(f"{name}:{line}: {setting}: {words}" for line, setting, words in placed)


def locate_errors(table: str, faults: Sequence[TableError]) -> list[Found]:
    """Return the errors of an array of tables, such as rules, with their places."""
    return [((table, each.index, *_path_of(each.key)), each.words) for each in faults]


def _toml_error(name: str, text: str, message: str) -> str:
    """Return the parser's message in the form of the other errors: file and line first."""
    what, _, where = message.rpartition(" (at ")
    place = re.match(r"line (\d+), column (\d+)", where)
    line = int(place[1]) if place else len(text.splitlines()) or 1
    return f"{name}:{line}: {what[:1].lower()}{what[1:]}" + (
        f", column {place[2]}" if place else ", at the end of the file"
    )


def _validate(data: Mapping[str, Any]) -> tuple[Settings | None, list[Found]]:
    renamed = find_renamed(data)
    try:
        settings = Settings.model_validate(with_current_names(data, renamed))
    except ValidationError as error:
        found = [_found(each, renamed) for each in error.errors(include_url=False)]
        # The contents of a rule are validated by `parse_rules`.
        return None, [each for each in found if each[0][0] != "rules" or len(each[0]) == 1]
    return settings, find_contradictions(settings)


def find_contradictions(settings: Settings) -> list[Found]:
    """Return the places at which parts of the settings contradict each other."""
    found: list[Found] = []
    for table, key, names in (
        ("clusters", "name", [each.name for each in settings.clusters]),
        ("senders", "name", [each.name for each in settings.senders]),
        ("routes", "name", [each.name for each in settings.routes]),
        ("channels", "id", [each.id for each in settings.channels]),
    ):
        for at, name in enumerate(names):
            if name and name in names[:at]:
                found.append(((table, at, key), f"duplicate {key} {name!r}"))
    if settings.listen == settings.status_listen and not settings.listen.endswith(":0"):
        found.append((("status_listen",), f"{settings.status_listen!r} is already used by listen; set another port"))
    known = tuple(each.name for each in settings.clusters)
    bound: list[Found] = [(("channels", at, "cluster"), each.cluster) for at, each in enumerate(settings.channels)]
    bound += [(("applications", at, "cluster"), each.cluster) for at, each in enumerate(settings.applications)]
    for place, name in bound:
        if name and name not in known:
            found.append((place, f"cluster {name!r} doesn't exist; allowed: {', '.join(known) or 'none configured'}"))
    return found


def _parse_rules(data: Mapping[str, Any], settings: Settings | None, found: list[Found]) -> tuple[Rule, ...]:
    """Add the errors of the rules to `found`. Cluster names are compared only if the clusters are valid."""
    entries = data.get("rules")
    clusters = tuple(each.name for each in settings.clusters) if settings else ()
    known = Vocabulary(tuple(verb.key for verb in VERBS), clusters, SYNONYMS)
    expires = int(settings.approvals.expires) if settings else DEFAULT_APPROVAL_LIFETIME_S
    rules = parse_rules(entries if isinstance(entries, list) else (), known, expires=max(1, expires))
    if not isinstance(rules, RuleErrors):
        return rules
    found += locate_errors("rules", rules.faults)
    return ()


def _path_of(key: str) -> Location:
    """Split a key such as `during[0].from` into its parts."""
    return tuple(int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", key))


def _line_of(lines: Mapping[Location, int], place: Location) -> int:
    """Return the line of the innermost part of a place that has a line of its own."""
    return next((lines[place[:length]] for length in range(len(place), 0, -1) if place[:length] in lines), 1)


def _setting_name(place: Location) -> str:
    """Write a place as `rules[0].who`; tables are counted from 0."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return "".join(steps).removeprefix(".") or "settings"


def _found(error: ErrorDetails, renamed: Sequence[RenamedSetting]) -> Found:
    place = tuple(error["loc"])
    # The error belongs to the line that the file really has.
    former: dict[Location, Location] = {(each.table, each.name): (each.table, each.former) for each in renamed}
    if error["type"] == "extra_forbidden":
        if both := next((each for each in renamed if (each.table, each.former) == place), None):
            return place, f"set only {both.name!r}: {both.former!r} is its former name"
        return place, _unknown_setting(place)
    if place[-1:] == ("[key]",):
        place = place[:-1]
    return former.get(place, place), _error_text(error)


def _unknown_setting(place: Location) -> str:
    allowed = _keys_at(place[:-1])
    near = get_close_matches(str(place[-1]), allowed, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"allowed: {', '.join(allowed)}"
    return f"unknown setting; {hint}"


_ERROR_TEXTS = {
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
"""Keys: the first word of pydantic's error types."""
_BOUNDS = (
    ("ge", "at least {}"),
    ("gt", "more than {}"),
    ("le", "at most {}"),
    ("lt", "less than {}"),
)


def _error_text(error: ErrorDetails) -> str:
    """Describe an error in TOML's terms; pydantic's own texts name Python's types."""
    context: Mapping[str, Any] = error.get("ctx") or {}
    for name, bound in _BOUNDS:
        if name in context:
            return f"{error['input']} isn't valid; allowed: {bound.format(context[name])}"
    if error["type"] == "literal_error":
        return _invalid_choice(error["input"], re.findall(r"'([^']*)'", str(context.get("expected"))))
    first_word = error["type"].partition("_")[0]
    return _ERROR_TEXTS.get(first_word) or error["msg"].removeprefix("Value error, ")


def _invalid_choice(given: object, allowed: Sequence[str]) -> str:
    near = get_close_matches(str(given), allowed, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{given!r} isn't valid; {hint}allowed: {', '.join(allowed)}"


def _keys_at(place: Location) -> list[str]:
    """Return the settings that exist at a place."""
    model: Any = Settings
    for part in place:
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
    """Return the line of every table and key. Knows tables, arrays of tables and one key per line."""
    found: dict[Location, int] = {}
    counts: dict[str, int] = {}
    prefix: Location = ()
    for number, line in enumerate(text.splitlines(), 1):
        if table := _TABLE.match(line):
            prefix = _table_path(table[2], counts, many=bool(table[1]))
            found.setdefault(prefix, number)
        elif key := _KEY.match(line):
            found.setdefault((*prefix, *_parts(key[1])), number)
    return found


def _table_path(name: str, counts: dict[str, int], *, many: bool) -> Location:
    parts = _parts(name)
    place: list[int | str] = []
    for depth, part in enumerate(parts):
        place.append(part)
        path = ".".join(parts[: depth + 1])
        last = depth == len(parts) - 1
        if many and last:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            place.append(counts[path])
    return tuple(place)


def _parts(name: str) -> Sequence[str]:
    return [part.strip().strip("\"'") for part in name.split(".")]
