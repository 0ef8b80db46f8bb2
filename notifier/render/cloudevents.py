"""Events as CloudEvents 1.0 in JSON, and the schema of each. A field may be added within a version, never taken away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from domain.event import Event
from domain.json_types import Json

PREFIX = "io.velero-chatops"
VERSION = "v1"
MAX_EVENT_BYTES = 18_000
"""Receivers of Standard Webhooks may refuse 20 kB."""
MAX_LIST_ITEMS = 50
MAX_TEXT_LENGTH = 1000

_TEXT, _NUMBER, _WHOLE = {"type": "string"}, {"type": "number"}, {"type": "integer"}
_TIME: Json = {"type": "string", "description": "RFC 3339; empty if unknown"}
_TEXTS: Json = {"type": "array", "items": {"type": "string"}}
_YES_OR_NO: Json = {"type": "boolean"}
_WORDS: Json = {"type": "object", "additionalProperties": {"type": "string"}}

_RUN: Json = {
    "phase": _TEXT,
    "operation": _TEXT,
    "by": _TEXT,
    "created": _TIME,
    "started": _TIME,
    "completed": _TIME,
    "since": _TIME,
    "errors": _WHOLE,
    "warnings": _WHOLE,
    "done": _WHOLE,
    "total": _WHOLE,
    "namespaces": _TEXTS,
    "generation": _WHOLE,
    "failure_reason": _TEXT,
    "validation_errors": _TEXTS,
    "was": _TEXT,
    "message": _TEXT,
}
_BACKUP: Json = {
    **_RUN,
    "schedule": _TEXT,
    "location": _TEXT,
    "expires": _TIME,
    "queue": _WHOLE,
    "labels": _WORDS,
    "last_good": {"type": "object", "properties": {"name": _TEXT, "at": _TIME}},
    "none_good": _YES_OR_NO,
    "recovered": _YES_OR_NO,
    "usual": _NUMBER,
    "last_items": _WHOLE,
}
_RESTORE: Json = {**_RUN, "backup": _TEXT, "mapping": _WORDS}
_DELETION: Json = {"backup": _TEXT, "backup_uid": _TEXT, "errors": _TEXTS}
_LOCATION: Json = {"message": _TEXT, "since": _TIME, "was_since": _TIME, "schedules": _TEXTS}
_CONDITION: Json = {"message": _TEXT, "since": _TIME}
_VANISHED: Json = {"fate": _TEXT, "vanished": _TIME, "message": _TEXT}
_SCHEDULE: Json = {
    "schedule": _TEXT,
    "cron": _TEXT,
    "expected": _TIME,
    "verb": _TEXT,
    "summary": _TEXT,
    "by": _TEXT,
    "changes": _TEXTS,
    "next_run": _TIME,
}
_RECEIVER: Json = {"receiver": _TEXT, "status": _WHOLE, "message": _TEXT}

ENDS = ("completed", "partially-failed", "failed", "failed-validation")
STALLS = ("stuck-in-queue", "stuck-in-finalizing", "slow")

FACTS: Mapping[str, Json] = {
    **{f"backup.{end}": _BACKUP for end in (*ENDS, *STALLS)},
    **{f"backup.{end}": {**_BACKUP, **_VANISHED} for end in ("deleted", "gone", "data-gone")},
    "backup.returned": {**_BACKUP, "message": _TEXT, "was": _TEXT},
    "backup.deletion-failed": _DELETION,
    **{f"restore.{end}": _RESTORE for end in (*ENDS, *STALLS, "removed", "outside")},
    "location.unavailable": _LOCATION,
    "location.available": _LOCATION,
    "location.removed": {"since": _TIME},
    **{f"velero.{what}": _CONDITION for what in ("silent", "back")},
    **{f"cluster.{what}": _CONDITION for what in ("unreachable", "reachable", "access-lost", "access-back")},
    "schedule.missed": _SCHEDULE,
    "schedule.recovered": _SCHEDULE,
    "schedule.changed": _SCHEDULE,
    "schedule.unseen": _SCHEDULE,
    "schedule.seen": _SCHEDULE,
    "operation.answered": {"result": {"type": "object"}},
    "receiver.disabled": _RECEIVER,
    "receiver.tested": _RECEIVER,
}
"""The facts of each kind of event. Other kinds use the general schema."""

GENERAL = "event"


def envelope(ident: str, event: Event) -> Json:
    """`ident` is the notice's: the same however often it is sent."""
    made = {
        "specversion": "1.0",
        "id": ident,
        "source": f"//{event.cluster_uid or event.cluster}/velero" if event.cluster else "/velero-chatops",
        "type": f"{PREFIX}.{event.kind}.{VERSION}",
        "subject": f"{event.object_kind.lower()}/{event.object_name}",
        "time": event.at.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "dataschema": urn(event.kind),
        "data": _data(event),
    }
    return made if len(encoded(made)) <= MAX_EVENT_BYTES else {**made, "data": _shortened(made["data"])}


