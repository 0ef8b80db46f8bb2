"""The composition root. It builds every part by hand, in the order in which they start, and stops them in reverse.

Parts get what they need as arguments; no module holds global state. Loops run under `Loops`; a part that has work for
another one wakes its loop by name.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

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
from bot.slack.item_processor import SlackItemProcessor, failure_answer
from bot.slack.listeners import Listeners, build_bolt_app
from bot.slack.person_names import PersonDirectory
from bot.slack.socket import SocketMode
from bot.slack.votes import vote_clicks
from bot.supervise import Loops, run_contained
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

STOP_TIMEOUT_S = 4.0


class App:
    """`start()` returns when the bot accepts requests; `stop()` takes the parts down in reverse order."""

    def __init__(self, settings: Settings, rules: tuple[Rule, ...], path: Path | None = None) -> None:
        self.live_settings = LiveSettings(settings, rules, path)

        self.port = self.status_port = 0
        self.attempts = RefusedAttempts()

    @property
    def settings(self) -> Settings:
        """Return the settings currently in force."""
        return self.live_settings.settings

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self.live_settings.rules

    def reload(self) -> None:
        self.live_settings.reload()

    async def start(self) -> None:
        settings = self.settings
        self.store = await Store.open(settings.data_dir, utc_now(), reserve_bytes=settings.store.reserve_bytes)
        self._loops = Loops(utc_now)
        self.health = SelfHealth(self.store, self._loops, lambda: self.settings, utc_now)
        self._build_slack()
        self._build_clusters()
        self._build_operations()
        self._build_notifier()
        self._build_intake()
        self._build_http_server()
        await self._listen()
        await self.control.start()
        self._start_loops()

    # --- connections

    def _build_slack(self) -> None:
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
        self.connection_status = ConnectionStatus(self.client)
        self.identity = Identity(
            self.client,
            lambda: self.settings.groups,
            self._own_teams,
            utc_now,
            external=slack.external_people,
        )

    async def _actor_of(self, user: str) -> Actor:
        return await self.identity.actor(user, "")

    async def _own_teams(self) -> tuple[str, ...]:
        return self.settings.slack.teams or (await self.connection_status.home(),)

    def _build_clusters(self) -> None:
        self.clusters: dict[str, Cluster] = {}
        for one in self.settings.clusters:
            self.clusters[one.name] = Cluster(
                cluster_settings(one, self.settings.watching),
                now=utc_now,
                random=random.Random(),  # noqa: S311 - jitter
            )
        self.memories: Mapping[str, ClusterMemory] = {name: ClusterMemory() for name in self.clusters}
        self.contexts = ContextFactory(
            lambda: self.settings, self.clusters, self.memories, utc_now, lambda: self.rules, self._actor_of
        )

    def _build_operations(self) -> None:
        approval_window = lambda: timedelta(seconds=self.settings.approvals.valid_for)  # noqa: E731
        self.executor = Executor(self.store, self.clusters, utc_now, approval_window, settle_deletion=settle_operation)
        renew = HoldRenewal(self.store, self.clusters, utc_now).renew
        self.step_runner = StepRunner(self.store, self.executor, utc_now, {schedule_hold.RENEW_KIND: renew})
        records = RecordQueries(
            self.store,
            lambda: self.rules,
            self.clusters,
            self.contexts.scope,
            self._run_checks,
            self.connection_status.link,
            self.health.fresh,
            PersonDirectory(self.client, utc_now).names,
        )
        self.pipeline = CommandPipeline(
            self.store,
            self.clusters,
            self.executor,
            self._policy,
            PipelineInputs(self.contexts.plan_context, records.reader, self.contexts.cached),
            ApprovalHooks(self._open_approval, self._record_break_glass),
        )

        self.approvals = build_approvals(
            self.store,
            self.pipeline,
            self.executor,
            self.identity,
            self.clusters,
            lambda: self.settings,
            self._policy,
            utc_now,
        )

    async def _run_checks(self) -> tuple[CheckResult, ...]:
        return await run_checks(self.settings, self.client, self.clusters)

    def _policy(self) -> Policy:
        return Policy(self.rules, self.identity.directory)

    async def _open_approval(
        self, operation: Operation, plan: Plan, decision: Decision, request: CommandRequest
    ) -> Answer:
        return await self.approvals.open(operation, plan, decision, request)

    def _record_break_glass(
        self, tx: Transaction, operation: Operation, plan: Plan, decision: Decision, request: CommandRequest
    ) -> None:
        self.approvals.record_break_glass(tx, operation, plan, decision, request)

    # --- notifications and replies

    def _build_notifier(self) -> None:
        self.answer_sender = AnswerSender(
            self.client,
            self.session,
            self.limiter,
            lambda: self.settings.slack.allowed_response_hosts(),  # noqa: PLW0108 - the settings in force
            self.contexts.covers,
            lambda: self.settings.slack.files,
        )
        self.slack_delivery = SlackDeliveryLoops(
            self.store,
            self.client,
            self.settings.delivery,
            utc_now,
            self._enrich,
            self.contexts.observed_facts,
            self.connection_status.link,
            self.contexts.receiver_view,
            lambda: self._loops.wake("cards"),
        )
        self.event_router = EventRouter(
            self.store, self.contexts.routing_table, utc_now, lambda: self._loops.wake("send", "webhooks")
        )

    async def _enrich(self, event: Event) -> Mapping[str, Any]:
        cluster = self.clusters.get(event.cluster)
        return await enrich(event, cluster) if cluster is not None else {}

    # --- requests

    def _build_intake(self) -> None:
        processor = SlackItemProcessor(
            self.identity,
            self.pipeline,
            self.answer_sender.send,
            self._cluster_of,
            ThreadSubjects(self.store).subject,
            vote_clicks(self.approvals, self.answer_sender.send),
            self.attempts,
        )
        processors: dict[str, ItemProcessor] = dict.fromkeys(
            ("command", "mention", "action", "form", "shortcut"), processor
        )
        processors["home"] = HomeProcessor(self.client, self.identity, self.pipeline)
        self.worker = Worker(self.store, processors, utc_now, self._report_failed_item)
        self.worker.wake = lambda: self._loops.wake("work", "tell")
        self.intake = Intake(
            self.store, utc_now, lambda: self._loops.wake("work"), lambda: self.settings.limits, self._count_refused
        )
        self.webhooks = Webhooks(
            lambda: self.settings,
            self.store,
            self.intake,
            self.pipeline,
            self.clusters,
            self._policy,
            utc_now,
            random.Random(),  # noqa: S311 - jitter
            self._count_refused,
            lambda: self._loops.wake("hooks", "webhooks"),
            self.attempts,
        )
        processors[WEBHOOK_SOURCE] = self.webhooks.processor
        retry = retry_items.retry_actions(
            self.store,
            utc_now,
            self._loops.wake,
            lambda key: self.cluster_loops.retry(key),  # noqa: PLW0108 - built later
        )
        self.control = Control(self.settings.data_dir, {**self.webhooks.actions, **retry})

    def _count_refused(self, why: str) -> None:
        self.http_server.count(why)

    def _cluster_of(self, channel: str) -> str:
        return self.settings.cluster_of_channel(channel)

    async def _report_failed_item(self, item: Item, reference: str) -> None:
        if item.source == WEBHOOK_SOURCE:
            await self.webhooks.processor.set_aside(item, reference)
        else:
            await self.answer_sender.send(*failure_answer(item, reference))

    def _build_http_server(self) -> None:
        slack = self.settings.slack
        app = build_bolt_app(self.client)
        listeners = Listeners(
            self.intake,
            Forms(self.client, lambda: [one.name for one in self.settings.clusters], self.identity.actor),
            {slack.command: "", **slack.aliases},
            lambda: self.connection_status.user,
            self._cluster_of,
            self.identity.forget,
        )
        listeners.register(app)
        self.http_server = HttpServer(app, self._secrets, self.readiness, slash=listeners.slash)
        self.socket: SocketMode | None = None
        if slack.transport == "socket":
            self.socket = SocketMode(app, self.client, self.session, lambda: self.settings.slack.app_token())  # noqa: PLW0108

    def _secrets(self) -> tuple[str, ...]:
        return self.settings.slack.signing_secrets()

    async def _listen(self) -> None:
        application = self.http_server.application(self.settings.slack.request_path)
        application.add_routes(self.webhooks.routes())
        self._status = await self.http_server.listen(self.http_server.status_application(), self.settings.status_listen)
        self._public = await self.http_server.listen(application, self.settings.listen)
        self.status_port, self.port = self._status.port, self._public.port

    # --- loops

    def _start_loops(self) -> None:
        start = self._loops.start
        start("work", self.worker.round)
        start("tell", self.event_router.round)
        self.slack_delivery.start(self._loops)
        start("approvals", self.approvals.deadlines.round)
        start("steps", self.step_runner.round)
        start("confirm operations", UnconfirmedWrites(self.store, self.executor, utc_now).round)
        if self.socket is not None:
            start("slack socket", self.socket.round)
        for name, one_round in self.webhooks.loops.items():
            start(name, one_round)
        start("slack", self.connection_status.round)
        start("recover approvals", self._recover_approvals)
        key = checkpoint.load_key(self.settings.data_dir, self.settings.audit.key())
        self._housekeeping = Housekeeping(
            self.store, key, lambda: self.settings, self.http_server.refused, utc_now, self.attempts
        )
        self._housekeeping.start(self._loops)
        start("settings", self.live_settings.round)
        start("health", self.health.round)
        self._start_schedule_loops()
        self.cluster_loops = ClusterLoops(
            self.store, self.clusters, self.memories, lambda: self.settings, utc_now, self._wake_for
        )
        self.cluster_loops.start(self._loops)

    def _start_schedule_loops(self) -> None:
        """Start the loops that reconcile schedules and report missed runs. Each cluster has its own, so that none waits."""
        report = lambda events: self._wake_for(events, frozenset())  # noqa: E731
        view, limits = self.contexts.cluster, self.contexts.limits
        for name, cluster in self.clusters.items():
            mine = {name: cluster}
            reconciler = ScheduleReconciler(self.store, mine, utc_now, report, self.memories)
            self._loops.start(f"keep schedules/{name}", reconciler.round)
            if self.settings.schedules.watch:
                watchdog = Watchdog(self.store, mine, self.memories, view, utc_now, limits, report)
                self._loops.start(f"watch schedules/{name}", watchdog.round)

    def _wake_for(self, events: tuple[Event, ...], moved: frozenset[str]) -> None:
        if events:
            self._loops.wake("tell")
        if moved:
            self._loops.wake("cards", "requests", "hooks")

    async def _recover_approvals(self) -> float | None:
        """Once after the start: finish the approvals that were being decided at the last stop."""
        await self.approvals.recover()
        return 86400.0

    def readiness(self) -> Readiness:
        return build_readiness(self.store, self.connection_status, self.socket, self.clusters, self.health)

    async def stop(self) -> None:
        """Acknowledged commands that don't finish in time stay in the inbox for the next start."""
        self.http_server.closing = True
        if self.socket is not None:
            await self.socket.close(STOP_TIMEOUT_S / 4)
        await self.webhooks.stop()
        await self.control.stop()
        await self.worker.drain(STOP_TIMEOUT_S / 2)
        await self._public.close()
        await self._status.close()
        await self._loops.stop()
        await self.slack_delivery.delivery.close()
        await run_contained(self._housekeeping.run_minute_tasks())
        for cluster in self.clusters.values():
            await cluster.close()
        await self.session.close()
        await self.store.close()
