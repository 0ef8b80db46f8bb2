"""Bodies of webhook requests and responses. They validate, and the OpenAPI document is generated from them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from domain.duration import BadDuration, parse_positive, to_timedelta
from store.scrub import scrub

MAX_GATE_TIMEOUT = timedelta(hours=24)


def _check_url(value: str) -> str:
    try:
        split = urlsplit(value)
    except ValueError:
        raise ValueError("isn't a valid URL") from None
    if split.scheme not in {"http", "https"} or not split.hostname:
        raise ValueError("must be an http or https URL")
    if scrub(value) != value or split.username is not None:
        raise ValueError("must not contain credentials: URLs are stored. Callbacks are signed instead")
    return value


def _check_duration(value: str) -> str:
    try:
        parse_positive(value)
    except BadDuration as error:
        raise ValueError(str(error)) from None
    return value


Url = Annotated[str, Field(max_length=2000), AfterValidator(_check_url)]
Duration = Annotated[str, Field(max_length=40), AfterValidator(_check_duration)]
Name = Annotated[str, Field(min_length=1, max_length=253)]
Value = str | bool | int | tuple[str, ...] | dict[str, str]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Structured(_Body):
    """A command in structured form, without quoting: the same nouns, verbs and flags as in chat."""

    noun: Name
    verb: str = Field(default="", max_length=40)
    names: tuple[Name, ...] = Field(default=(), max_length=50)
    flags: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")], Value] = {}


class _Request(_Body):
    reason: str = Field(default="", max_length=500, description="Reason; stored in the audit log")
    callback: Url | None = Field(
        default=None, description="URL that receives the result, signed with the sender's secret"
    )
    link: Url | None = Field(default=None, description="URL of the pipeline run; linked in the status message")


class CommandBody(_Request):
    """Either a command line or its structured form."""

    line: str | None = Field(default=None, min_length=1, max_length=4000, examples=["backup create shop-1"])
    command: Structured | None = None
    cluster: str = Field(
        default="",
        max_length=63,
        description="Cluster name. Default: --cluster in the line, or the cluster of the sender's channel",
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> CommandBody:
        if (self.line is None) == (self.command is None):
            raise ValueError("set either line or command, not both")
        return self


class GateBody(_Request):
    """A deploy gate: passes if all of these namespaces have a recent Completed backup."""

    cluster: str = Field(default="", max_length=63)
    namespaces: tuple[Name, ...] = Field(default=(), max_length=50)
    app: str = Field(default="", max_length=100, description="Application from the settings; use instead of namespaces")
    max_age: Duration = Field(examples=["24h"])
    take_if_older: bool = Field(default=False, description="Create a backup if no backup is recent enough")
    timeout: Duration = Field(default="1h", description="Maximum time for the backup, including approval; at most 24h")
    require_volumes: bool = Field(
        default=False, description="Pass only if the backup contains the data of every volume"
    )
    ttl: Duration | None = Field(default=None, description="Retention of a backup created by the gate, for example 7d")

    @model_validator(mode="after")
    def _consistent(self) -> GateBody:
        if bool(self.namespaces) == bool(self.app):
            raise ValueError("set either namespaces or app, not both")
        if self.max_wait > MAX_GATE_TIMEOUT:
            raise ValueError("timeout must be at most 24h")
        return self

    @property
    def age(self) -> timedelta:
        return to_timedelta(parse_positive(self.max_age))

    @property
    def max_wait(self) -> timedelta:
        return to_timedelta(parse_positive(self.timeout))


class Problem(BaseModel):
    """A problem document (RFC 9457), with the same texts and nearest values as in chat."""

    type: str
    title: str
    status: int
    detail: str = ""
    nearest: tuple[str, ...] = ()
    fix: str = ""
    part: tuple[int, int] | None = Field(
        default=None, description="Start and end of the invalid part of the line, in characters"
    )
    faults: tuple[str, ...] = ()


class NamespaceEvidence(BaseModel):
    namespace: str
    reason: str
    backup: str
    uid: str
    started: str | None
    completed: str | None
    expires: str | None
    age_seconds: int | None
    volumes_without_data: tuple[str, ...]


class GateVerdict(BaseModel):
    passed: bool | None = Field(description="null while a backup created by the gate is still running")
    reason: str | None
    text: str
    evidence: tuple[NamespaceEvidence, ...] = ()


class Thing(BaseModel):
    kind: str
    name: str
    uid: str


class OperationStatus(BaseModel):
    """`state` is accepted, answered, or a state of an operation; `done` is true when the result is final."""

    operation: str
    status_url: str
    state: str
    done: bool
    cluster: str = ""
    line: str = ""
    phase: str = Field(default="", description="Phase as reported by Velero")
    object: Thing | None = None
    errors: int = 0
    warnings: int = 0
    reason: str = ""
    created_at: str | None = None
    changed_at: str | None = None
    evidence: dict[str, Any] = {}
    answer: dict[str, Any] | None = None
    problem: Problem | None = None
    gate: GateVerdict | None = None


class Accepted(BaseModel):
    operation: str
    status_url: str
    gate: GateVerdict | None = Field(default=None, description="For a gate: the verdict before a backup was created")