def encoded(made: Any) -> bytes:
    return json.dumps(made, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def urn(kind: str) -> str:
    return f"urn:velero-chatops:event:{kind if kind in FACTS else GENERAL}:{VERSION}"


def _data(event: Event) -> Json:
    return {
        "event": event.kind,
        "severity": event.severity.value,
        "cluster": {"name": event.cluster, "uid": event.cluster_uid},
        "object": {"kind": event.object_kind, "name": event.object_name, "uid": event.object_uid},
        "operation": event.operation,
        "transition": event.transition,
        "facts": dict(event.facts),
        "truncated": False,
    }


def _shortened(data: Any) -> Json:
    """Lists and texts cut; if that is not enough, the simple values alone."""
    short: Json = {**data, "facts": {name: _cut(value) for name, value in data["facts"].items()}, "truncated": True}
    if len(encoded(short)) <= MAX_EVENT_BYTES:
        return short
    simple = {name: value for name, value in short["facts"].items() if isinstance(value, (int, float, str))}
    return {**short, "facts": dict(list(simple.items())[:10])}


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return value[:MAX_TEXT_LENGTH]
    if isinstance(value, list):
        return [_cut(each) for each in value[:MAX_LIST_ITEMS]]
    if isinstance(value, Mapping):
        return {name: _cut(inner) for name, inner in list(value.items())[:MAX_LIST_ITEMS]}
    return value


def schemas() -> dict[str, Json]:
    """By name: one for each kind that has its own, and the general one."""
    return {kind: schema(kind) for kind in (*sorted(FACTS), GENERAL)}


def schema(kind: str) -> Json:
    known = kind in FACTS
    facts: Json = {"type": "object", "properties": FACTS[kind] if known else {}, "additionalProperties": True}
    names = {"name": _TEXT, "uid": _TEXT}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": urn(kind),
        "title": f"{PREFIX}.{kind}.{VERSION}" if known else f"{PREFIX}.*.{VERSION}",
        "description": "Data of a CloudEvent. New fields may be added; ignore fields you don't know.",
        "type": "object",
        "properties": {
            "event": {"const": kind} if known else _TEXT,
            "severity": {"enum": ["info", "warning", "failure", "security", "recovery"]},
            "cluster": {"type": "object", "properties": names, "required": ["name", "uid"]},
            "object": {
                "type": "object",
                "properties": {"kind": _TEXT, **names},
                "required": ["kind", "name", "uid"],
            },
            "operation": {**_TEXT, "description": "Operation ID of the bot; empty if something else started it"},
            "transition": _TEXT,
            "facts": facts,
            "truncated": {**_YES_OR_NO, "description": "Long facts were shortened to limit the size of the body"},
        },
        "required": ["event", "severity", "cluster", "object", "operation", "transition", "facts", "truncated"],
    }
