"""The one reader of YAML and JSON that somebody else wrote: measured before anything is built of it.

A short text can stand for gigabytes (aliases), for a stack overflow (nesting) or for a very long computation (a number
of a hundred thousand digits). The reader takes JSON's values only: no anchors, aliases, tags, merge keys, dates or
repeated keys, and bounds bytes, depth and the number of values. Whatever it refuses is one error, BadDocument.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver


@dataclass(frozen=True, slots=True)
class DocumentBounds:
    size: int
    depth: int = 64
    values: int = 200_000


TYPED_BOUNDS = DocumentBounds(size=100_000, values=5_000)
"""What a person writes into a flag or a form. It is read on the event loop: 5,000 values of YAML take 20 to 40 ms."""
CONFIG_MAP_BOUNDS = DocumentBounds(size=1 << 20, values=5_000)
MESSAGE_BOUNDS = DocumentBounds(size=1 << 20, values=50_000)
"""A request's body, a line of a log, a frame of Slack's."""
MANIFEST_BOUNDS = DocumentBounds(size=8 << 20)
ARTIFACT_BOUNDS = DocumentBounds(size=32 << 20, values=500_000)
"""A file that Velero keeps beside a run: half a million objects take about 60 MB."""

_SCALARS = frozenset({"null", "bool", "int", "float"})
_TAG = "tag:yaml.org,2002:"
_LONGEST_NUMBER = 64
# Possessive, and an open string ends with the text: no start is tried twice.
_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_DIRECTIVE = re.compile(r"^\ufeff?%", re.MULTILINE)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class BadDocument(ValueError):
    """It is not read; the message says why, as the rest of a sentence: "it …"."""


def read_json(text: str | bytes | bytearray, bounds: DocumentBounds) -> Any:
    """Raises BadDocument."""
    body = _encoded(text) if isinstance(text, str) else bytes(text)
    check_json(body, bounds)
    try:
        return json.loads(body.decode("utf-8-sig"))
    except ValueError as error:
        raise BadDocument("it is not JSON") from error


def check_json(body: bytes, bounds: DocumentBounds) -> None:
    """Raises BadDocument for what is too large to parse. It is JSON only if a parser takes it afterwards."""
    _check_size(len(body), bounds)
    opened = body.count(b"{") + body.count(b"[")
    if opened <= bounds.depth and opened + body.count(b",") < bounds.values:
        return
    bare = _STRINGS.sub(b"", body)
    if bare.count(b"{") + bare.count(b"[") + bare.count(b",") >= bounds.values:
        raise _too_many(bounds)
    brackets = bare.translate(None, _NO_BRACKETS)
    for _ in range(bounds.depth):
        if not brackets:
            return
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
    if brackets:
        raise BadDocument(f"it is nested deeper than {bounds.depth} levels, or its brackets do not match")


def read_yaml(text: str, bounds: DocumentBounds) -> Any:
    """One YAML document as JSON's values; None for an empty text. Raises BadDocument."""
    _check_size(len(_encoded(text)), bounds)
    if _DIRECTIVE.search(text):
        raise BadDocument("it has a directive (a line that begins with %)")
    builder = _Builder(bounds)
    try:
        for event in _events(text):
            builder.take(event)
    except yaml.YAMLError as error:
        raise BadDocument(f"it is not YAML: {_first_line(error)}") from error
    except (ValueError, OverflowError) as error:
        raise error if isinstance(error, BadDocument) else BadDocument("it is not YAML") from error
    return builder.root


def _events(text: str) -> Iterator[yaml.Event]:
    """By libyaml where PyYAML was built with it: ten times faster, and the same events."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    events: Iterator[yaml.Event] = yaml.parse(text, Loader=loader)
    return events


@dataclass(slots=True)
class _Open:
    """A list or a mapping that is not closed yet; `key` waits for its value."""

    made: list[Any] | dict[str, Any]
    key: str | None = None


@dataclass(slots=True)
class _Builder:
    """Builds as the events come, without recursion, and stops at the first bound that is passed."""

    bounds: DocumentBounds
    root: Any = None
    open: list[_Open] = field(default_factory=list)
    values: int = 0
    documents: int = 0

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise BadDocument("it has an anchor or an alias (&name, *name): write the value out")
        match event:
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    raise BadDocument("it has more than one document (---)")
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.MappingStartEvent():
                self._begin({}, event)
            case yaml.SequenceStartEvent():
                self._begin([], event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self.open.pop()

    def _begin(self, made: list[Any] | dict[str, Any], event: yaml.CollectionStartEvent) -> None:
        if not event.implicit:
            raise _tagged(event.tag)
        self._put(made)
        self.open.append(_Open(made))
        if len(self.open) > self.bounds.depth:
            raise BadDocument(f"it is nested deeper than {self.bounds.depth} levels")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        plain, quoted = event.implicit
        if not plain and not quoted:
            raise _tagged(event.tag)
        inside = self.open[-1] if self.open else None
        if inside is not None and isinstance(inside.made, dict) and inside.key is None:
            inside.key = _key(event, inside.made)
            return
        self._put(_value(event.value) if plain else event.value)

    def _put(self, value: Any) -> None:
        self.values += 1
        if self.values > self.bounds.values:
            raise _too_many(self.bounds)
        inside = self.open[-1] if self.open else None
        if inside is None:
            self.root = value
        elif isinstance(inside.made, list):
            inside.made.append(value)
        elif inside.key is None:
            raise BadDocument("it has a list or a mapping as a key")
        else:
            inside.made[inside.key] = value
            inside.key = None


def _key(event: yaml.ScalarEvent, made: dict[str, Any]) -> str:
    """A key is text, as it is in JSON. Velero refuses one that is written twice; which of them counts is a guess."""
    name = str(event.value)
    if name == "<<" and event.implicit[0]:
        raise BadDocument("it has a merge key (<<): write the values out")
    if name in made:
        raise BadDocument(f"it has the key {name[:80]!r} twice")
    return name


_RESOLVER: Any = Resolver()
_CONSTRUCTOR = SafeConstructor()


def _value(text: str) -> Any:
    kind = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False)).removeprefix(_TAG)
    if kind not in _SCALARS:
        return text
    if len(text) > _LONGEST_NUMBER:
        raise BadDocument(f"it has a number of {len(text)} digits")
    node = yaml.ScalarNode(_TAG + kind, text)
    make = {
        "null": _CONSTRUCTOR.construct_yaml_null,
        "bool": _CONSTRUCTOR.construct_yaml_bool,
        "int": _CONSTRUCTOR.construct_yaml_int,
        "float": _CONSTRUCTOR.construct_yaml_float,
    }[kind]
    return make(node)


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise BadDocument("it has characters that are not Unicode text") from error


def _check_size(size: int, bounds: DocumentBounds) -> None:
    if size > bounds.size:
        raise BadDocument(f"it is {size} bytes long; at most {bounds.size} are read")


def _tagged(tag: str | None) -> BadDocument:
    return BadDocument(f"it has a tag ({(tag or '!')[:80]}): tags are not read")


def _too_many(bounds: DocumentBounds) -> BadDocument:
    return BadDocument(f"it has more than {bounds.values} values")


def _first_line(error: yaml.YAMLError) -> str:
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    where = f" in line {mark.line + 1}" if mark is not None else ""
    return f"{problem or str(error).splitlines()[0]}{where}"
