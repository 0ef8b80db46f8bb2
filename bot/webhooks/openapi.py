"""The OpenAPI document, generated from the models that validate."""

from __future__ import annotations

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from bot.webhooks.bodies import Accepted, CommandBody, GateBody, OperationStatus, Problem
from domain.json_types import Json

_REF = "#/components/schemas/"
_HEADERS = (
    ("webhook-id", "Chosen by the sender. A repeated id returns the same operation"),
    ("webhook-timestamp", "Unix time in seconds; may differ from the server's clock by at most five minutes"),
    (
        "webhook-signature",
        "v1,<base64 of HMAC-SHA256 over id.timestamp.body>; several signatures are separated by spaces",
    ),
)
_MODELS: tuple[type[BaseModel], ...] = (CommandBody, GateBody, Accepted, OperationStatus, Problem)


def openapi() -> Json:
    _, schemas = models_json_schema([(model, "validation") for model in _MODELS], ref_template=_REF + "{model}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "velero-chatops webhooks",
            "version": "1",
            "description": "Signed commands and deploy gates. The same rules and the same audit log apply as in Slack.",
        },
        "paths": {
            "/hooks/v1/commands": {"post": _commands()},
            "/hooks/v1/gate": {"post": _gate()},
            "/hooks/v1/operations/{operation}": {"get": _operation()},
        },
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _commands() -> Json:
    return {
        "operationId": "command",
        "summary": "Run a command",
        "parameters": _signed(),
        "requestBody": _body(CommandBody),
        "responses": {
            "202": _answer("Accepted. The command runs, waits for approval or is refused", Accepted),
            **_errors(),
        },
    }


def _gate() -> Json:
    return {
        "operationId": "gate",
        "summary": "Check whether namespaces are protected; optionally create a backup",
        "parameters": _signed(),
        "requestBody": _body(GateBody),
        "responses": {
            "200": _answer("Verdict", Accepted),
            "202": _answer("A backup is being created; the verdict follows", Accepted),
            **_errors(),
            "502": _answer("The cluster doesn't respond", Problem, "application/problem+json"),
        },
    }


def _operation() -> Json:
    wait = {"type": "integer", "minimum": 0, "maximum": 60, "default": 0}
    return {
        "operationId": "operation",
        "summary": "Get an operation",
        "security": [{"token": []}],
        "parameters": [
            {"name": "operation", "in": "path", "required": True, "schema": {"type": "string"}},
            {
                "name": "wait",
                "in": "query",
                "description": "Seconds to wait for the operation to finish",
                "schema": wait,
            },
        ],
        "responses": {
            "200": _answer("Operation status", OperationStatus),
            "401": {"description": "Bearer token missing or invalid"},
            "404": _answer("Operation not found, or it belongs to another sender", Problem, "application/problem+json"),
            "429": _too_many(),
        },
    }


def _signed() -> list[Json]:
    return [
        {"name": name, "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
        for name, text in _HEADERS
    ]


def _body(model: type[BaseModel]) -> Json:
    return {"required": True, "content": {"application/json": {"schema": {"$ref": _REF + model.__name__}}}}


def _answer(text: str, model: type[BaseModel], media: str = "application/json") -> Json:
    return {"description": text, "content": {media: {"schema": {"$ref": _REF + model.__name__}}}}


def _errors() -> Json:
    media = "application/problem+json"
    return {
        "401": {"description": "Signature missing or invalid; the response has no details"},
        "403": _answer("Not permitted", Problem, media),
        "408": {"description": "The request body didn't arrive in time"},
        "409": _answer("This webhook-id was already used with a different body", Problem, media),
        "413": {"description": "The request body is larger than 64 KiB"},
        "415": _answer("Content-Type must be application/json", Problem, media),
        "422": _answer("The request body or the command line is invalid", Problem, media),
        "429": _too_many(),
        "503": _answer("Too busy; nothing was done", Problem, media),
    }


def _too_many() -> Json:
    return {
        **_answer("This sender exceeded its rate limit", Problem, "application/problem+json"),
        "headers": {"Retry-After": {"schema": {"type": "integer"}}},
    }
