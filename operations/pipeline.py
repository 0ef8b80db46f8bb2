"""One asking through the house: line → command → facts → plan → decision → grant, refusal or approval.

The operation's id follows from the inbox key, so that a command taken up again after a crash finds what it had begun.
"""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b32encode
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from commands import help as helping
from commands.grammar.command import Command
from commands.grammar.parser import parse
from commands.grammar.thread_defaults import noun_from_thread, with_thread_name
from commands.grammar.verb import Effect, MemoryChange, Verb
from commands.planning.context import PlanContext
from commands.planning.facts import Facts
from commands.planning.reach_facts import cluster_facts
from commands.planning.resolve import resolve
from commands.registry import verb_of
from commands.restore.conflicts import find_conflict
from domain.actor import Actor, Origin
from domain.answer import Answer
from domain.decision import Decision, Outcome, Reason, allowed
from domain.errors import ClusterError, ConcurrentChange, NotFound, Refused, UsageError, UserError
from domain.operation import Operation, State
from domain.plan import Plan
from operations import offload
from operations.confirmation import confirmation
from operations.duplicate_requests import find_open_duplicate
from operations.executor import Executor
from operations.facts_reader import Cached, RecordReader, no_cache, read_facts
from operations.records import record_planned
from operations.replan import Replanned, command_of_plan, requested_by
from operations.request import CommandRequest, CommandResult, Policy
from operations.restore_preview.reader import add_preview
from operations.visibility import redact_facts
from policy.canonical import with_list_guards
from policy.decide import decide, may_ask
from policy.visible import view_for
from store.transaction import Transaction
from store.writer import Store
from velero.cluster import Cluster

ALL = "*"


OpenApproval = Callable[[Operation, Plan, Decision, CommandRequest], Awaitable[Answer]]
"""Opens the approval of a planned operation; says what the requester is told."""

RecordBreakGlass = Callable[[Transaction, Operation, Plan, Decision, CommandRequest], None]
"""Keeps, with the operation, that the glass was broken for it."""

ContextFactory = Callable[[CommandRequest, str, str], PlanContext]
"""(asked, cluster, operation) → situation."""


def operation_id(key: str) -> str:
    return "op-" + b32encode(hashlib.sha256(key.encode()).digest())[:12].decode().lower()


