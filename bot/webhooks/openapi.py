"""The OpenAPI document, made of the models that validate."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from bot.webhooks.bodies import Accepted, CommandBody, GateBody, OperationStatus, Problem

Json = dict[str, Any]

_REF = "#/components/schemas/"
_HEADERS = (
    ("webhook-id", "Chosen by the sender; the same id is the same operation for ever"),
    ("webhook-timestamp", "Seconds since the epoch, at most five minutes off"),
    ("webhook-signature", "v1,<base64 of HMAC-SHA256 over id.timestamp.body>, several divided by blanks"),
)
_MODELS: tuple[type[BaseModel], ...] = (CommandBody, GateBody, Accepted, OperationStatus, Problem)


def openapi() -> Json:
    _, made = models_json_schema([(model, "validation") for model in _MODELS], ref_template=_REF + "{model}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "velero-chatops webhooks",
            "version": "1",
            "description": "Signed commands and deploy gates, under the same rules and in the same record as chat.",
        },
        "paths": {
            "/hooks/v1/commands": {"post": _commands()},
            "/hooks/v1/gate": {"post": _gate()},
            "/hooks/v1/operations/{operation}": {"get": _operation()},
        },
        "components": {
            "schemas": made["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _commands() -> Json:
    return {
        "operationId": "command",
        "summary": "Give a command",
        "parameters": _signed(),
        "requestBody": _body(CommandBody),
        "responses": {"202": _answer("Committed; it runs, waits for approval or is refused", Accepted), **_errors()},
    }


def _gate() -> Json:
    return {
        "operationId": "gate",
        "summary": "Ask whether namespaces are protected, and take a backup if not",
        "parameters": _signed(),
        "requestBody": _body(GateBody),
        "responses": {
            "200": _answer("The verdict", Accepted),
            "202": _answer("A backup is taken; the verdict follows", Accepted),
            **_errors(),
            "502": _answer("The cluster does not answer", Problem, "application/problem+json"),
        },
    }


def _operation() -> Json:
    wait = {"type": "integer", "minimum": 0, "maximum": 60, "default": 0}
    return {
        "operationId": "operation",
        "summary": "What became of it",
        "security": [{"token": []}],
        "parameters": [
            {"name": "operation", "in": "path", "required": True, "schema": {"type": "string"}},
            {"name": "wait", "in": "query", "description": "Seconds to wait for the end", "schema": wait},
        ],
        "responses": {
            "200": _answer("How it stands", OperationStatus),
            "401": {"description": "No token, or a wrong one"},
            "404": _answer("Not there, or another sender's", Problem, "application/problem+json"),
            "429": _too_many(),
        },
    }


def _signed() -> list[Json]:
    return [
        {"name": name, "in": "header", "required": True, "description": words, "schema": {"type": "string"}}
        for name, words in _HEADERS
    ]


def _body(model: type[BaseModel]) -> Json:
    return {"required": True, "content": {"application/json": {"schema": {"$ref": _REF + model.__name__}}}}


def _answer(words: str, model: type[BaseModel], media: str = "application/json") -> Json:
    return {"description": words, "content": {media: {"schema": {"$ref": _REF + model.__name__}}}}


def _errors() -> Json:
    media = "application/problem+json"
    return {
        "401": {"description": "Not signed as it should be; nothing is said"},
        "403": _answer("Refused", Problem, media),
        "408": {"description": "The body did not come in time"},
        "409": _answer("This id was used with another body", Problem, media),
        "413": {"description": "Longer than 64 KiB"},
        "415": _answer("Not application/json", Problem, media),
        "422": _answer("The body or the command line is wrong", Problem, media),
        "429": _too_many(),
        "503": _answer("Busy; nothing was done", Problem, media),
    }


def _too_many() -> Json:
    return {
        **_answer("Too many calls of this sender", Problem, "application/problem+json"),
        "headers": {"Retry-After": {"schema": {"type": "integer"}}},
    }
