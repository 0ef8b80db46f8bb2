"""Builds what planning and messages take from settings and observed objects: plan contexts, routes, cached lists."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.configuration.cluster_settings import bot_namespace
from bot.configuration.settings import Settings
from commands.planning.context import Application, ClusterView, PlanContext
from commands.planning.facts import ObjectNeed
from domain.actor import Actor, is_slack_user_id
from domain.errors import IdentityUnknown, NotAccepted, Refused
from domain.json_types import Json
from domain.reach import Reach
from notifier import route
from operations.request import CommandRequest
from policy.rules import Rule
from policy.visible import View, may_have_file, view_for, view_of_channel
from store.tables.observed import Observed
from tracking.follower import ClusterMemory
from tracking.run_index import UsualDurations
from tracking.watchdog import Limits
from velero.cluster import Cluster
from velero.features import Features

IDENTITY_RETRY_S = 10.0
MAX_INLINE_ROWS = 1_000
"""More rows than this are made into objects in a thread, so that the event loop isn't blocked."""
SUMMARY_PERIOD = timedelta(hours=25)
"""An hour more than the day that summaries count: they look at the time again."""


class ContextFactory:
    """`settings` is called for each use: settings change while the process runs."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        clusters: Mapping[str, Cluster],
        known: Mapping[str, ClusterMemory],
        now: Callable[[], datetime],
        rules: Callable[[], tuple[Rule, ...]],
        actor: Callable[[str], Awaitable[Actor]],
    ) -> None:
        self._settings = settings
        self._clusters = clusters
        self._known = known
        self._now = now
        self._rules = rules
        self._actor = actor

    def plan_context(self, request: CommandRequest, cluster: str, operation: str) -> PlanContext:
        settings = self._settings()
        views = {one.name: self.cluster(one.name) for one in settings.clusters}
        return PlanContext(
            now=self._now(),
            new_id=lambda: secrets.token_hex(5),
            cluster=views.get(cluster, ClusterView(cluster)),
            clusters=views,
            channel_cluster=request.channel_cluster,
            actor=request.actor,
            origin=request.origin,
            operation=operation,
            timezone=request.actor.timezone or settings.timezone,
            applications=tuple(
                Application(app.name, app.namespaces, app.selector, app.template, app.cluster)
                for app in settings.applications
            ),
            platform_namespaces=settings.platform_namespaces,
            presets={"production": settings.scopes.production, "non-production": settings.scopes.non_production},
            skip_margin=settings.schedules.skip_margin,
            usual=UsualDurations(self._known[cluster].runs("Backup")) if cluster in self._known else {},
            safety_backup=settings.approvals.safety_backup,
            powerful_kinds=settings.approvals.powerful_kinds,
            rules=self._rules(),
        )

    def cluster(self, name: str) -> ClusterView:
        one = self._settings().cluster(name)
        assert one is not None
        features = self._clusters[name].features if name in self._clusters else Features()
        version = one.server_version or features.velero
        return ClusterView(
            name, one.velero_namespace, one.velero_timezone, version, features.kubernetes, bot_namespace(one)
        )

    def limits(self) -> Limits:
        schedules = self._settings().schedules
        return Limits(grace=schedules.grace, stale_after=schedules.stale_after)

    def routing_table(self) -> route.RoutingTable:
        settings = self._settings()
        routes = tuple(
            route.Route(
                name=each.name,
                kind=each.kind,
                addresses=each.channels if each.kind == "slack" else (each.name,),
                clusters=each.match.clusters,
                namespaces=each.match.namespaces,
                schedules=each.match.schedules,
                labels=tuple(each.match.labels.items()),
                events=each.match.events,
                severities=each.match.severities,
                mention=each.mention,
                routine=each.routine,
            )
            for each in settings.routes
        )
        return route.RoutingTable(routes, settings.approvals.channel)

    def scope(self, channel: str) -> tuple[str, ...]:
        bound = self._settings().channel(channel)
        return bound.namespaces if bound is not None else ()

    def covers(self, channel: str, namespaces: frozenset[str]) -> bool:
        """Return whether a channel's scope covers these namespaces. A channel without settings covers none."""
        bound = self._settings().channel(channel)
        if bound is None:
            return False
        return may_have_file(view_of_channel(bound.namespaces), Reach(namespaces, cluster_scoped="*" in namespaces))

    async def receiver_view(self, receiver: str, cluster: str, noun: str) -> View:
        """Return what a receiver may see: a channel by its scope, a person by their rules. A channel without settings may
        see everything: only the operator's routes and its own members send notifications there.

        Raises NotAccepted if Slack doesn't report who a person is.
        """
        if not is_slack_user_id(receiver):
            bound = self._settings().channel(receiver)
            return view_of_channel(bound.namespaces if bound is not None else ("*",))
        try:
            actor = await self._actor(receiver)
        except IdentityUnknown as error:
            raise NotAccepted(error.text, code="identity-unknown", retry_after=IDENTITY_RETRY_S) from error
        except Refused:
            return View()
        return view_for(self._rules(), actor, cluster, f"{noun}.get")

    async def cached(self, cluster: str, need: ObjectNeed) -> list[Json] | None:
        """Return the backups in memory with the fields that lists need; None while the watch isn't in sync."""
        known = self._known.get(cluster)
        if known is None or need.resource != "backups" or "Backup" not in known.in_step:
            return None
        if not self._clusters[cluster].board.get("Backup").ok:
            return None
        if need.summary:
            rows = known.runs("Backup").summary(self._summary_start())
        else:
            rows = list(known.of("Backup").values())
        return await asyncio.to_thread(_objects, rows) if len(rows) > MAX_INLINE_ROWS else _objects(rows)

    def _summary_start(self) -> str:
        """In the form of Kubernetes, so that texts compare like times."""
        return (self._now() - SUMMARY_PERIOD).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")

    def observed_facts(self, cluster: str, kind: str, uid: str) -> Mapping[str, Any]:
        known = self._known.get(cluster)
        one = known.of(kind).get(uid) if known else None
        return one.facts if one else {}


def _objects(rows: list[Observed]) -> list[Json]:
    return [as_object(one.name, one.uid, one.phase, one.facts) for one in rows]


def as_object(name: str, uid: str, phase: str, facts: Mapping[str, Any]) -> Json:
    """Return what tracking remembers of a backup in the form of the object."""
    annotations = {"velero-chatops.io/requested-by": facts["by"]} if facts.get("by") else {}
    status = {
        "phase": phase,
        "startTimestamp": facts.get("started"),
        "completionTimestamp": facts.get("completed"),
        "expiration": facts.get("expires"),
        "errors": facts.get("errors", 0),
        "warnings": facts.get("warnings", 0),
        "progress": {"itemsBackedUp": facts.get("done", 0), "totalItems": facts.get("total", 0)},
        "queuePosition": facts.get("queue", 0),
    }
    return {
        "apiVersion": "velero.io/v1",
        "kind": "Backup",
        "metadata": {
            "name": name,
            "uid": uid,
            "creationTimestamp": facts.get("created"),
            "labels": facts.get("labels") or {},
            "annotations": annotations,
        },
        "spec": {"includedNamespaces": facts.get("namespaces") or [], "storageLocation": facts.get("location", "")},
        "status": {key: value for key, value in status.items() if value is not None},
    }