class CommandPipeline:
    def __init__(
        self,
        store: Store,
        clusters: Mapping[str, Cluster],
        executor: Executor,
        policy: Callable[[], Policy],
        situation: ContextFactory,
        ask: OpenApproval,
        records: Callable[[Actor, str], RecordReader],
        cached: Cached,
        now: Callable[[], datetime],
        bypassed: RecordBreakGlass | None = None,
    ) -> None:
        self._store = store
        self._bypassed = bypassed
        self._clusters = clusters
        self._executor = executor
        self._policy = policy
        self._situation = situation
        self._ask = ask
        self._records = records
        self._cached = cached
        self._now = now

    async def run(self, request: CommandRequest) -> CommandResult:
        """Raises UserError and ClusterError with what the person is told."""
        lead = request.lead or noun_from_thread(request.line, request.subject)
        command = parse(request.line, lead=lead, subject=request.subject)
        if command.help:
            return CommandResult(helping.answer(command, self._policy().rules, request.actor))
        verb = verb_of(command.key)
        if verb is None:
            raise UsageError(f"Unknown command `{command.key}`.")
        command = with_thread_name(command, verb, request.subject)
        if verb.effect is Effect.UNSUPPORTED:
            raise Refused(
                f"`{verb.usage.removesuffix(' [flags]')}` isn't available in Slack.", why=verb.summary, fix=verb.instead
            )
        if verb.effect is Effect.READ and verb.plan is None:
            return CommandResult(await self._read(request, command, verb))
        if verb.effect is Effect.MEMORY:
            return CommandResult(await self._note(request, command, verb))
        return await self._write(request, command, verb)

    async def accepts(self, request: CommandRequest) -> bool:
        """Whether this line would be taken if it were typed now. Nothing is written."""
        try:
            command = parse(
                request.line,
                lead=request.lead or noun_from_thread(request.line, request.subject),
                subject=request.subject,
            )
            verb = verb_of(command.key)
            if command.help or verb is None or verb.effect is Effect.UNSUPPORTED:
                return False
            await self._rehearse(request, with_thread_name(command, verb, request.subject), verb)
        except (UserError, ClusterError):
            return False
        return True

    async def _rehearse(self, request: CommandRequest, command: Command, verb: Verb) -> None:
        """Everything up to the decision. Raises UserError and ClusterError as the line itself would."""
        if verb.plan is None:
            await (self._read if verb.effect is Effect.READ else self._noted)(request, command, verb)
            return
        cluster = self._one(command, request)
        self._may_ask(request, command, verb, cluster)
        situation = replace(self._situation(request, cluster, operation_id(request.key)), reason=command.text("reason"))
        command = verb.settle(command, situation) if verb.settle else command
        facts = await self._facts(request, command, verb, cluster)
        if isinstance(facts, ClusterError):
            raise facts
        plan = verb.plan(command, facts, situation)
        decision = await self._decide(plan, request, command, situation, facts)
        if (refusals := self._refusals(plan)) or decision.outcome is Outcome.DENY:
            raise refusals or Refused(decision.text)

    async def _read(self, request: CommandRequest, command: Command, verb: Verb) -> Answer:
        assert verb.answer is not None
        names = self._named(command, request, verb)
        for name in names:
            self._may_ask(request, command, verb, name)
        told = await asyncio.gather(*(self._facts(request, command, verb, name) for name in names))
        world = dict(zip(names, told, strict=True))
        failed = [value for value in world.values() if isinstance(value, ClusterError)]
        if failed and len(failed) == len(world) and not verb.fans_out:
            raise failed[0]
        situation = self._situation(request, names[0] if len(names) == 1 else request.channel_cluster, "")
        answer = await offload.run_offloaded(world.values(), verb.answer, command, world, situation)
        return replace(answer, cluster=answer.cluster or (names[0] if len(names) == 1 else ""))

    async def _note(self, request: CommandRequest, command: Command, verb: Verb) -> Answer:
        note = await self._noted(request, command, verb)
        if note.write is not None and not command.dry_run:
            await self._store.write(note.write)
        return note.answer

    async def _noted(self, request: CommandRequest, command: Command, verb: Verb) -> MemoryChange:
        assert verb.change_memory is not None
        cluster = self._one(command, request)
        self._may_ask(request, command, verb, cluster)
        facts = await self._facts(request, command, verb, cluster)
        if isinstance(facts, ClusterError):
            raise facts
        note = verb.change_memory(command, facts, self._situation(request, cluster, ""))
        return replace(note, answer=replace(note.answer, cluster=cluster))

    async def replan(self, operation: Operation, stored: Plan, actor: Actor, origin: Origin) -> Replanned:
        """The stored line once more: name and moment as they were, cluster and rules as they are.

        Raises UserError where it could not be asked now, ClusterError where the cluster cannot be read.
        """
        command = command_of_plan(parse(operation.line), stored)
        verb = verb_of(command.key)
        if verb is None or verb.plan is None:
            raise UsageError(f"Command `{command.key}` no longer exists.")
        asked = CommandRequest(operation.id, operation.line, actor, origin)
        self._may_ask(asked, command, verb, operation.cluster)
        now = replace(self._situation(asked, operation.cluster, operation.id), reason=command.text("reason"))
        as_then = replace(now, now=operation.created_at, actor=replace(actor, name=requested_by(stored) or actor.name))
        command = verb.settle(command, as_then) if verb.settle else command
        facts = await self._facts(asked, command, verb, operation.cluster, cached=no_cache)
        if isinstance(facts, ClusterError):
            raise facts
        plan = with_list_guards(await offload.run_offloaded([facts], verb.plan, command, facts, as_then))
        if refusals := self._refusals(plan):
            raise refusals
        plan = await self._looked(resolve(plan, facts, as_then))
        return Replanned(plan, await self._decide(plan, asked, command, now, facts))

    async def _facts(
        self, request: CommandRequest, command: Command, verb: Verb, cluster: str, cached: Cached | None = None
    ) -> Facts | ClusterError:
        situation = self._situation(request, cluster, "")
        rules = self._policy().rules

        def filtered(facts: Facts) -> None:
            about = cluster_facts(facts, situation)
            redact_facts(facts, view_for(rules, request.actor, cluster, command.key, about.labels), about)

        try:
            return await read_facts(
                verb,
                command,
                self._clusters[cluster],
                self._records(request.actor, request.origin.channel),
                cached or self._cached,
                filtered,
            )
        except ClusterError as error:
            return error

    async def _write(self, request: CommandRequest, command: Command, verb: Verb) -> CommandResult:
        assert verb.plan is not None
        ident = operation_id(request.key)
        if (begun := await self._store.read(lambda tx: tx.operations.get(ident))) is not None:
            return await self._again(begun)
        cluster = self._one(command, request)
        self._may_ask(request, command, verb, cluster)
        situation = replace(self._situation(request, cluster, ident), reason=command.text("reason"))
        command = verb.settle(command, situation) if verb.settle else command
        facts = await self._facts(request, command, verb, cluster)
        if isinstance(facts, ClusterError):
            raise facts
        plan = with_list_guards(await offload.run_offloaded([facts], verb.plan, command, facts, situation))
        if command.dry_run or verb.effect is Effect.READ:
            decision = await self._decide(plan, request, command, situation, facts)
            if decision.outcome is not Outcome.DENY and not command.text("output"):
                plan = replace(await self._looked(resolve(plan, facts, situation)), steps=plan.steps)
            return CommandResult(helping.dry_run(plan, decision, command.text("output")))
        if refusals := self._refusals(plan):
            raise refusals
        if not plan.steps:
            return CommandResult(Answer(plan.summary or "Nothing to change.", cluster=cluster))
        plan = resolve(plan, facts, situation)
        decision = await self._decide(plan, request, command, situation, facts)
        if decision.outcome is not Outcome.DENY and (refusals := self._refusals(plan := await self._looked(plan))):
            raise refusals
        if decision.outcome is not Outcome.DENY and (first := confirmation(plan, command, situation)) is not None:
            return CommandResult(first)
        if (twin := await self._store.read(lambda tx: find_open_duplicate(tx, cluster, command))) is not None:
            return CommandResult(Answer(f"Already requested: {twin.line}. It is {twin.state}.", cluster=cluster), twin)
        return await self._decided(request, command, plan, decision, situation)

    async def _looked(self, plan: Plan) -> Plan:
        """Only for those who may do it: what is live is read with our rights, not with theirs."""
        return await add_preview(plan, self._clusters[plan.cluster])

    def _refusals(self, plan: Plan) -> Refused | None:
        """Guards that no rule may lift; those that one may are the policy's business."""
        from policy.guards import can_lift

        hard = [guard for guard in plan.refusals() if not can_lift(guard.code)]
        if not hard:
            return None
        why = " ".join(guard.text for guard in hard[1:])
        return Refused(hard[0].text, why=why, nearest=hard[0].nearest)

    async def _decide(
        self, plan: Plan, request: CommandRequest, command: Command, context: PlanContext, facts: Facts
    ) -> Decision:
        policy = self._policy()
        verb = f"{plan.noun}.{plan.verb}"
        approvers = [name for rule in policy.rules if rule.is_about_verb(verb) for name in rule.approvals.approvers]
        return decide(
            policy.rules,
            request.actor,
            plan,
            context.now,
            await policy.directory(approvers),
            labels=cluster_facts(facts, context).labels,
            reason=command.reason,
            break_glass=command.has_flag("break-glass"),
        )

    async def _decided(
        self, request: CommandRequest, command: Command, plan: Plan, decision: Decision, context: PlanContext
    ) -> CommandResult:
        """`created_at` is the moment of planning, so that planning again gives the same names."""
        now, ident = context.now, context.operation
        operation = Operation(
            id=ident,
            cluster=plan.cluster,
            noun=plan.noun,
            verb=plan.verb,
            subject=plan.subject,
            actor=request.actor.id,
            state=State.PLANNED,
            line=command.line,
            fingerprint=plan.fingerprint,
            created_at=now,
            changed_at=now,
            reason=command.text("break-glass") or command.reason,
        )
        if decision.outcome is Outcome.DENY:
            refused = operation.advance(State.REFUSED, now)
            await self._store.write(lambda tx: record_planned(tx, refused, plan, request, decision))
            raise Refused(
                decision.text or "You don't have permission to do this.",
                why=_who_decided(decision),
                fix=_whom_to_ask(decision),
            )
        if decision.outcome is Outcome.REQUIRE_APPROVAL:
            if command.has_flag("break-glass"):
                fix = "Remove --break-glass to request approval."
                raise Refused("You don't have permission to use break-glass here.", why=_who_decided(decision), fix=fix)
            return CommandResult(await self._ask(operation, plan, decision, request), operation)
        approved = operation.advance(State.APPROVED, now)

        def kept(tx: Transaction) -> None:
            if other := find_conflict(tx, approved, plan.reach):
                raise Refused(other, fix="Try again when it has finished.")
            record_planned(tx, approved, plan, request, decision)
            if decision.reason is Reason.BREAK_GLASS and self._bypassed is not None:
                self._bypassed(tx, approved, plan, decision, request)

        try:
            await self._store.write(kept)
        except Refused as error:
            refused = operation.advance(State.REFUSED, now, reason=error.text)
            await self._store.write(lambda tx: record_planned(tx, refused, plan, request, decision))
            raise
        done = await self._executor.execute(allowed(decision, ident, plan.fingerprint))
        return CommandResult(None, done.operation)

    async def _again(self, operation: Operation) -> CommandResult:
        """The command was taken up before the last crash: what was granted goes on, what was decided stays decided."""
        if operation.state in {State.APPROVED, State.SUBMITTING}:
            with suppress(ConcurrentChange):  # the recovery at the start may be faster
                await self._executor.recover(operation)
        fresh = await self._store.read(lambda tx: tx.operations.get(operation.id))
        if fresh is not None and fresh.state is State.REFUSED:
            raise Refused("This command was refused before.", why=fresh.reason)
        return CommandResult(None, fresh)

    def _may_ask(self, request: CommandRequest, command: Command, verb: Verb, cluster: str) -> None:
        decision = may_ask(
            self._policy().rules, request.actor, command.key, cluster, writes=verb.effect is Effect.WRITE
        )
        if decision.outcome is Outcome.DENY:
            raise Refused(
                decision.text or "You don't have permission to do this.",
                why=_who_decided(decision),
                fix=_whom_to_ask(decision),
            )

    def _named(self, command: Command, request: CommandRequest, verb: Verb) -> list[str]:
        if not self._clusters:
            raise Refused("No clusters are configured.", fix="Add [[clusters]] to the settings.")
        if command.is_true("all-clusters") or (verb.fans_out and not command.cluster):
            return list(self._clusters)
        return [self._one(command, request)]

    def _one(self, command: Command, request: CommandRequest) -> str:
        name = command.text("to-cluster") or command.cluster or request.channel_cluster
        if name in self._clusters:
            return name
        names = tuple(self._clusters)
        if not name:
            raise UsageError(
                "Which cluster?",
                why="This channel isn't linked to a cluster.",
                nearest=names,
                fix=f"Add --cluster {names[0]}.",
            )
        from difflib import get_close_matches

        raise NotFound(f"Cluster `{name}` doesn't exist.", nearest=tuple(get_close_matches(name, names, n=3)) or names)


def _who_decided(decision: Decision) -> str:
    """A guard's refusal is no rule's: the rule that stands beside it is the one that would have allowed this."""
    return f"Rule *{decision.rule}* applies." if decision.rule and decision.reason is not Reason.GUARD else ""


def _whom_to_ask(decision: Decision) -> str:
    return f"Ask {', '.join(decision.ask)}." if decision.ask else ""
