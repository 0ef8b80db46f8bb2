"""Decides who gets an event and as which message. Pure: event × routes → destinations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from domain.actor import is_slack_user_id
from domain.event import Event, Severity
from domain.wildcards import matches_wildcard
from notifier.alert_names import concerns_alert, troubles_ended_by
from notifier.audience import reach_of
from store.tables.subscriptions import Subscription


class Role(StrEnum):
    """card: status message; reply: in its thread; news: notification; approval: approval request."""

    CARD = "card"
    REPLY = "reply"
    NEWS = "news"
    APPROVAL = "approval"


@dataclass(frozen=True, slots=True)
class Route:
    """A route of the settings. `kind`: slack, webhook or alertmanager; the address of a webhook is its name."""

    name: str
    kind: str
    addresses: tuple[str, ...]
    clusters: tuple[str, ...] = ("*",)
    namespaces: tuple[str, ...] = ("*",)
    schedules: tuple[str, ...] = ("*",)
    labels: tuple[tuple[str, str], ...] = ()
    events: tuple[str, ...] = ("*",)
    severities: tuple[str, ...] = ()
    mention: tuple[str, ...] = ()
    routine: bool = False


@dataclass(frozen=True, slots=True)
class Destination:
    kind: str
    address: str
    role: Role
    priority: int
    mention: tuple[str, ...] = ()
    route: str = ""
    viewer: str = ""
    """The owner of the subscription: the message shows only what this person may see."""

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.address}:{self.role.value}"


PRIORITY = {"approval": 0, "end": 10, "new": 20, "routine": 30}
_DOUBTS = ("unconfirmed", "unresolved", "lost")
_ENDS = (
    *("completed", "partially-failed", "failed", "failed-validation"),
    *("deleted", "deletion-failed", "returned"),
)
ALERTING_SEVERITIES = frozenset({Severity.FAILURE, Severity.SECURITY, Severity.WARNING})


@dataclass(frozen=True, slots=True)
class RoutingTable:
    routes: tuple[Route, ...] = ()
    approvals_channel: str = ""


def destinations(
    event: Event, wiring: RoutingTable, subscribed: Sequence[Subscription] = ()
) -> tuple[Destination, ...]:
    """Distinct destinations in order of importance."""
    if event.kind == "operation.started":
        return _own(event, Role.CARD, PRIORITY["new"])
    if event.kind == "audit.anchored":
        return _own(event, Role.NEWS, PRIORITY["routine"])
    if event.kind in {"approval.requested", "approval.reminded"}:
        channel = str(
            event.facts.get("approvals_channel") or wiring.approvals_channel or event.facts.get("channel", "")
        )
        if event.kind == "approval.requested":
            return (Destination("slack", channel, Role.APPROVAL, PRIORITY["approval"]),) if channel else ()
        return _reminder(event, channel)
    found = [*_in_thread(event)]
    found += [each for route in wiring.routes if route_matches(route, event) for each in _by_route(route, event)]
    found += _subscribers(event, subscribed)
    unique: dict[str, Destination] = {}
    for each in found:
        unique.setdefault(each.key, each)
    return tuple(unique.values())


def _reminder(event: Event, channel: str) -> tuple[Destination, ...]:
    """The approvers' channel and the channels of the rule, with the people that the rule mentions."""
    mention = tuple(str(each) for each in event.facts.get("mention") or ())
    where = [each for each in (channel, *map(str, event.facts.get("channels") or ())) if each]
    return tuple(Destination("slack", each, Role.NEWS, PRIORITY["approval"], mention) for each in dict.fromkeys(where))


def _own(event: Event, role: Role, priority: int) -> tuple[Destination, ...]:
    user = str(event.facts.get("user") or "")
    channel = str(event.facts.get("channel") or (user if is_slack_user_id(user) else ""))
    return (Destination("slack", channel, role, priority),) if channel else ()


def _in_thread(event: Event) -> tuple[Destination, ...]:
    """Slack sends no notification for an edit, so ends and doubts are also posted in the thread."""
    if event.operation and event.kind.partition(".")[2] in (*_ENDS, *_DOUBTS):
        return (Destination("slack", f"op:{event.operation}", Role.REPLY, PRIORITY["end"]),)
    if event.operation and event.kind.startswith("approval."):
        return (Destination("slack", f"op:{event.operation}", Role.REPLY, PRIORITY["end"]),)
    return ()


def _by_route(route: Route, event: Event) -> tuple[Destination, ...]:
    mention = route.mention if event.severity in ALERTING_SEVERITIES else ()
    priority = PRIORITY["end"] if event.severity in ALERTING_SEVERITIES else PRIORITY["routine"]
    return tuple(
        Destination(route.kind, address, Role.NEWS, priority, mention, route.name) for address in route.addresses
    )


def _subscribers(event: Event, subscribed: Sequence[Subscription]) -> list[Destination]:
    wanted = [each for each in subscribed if each.outcome == "all" or event.severity in ALERTING_SEVERITIES]
    return [Destination("slack", each.receiver, Role.NEWS, PRIORITY["new"], viewer=each.created_by) for each in wanted]


def route_matches(route: Route, event: Event) -> bool:
    if event.kind.startswith(("operation.", "approval.")) and route.kind == "slack":
        return False
    alert = route.kind == "alertmanager" and concerns_alert(event.kind)
    if is_routine(event) and not (route.routine or alert):
        return False
    if route.severities and event.severity.value not in route.severities and not alert:
        return False
    labels: Any = event.facts.get("labels") or {}
    return (
        _any(route.clusters, event.cluster)
        and any(_any(route.events, kind) for kind in (event.kind, *(troubles_ended_by(event.kind) if alert else ())))
        and _any(route.schedules, _schedule(event))
        and (route.namespaces == ("*",) or _reaches(event, route.namespaces))
        and all(labels.get(key) == value for key, value in route.labels)
    )


ROUTINE_KINDS = frozenset({"backup.completed", "backup.deleted", "backup.gone", "restore.removed"})


def is_routine(event: Event) -> bool:
    """Successes of schedules, and runs that the requester follows in a thread anyway."""
    quiet = event.severity is Severity.INFO and event.kind in ROUTINE_KINDS
    return quiet and bool(event.facts.get("schedule") or event.operation)


def _schedule(event: Event) -> str:
    named = str(event.facts.get("schedule", ""))
    return named or (event.object_name if event.object_kind.lower() == "schedule" else "")


def _reaches(event: Event, namespaces: Sequence[str]) -> bool:
    """An event with unknown reach goes only to routes for all namespaces; one that reaches all goes to every route."""
    reach = reach_of(event)
    return reach is not None and any(name == "*" or _any(namespaces, name) for name in reach.namespaces)


def _any(patterns: Sequence[str], name: str) -> bool:
    return any(matches_wildcard(pattern, name) for pattern in patterns)
