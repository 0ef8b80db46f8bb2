"""Reads untrusted YAML and JSON: checks the bounds of a document before it builds values from it.

A short text can stand for gigabytes (aliases), a stack overflow (nesting) or a very long computation (a number of a
hundred thousand digits). The reader accepts only JSON's values, without anchors, aliases, tags, merge keys, dates and
repeated keys, and limits bytes, depth and the number of values. It raises nothing but BadDocument. All untrusted YAML and
JSON must be read here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from json.scanner import py_make_scanner  # type: ignore[attr-defined]
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
"""Text from a flag or a form. It is read on the event loop: 5,000 values of YAML take 20 to 40 ms."""
CONFIG_MAP_BOUNDS = DocumentBounds(size=1 << 20, values=5_000)
MESSAGE_BOUNDS = DocumentBounds(size=1 << 20, values=50_000)
"""The body of a request, a line of a log, a frame of Slack's socket."""
MANIFEST_BOUNDS = DocumentBounds(size=8 << 20)
ARTIFACT_BOUNDS = DocumentBounds(size=32 << 20, values=500_000)
"""A file that Velero stores with a backup or restore: half a million objects take about 60 MB."""

_SCALAR_TYPES = frozenset({"null", "bool", "int", "float"})
_INTERRUPTIBLE_BYTES = 1 << 20
"""Larger JSON is read in a thread, and in steps between which other threads run."""
_TAG = "tag:yaml.org,2002:"
_MAX_NUMBER_LENGTH = 64
# Possessive, and an unterminated string extends to the end: the pattern never tries a start twice.
_JSON_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_DIRECTIVE = re.compile(r"^\ufeff?%", re.MULTILINE)
_NON_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class BadDocument(ValueError):
    """The document is refused. The message gives the reason as a clause: "it …"."""


def read_json(text: str | bytes | bytearray, bounds: DocumentBounds) -> Any:
    """Return the JSON values of the text. Raises BadDocument."""
    body = _encoded(text) if isinstance(text, str) else bytes(text)
    check_json(body, bounds)
    try:
        read = json.loads if len(body) <= _INTERRUPTIBLE_BYTES else _interruptible_decoder().decode
        return read(body.decode("utf-8-sig"))
    except ValueError as error:
        raise BadDocument("it isn't valid JSON") from error


def _interruptible_decoder() -> json.JSONDecoder:
    """Return the slower decoder in Python: the one in C lets no other thread run before it has read the whole text."""
    decoder = json.JSONDecoder()
    decoder.scan_once = py_make_scanner(decoder)  # type: ignore[attr-defined]
    return decoder


def check_json(body: bytes, bounds: DocumentBounds) -> None:
    """Check the bounds of a JSON text without parsing it. Raises BadDocument."""
    _check_size(len(body), bounds)
    opened = body.count(b"{") + body.count(b"[")
    if opened <= bounds.depth and opened + body.count(b",") < bounds.values:
        return
    unquoted = _without_strings(body)
    if unquoted.count(b"{") + unquoted.count(b"[") + unquoted.count(b",") >= bounds.values:
        raise _too_many_values(bounds)
    brackets = unquoted.translate(None, _NON_BRACKETS)
    for _ in range(bounds.depth):
        if not brackets:
            return
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
    if brackets:
        raise BadDocument(f"it is nested deeper than {bounds.depth} levels, or its brackets don't match")


def _without_strings(body: bytes) -> bytes:
    """Remove the strings; in a loop where the text is large, as one call for all would let no other thread run."""
    if len(body) <= _INTERRUPTIBLE_BYTES:
        return _JSON_STRING.sub(b"", body)
    kept, at = bytearray(), 0
    for found in _JSON_STRING.finditer(body):
        kept += body[at : found.start()]
        at = found.end()
    return bytes(kept + body[at:])


