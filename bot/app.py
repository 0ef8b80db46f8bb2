"""The composition root: everything is built here by hand, top to bottom in the order in which it starts."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from bot import retry_items
from bot.approval_wiring import build_approvals
from bot.clock import utc_now
from bot.cluster_loops import ClusterLoops
from bot.configuration.cluster_settings import cluster_settings
from bot.configuration.live_settings import LiveSettings
from bot.configuration.settings import Settings
from bot.context_factory import ContextFactory
from bot.control import Control
from bot.delivery_wiring import SlackDeliveryLoops
from bot.doctor import CheckResult, run_checks
from bot.health import SelfHealth
from bot.housekeeping import Housekeeping
from bot.http import HttpServer, Readiness
from bot.intake import Intake
from bot.readiness import build_readiness
from bot.record_queries import RecordQueries
from bot.refused_attempts import RefusedAttempts
from bot.slack.connection_status import ConnectionStatus
from bot.slack.forms import Forms
from bot.slack.home import HomeProcessor
from bot.slack.identity import Identity
from bot.slack.item_processor import SlackItemProcessor, not_done
from bot.slack.listeners import Listeners, build_bolt_app
from bot.slack.person_names import PersonDirectory
from bot.slack.socket import SocketMode
from bot.slack.votes import vote_clicks
from bot.supervise import Loop, Loops, run_contained
from bot.thread_subjects import ThreadSubjects
from bot.webhooks.intake import WEBHOOK_SOURCE
from bot.webhooks.wiring import Webhooks
from bot.worker import ItemProcessor, Worker
from commands.restore import schedule_hold
from domain.actor import Actor
from domain.answer import Answer
from domain.decision import Decision
from domain.event import Event
from domain.operation import Operation
from domain.plan import Plan
from notifier.answer_sender import AnswerSender
from notifier.deliver.rate_limit import RateLimiter
from notifier.deliver.slack_client import LimitedClient
from notifier.router import EventRouter
from operations.executor import Executor
from operations.hold_renewal import HoldRenewal
from operations.pipeline import ApprovalHooks, CommandPipeline, PipelineInputs
from operations.request import CommandRequest, Policy
from operations.step_runner import StepRunner
from operations.unconfirmed_writes import UnconfirmedWrites
from policy.rules import Rule
from store.audit_chain import checkpoint
from store.tables.inbox import Item
from store.transaction import Transaction
from store.writer import Store
from tracking.enrichment import enrich
from tracking.follower import ClusterMemory
from tracking.schedule_reconciler import ScheduleReconciler
from tracking.vanished_settlement import settle_operation
from tracking.watchdog_round import Watchdog
from velero.cluster import Cluster

log = logging.getLogger(__name__)

STOP_WITHIN = 4.0


class App:
    """`start()` until ready to take requests, `stop()` in the reverse order."""

    def __init__(self, settings: Settings, rules: tuple[Rule, ...], path: Path | None = None) -> None:
        self.standing = LiveSettings(settings, rules, path)
        self._bells: dict[str, Loop] = {}
        self.port = self.status_port = 0
        self.attempts = RefusedAttempts()

    @property
    def settings(self) -> Settings:
        """Those in force now."""
        return self.standing.settings

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self.standing.rules

    def reload(self) -> None:
        self.standing.reload()

    async def start(self) -> None:
        settings = self.settings
        self.store = await Store.open(settings.data_dir, utc_now(), reserve_bytes=settings.store.reserve_bytes)
        self._loops = Loops(utc_now)
        self.health = SelfHealth(self.store, self._loops, lambda: self.settings, utc_now)
        self._slack()
        self._clusters()
        self._deciding()
        self._telling()
        self._working()
        self._door()
        await self._listen()
        await self.control.start()
        self._follow()

    # what the others stand on

    def _slack(self) -> None:
        connector = aiohttp.TCPConnector(limit=64, keepalive_timeout=30)
        self.session = aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=15), trust_env=False
        )
        slack = self.settings.slack
        self.limiter = RateLimiter(utc_now, slack.posts_per_minute, slack.posts_per_channel)
        self.client = LimitedClient(
            self.limiter,
            token=slack.bot_token(),
            base_url=slack.api_url,
            session=self.session,
            retry_handlers=[],
            trust_env_in_session=False,
        )
        self.presence = ConnectionStatus(self.client)
        self.identity = Identity(
            self.client,
            lambda: self.settings.groups,
            self._teams,
            utc_now,
            external=slack.external_people,
        )

    async def _person(self, user: str) -> Actor:
        return await self.identity.actor(user, "")

    async def _teams(self) -> tuple[str, ...]:
        return self.settings.slack.teams or (await self.presence.home(),)

    def _clusters(self) -> None:
        self.clusters: dict[str, Cluster] = {}
        for one in self.settings.clusters:
            self.clusters[one.name] = Cluster(
                cluster_settings(one, self.settings.watching),
                now=utc_now,
                random=random.Random(),  # noqa: S311 - jitter
            )
        self.known: Mapping[str, ClusterMemory] = {name: ClusterMemory() for name in self.clusters}
        self.views = ContextFactory(
            lambda: self.settings, self.clusters, self.known, utc_now, lambda: self.rules, self._person
        )

    def _deciding(self) -> None:
        window = lambda: timedelta(seconds=self.settings.approvals.valid_for)  # noqa: E731
        self.executor = Executor(self.store, self.clusters, utc_now, window, settle_deletion=settle_operation)
        renew = HoldRenewal(self.store, self.clusters, utc_now).renew
        self.continuing = StepRunner(self.store, self.executor, utc_now, {schedule_hold.RENEW_KIND: renew})
        book = RecordQueries(
            self.store,
            lambda: self.rules,
            self.clusters,
            self.views.scope,
            self._examined,
            self.presence.link,
            self.health.fresh,
            PersonDirectory(self.client, utc_now).names,
        )
        self.conductor = CommandPipeline(
            self.store,
            self.clusters,
            self.executor,
            self._policy,
            PipelineInputs(self.views.plan_context, book.reader, self.views.cached),
            ApprovalHooks(self._ask, self._bypassed),
        )

        self.approvals = build_approvals(
            self.store,
            self.conductor,
            self.executor,
            self.identity,
            self.clusters,
            lambda: self.settings,
            self._policy,
            utc_now,
        )

    async def _examined(self) -> tuple[CheckResult, ...]:
        return await run_checks(self.settings, self.client, self.clusters)

    def _policy(self) -> Policy:
        return Policy(self.rules, self.identity.directory)

    async def _ask(self, operation: Operation, plan: Plan, decision: Decision, request: CommandRequest) -> Answer:
        return await self.approvals.open(operation, plan, decision, request)

    def _bypassed(
        self, tx: Transaction, operation: Operation, plan: Plan, decision: Decision, request: CommandRequest
    ) -> None:
        self.approvals.record_break_glass(tx, operation, plan, decision, request)

    # what goes out

    def _telling(self) -> None:
        self.speaker = AnswerSender(
            self.client,
            self.session,
            self.limiter,
            self._response_hosts,
            self.views.covers,
            lambda: self.settings.slack.files,
        )
        self.outgoing = SlackDeliveryLoops(
            self.store,
            self.client,
            self.settings.delivery,
            utc_now,
            self._enrich,
            self.views.observed_facts,
            self.presence.link,
            self.views.receiver_view,
            lambda: self._ring("cards"),
        )
        self.teller = EventRouter(self.store, self.views.wiring, utc_now, lambda: self._ring("send", "webhooks"))

    async def _enrich(self, event: Event) -> Mapping[str, Any]:
        cluster = self.clusters.get(event.cluster)
        return await enrich(event, cluster) if cluster is not None else {}

    def _response_hosts(self) -> tuple[str, ...]:
        api = urlsplit(self.settings.slack.api_url)
        return (*self.settings.slack.response_hosts, api.hostname or "", f"{api.hostname}:{api.port}")

    # what comes in

    def _working(self) -> None:
        desk = SlackItemProcessor(
            self.identity,
            self.conductor,
            self.speaker.send,
            self._cluster_of,
            ThreadSubjects(self.store).subject,
            vote_clicks(self.approvals, self.speaker.send),
            self.attempts,
        )
        desks: dict[str, ItemProcessor] = dict.fromkeys(("command", "mention", "action", "form", "shortcut"), desk)
        desks["home"] = HomeProcessor(self.client, self.identity, self.conductor)
        self.worker = Worker(self.store, desks, utc_now, self._aside)
        self.worker.wake = lambda: self._ring("work", "tell")
        self.intake = Intake(
            self.store, utc_now, lambda: self._ring("work"), lambda: self.settings.limits, self._refused
        )
        self.webhooks = Webhooks(
            lambda: self.settings,
            self.store,
            self.intake,
            self.conductor,
            self.clusters,
            self._policy,
            utc_now,
            random.Random(),  # noqa: S311 - jitter
            self._refused,
            lambda: self._ring("hooks", "webhooks"),
            self.attempts,
        )
        desks[WEBHOOK_SOURCE] = self.webhooks.desk
        retry = retry_items.retry_actions(self.store, utc_now, self._ring, lambda key: self.watching.retry(key))  # noqa: PLW0108 - made later
        self.control = Control(self.settings.data_dir, {**self.webhooks.acts, **retry})

    def _refused(self, why: str) -> None:
        self.door.count(why)

    def _cluster_of(self, channel: str) -> str:
        return self.settings.cluster_of_channel(channel)

    async def _aside(self, item: Item, ref: str) -> None:
        if item.source == WEBHOOK_SOURCE:
            await self.webhooks.desk.set_aside(item, ref)
        else:
            await self.speaker.send(*not_done(item, ref))

    def _door(self) -> None:
        slack = self.settings.slack
        app = build_bolt_app(self.client)
        listeners = Listeners(
            self.intake,
            Forms(self.client, lambda: [one.name for one in self.settings.clusters], self.identity.actor),
            {slack.command: "", **slack.aliases},
            lambda: self.presence.user,
            self._cluster_of,
            self.identity.forget,
        )
        listeners.register(app)
        self.door = HttpServer(app, self._secrets, self.readiness, slash=listeners.slash)
        self.socket: SocketMode | None = None
        if slack.transport == "socket":
            self.socket = SocketMode(app, self.client, self.session, lambda: self.settings.slack.app_token())  # noqa: PLW0108

    def _secrets(self) -> tuple[str, ...]:
        return self.settings.slack.signing_secrets()

    async def _listen(self) -> None:
        application = self.door.application(self.settings.slack.request_path)
        application.add_routes(self.webhooks.routes())
        self._status = await self.door.listen(self.door.status_application(), self.settings.status_listen)
        self._public = await self.door.listen(application, self.settings.listen)
        self.status_port, self.port = self._status.port, self._public.port

    # what goes on

    def _follow(self) -> None:
        start = self._loops.start
        self._bells["work"] = start("work", self.worker.round)
        self._bells["tell"] = start("tell", self.teller.round)
        self._bells["send"] = start("send", self.outgoing.delivery.round)
        self._bells["cards"] = start("cards", self.outgoing.cards.round)
        self._bells["requests"] = start("requests", self.outgoing.requests.round)
        start("approvals", self.approvals.round)
        self._bells["steps"] = start("steps", self.continuing.round)
        start("confirm operations", UnconfirmedWrites(self.store, self.executor, utc_now).round)
        if self.socket is not None:
            start("slack socket", self.socket.round)
        for name, one_round in self.webhooks.rounds.items():
            self._bells[name] = start(name, one_round)
        start("reconcile", self.outgoing.reconciler.round)
        start("sweep", self.outgoing.reconciler.sweep)
        start("slack", self.presence.round)
        start("recover approvals", self._recover)
        key = checkpoint.load_key(self.settings.data_dir, self.settings.audit.key())
        self._keeping = keeping = Housekeeping(
            self.store, key, lambda: self.settings, self.door.refused, utc_now, self.attempts
        )
        start("minute", keeping.run_minute_tasks)
        start("hour", keeping.run_hourly_tasks)
        start("sign", keeping.sign_audit_head)
        start("settings", self.standing.round)
        start("health", self.health.round)
        self._schedules()
        self.watching = ClusterLoops(self.store, self.clusters, self.known, lambda: self.settings, utc_now, self._told)
        self.watching.start(self._loops)

    def _schedules(self) -> None:
        """What was promised of schedules is kept, and runs that never came are told."""
        told = lambda events: self._told(events, frozenset())  # noqa: E731
        keeper = ScheduleReconciler(self.store, self.clusters, utc_now, told, self.known)
        self._bells["keep schedules"] = self._loops.start("keep schedules", keeper.round)
        if self.settings.schedules.watch:
            watchdog = Watchdog(
                self.store, self.clusters, self.known, self.views.cluster, utc_now, self.views.limits, told
            )
            self._loops.start("watch schedules", watchdog.round)

    def _told(self, events: tuple[Event, ...], moved: frozenset[str]) -> None:
        if events:
            self._ring("tell")
        if moved:
            self._ring("cards", "requests", "hooks")

    def _ring(self, *names: str) -> None:
        for name in names:
            if (loop := self._bells.get(name)) is not None:
                loop.wake()

    async def _recover(self) -> float | None:
        """What was being decided at the last stop is decided; once."""
        await self.approvals.recover()
        return 86400.0

    def readiness(self) -> Readiness:
        return build_readiness(self.store, self.presence, self.socket, self.clusters, self.health)

    async def stop(self) -> None:
        """No acknowledged command is lost: what is not done in time is in the inbox."""
        self.door.closing = True
        if self.socket is not None:
            await self.socket.close(STOP_WITHIN / 4)
        await self.webhooks.stop()
        await self.control.stop()
        await self.worker.drain(STOP_WITHIN / 2)
        await self._public.close()
        await self._status.close()
        await self._loops.stop()
        await self.outgoing.delivery.close()
        await run_contained(self._keeping.run_minute_tasks())
        for cluster in self.clusters.values():
            await cluster.close()
        await self.session.close()
        await self.store.close()