def read_yaml(text: str, bounds: DocumentBounds) -> Any:
    """Return one YAML document as JSON values; None for an empty text. Raises BadDocument."""
    _check_size(len(_encoded(text)), bounds)
    if _DIRECTIVE.search(text):
        raise BadDocument("it has a directive (a line that begins with %)")
    builder = _Builder(bounds)
    try:
        for event in _events(text):
            builder.handle(event)
    except yaml.YAMLError as error:
        raise BadDocument(f"it isn't valid YAML: {_first_line(error)}") from error
    except (ValueError, OverflowError) as error:
        raise error if isinstance(error, BadDocument) else BadDocument("it isn't valid YAML") from error
    return builder.root


def _events(text: str) -> Iterator[yaml.Event]:
    """Parse with libyaml where PyYAML was built with it: the same events, ten times faster."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    events: Iterator[yaml.Event] = yaml.parse(text, Loader=loader)
    return events


@dataclass(slots=True)
class _OpenContainer:
    """A list or mapping that isn't closed yet; `key` is the one whose value comes next."""

    values: list[Any] | dict[str, Any]
    key: str | None = None


@dataclass(slots=True)
class _Builder:
    """Builds values from parser events without recursion, and stops at the first bound that is exceeded."""

    bounds: DocumentBounds
    root: Any = None
    open: list[_OpenContainer] = field(default_factory=list)
    values: int = 0
    documents: int = 0

    def handle(self, event: yaml.Event) -> None:
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

    def _begin(self, values: list[Any] | dict[str, Any], event: yaml.CollectionStartEvent) -> None:
        if not event.implicit:
            raise _tag_error(event.tag)
        self._put(values)
        self.open.append(_OpenContainer(values))
        if len(self.open) > self.bounds.depth:
            raise BadDocument(f"it is nested deeper than {self.bounds.depth} levels")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        plain, quoted = event.implicit
        if not plain and not quoted:
            raise _tag_error(event.tag)
        container = self.open[-1] if self.open else None
        if container is not None and isinstance(container.values, dict) and container.key is None:
            container.key = _key(event, container.values)
            return
        self._put(_value(event.value) if plain else event.value)

    def _put(self, value: Any) -> None:
        self.values += 1
        if self.values > self.bounds.values:
            raise _too_many_values(self.bounds)
        container = self.open[-1] if self.open else None
        if container is None:
            self.root = value
        elif isinstance(container.values, list):
            container.values.append(value)
        elif container.key is None:
            raise BadDocument("it has a list or a mapping as a key")
        else:
            container.values[container.key] = value
            container.key = None


def _key(event: yaml.ScalarEvent, mapping: dict[str, Any]) -> str:
    """Return a key as text, as in JSON. A repeated key is refused: parsers differ on which value counts."""
    name = str(event.value)
    if name == "<<" and event.implicit[0]:
        raise BadDocument("it has a merge key (<<): write the values out")
    if name in mapping:
        raise BadDocument(f"it has the key {name[:80]!r} twice")
    return name


_RESOLVER: Any = Resolver()
_CONSTRUCTOR = SafeConstructor()


def _value(text: str) -> Any:
    kind = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False)).removeprefix(_TAG)
    if kind not in _SCALAR_TYPES:
        return text
    if len(text) > _MAX_NUMBER_LENGTH:
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
        raise BadDocument("it has characters that aren't valid Unicode") from error


def _check_size(size: int, bounds: DocumentBounds) -> None:
    if size > bounds.size:
        raise BadDocument(f"it has {size} bytes; the limit is {bounds.size}")


def _tag_error(tag: str | None) -> BadDocument:
    return BadDocument(f"it has a tag ({(tag or '!')[:80]}): tags aren't allowed")


def _too_many_values(bounds: DocumentBounds) -> BadDocument:
    return BadDocument(f"it has more than {bounds.values} values")


def _first_line(error: yaml.YAMLError) -> str:
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    position = f" in line {mark.line + 1}" if mark is not None else ""
    return f"{problem or str(error).splitlines()[0]}{position}"
