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
from commands.grammar.thread_defaults import named, noun_of
from commands.grammar.verb import Effect, Note, Verb
from commands.planning.context import Situation
from commands.planning.facts import Facts
from commands.planning.reach_facts import cluster_facts
from commands.planning.resolve import resolve
from commands.registry import verb_of
from commands.restore.conflicts import in_the_way
from domain.actor import Actor, Origin
from domain.answer import Answer
from domain.decision import Decision, Outcome, Reason, allowed
from domain.errors import ClusterError, Lost, Refused, Unknown, UsageError, UserError
from domain.operation import Operation, State
from domain.plan import Plan
from operations import offload
from operations.confirmation import confirmation
from operations.duplicate_requests import asked_before
from operations.executor import Executor
from operations.facts_reader import Cached, RecordReader, gather, nothing_cached
from operations.records import keep
from operations.replan import Replanned, again, asked_by
from operations.request import Asked, Conducted, Policy
from operations.restore_preview.reader import looked
from operations.visibility import sift
from policy.canonical import with_list_guards
from policy.decide import decide, may_ask
from policy.visible import view
from store.transaction import Transaction
from store.writer import Store
from velero.cluster import Cluster

ALL = "*"


Ask = Callable[[Operation, Plan, Decision, Asked], Awaitable[Answer]]
"""Opens the approval of a planned operation; says what the requester is told."""

Bypassed = Callable[[Transaction, Operation, Plan, Decision, Asked], None]
"""Keeps, with the operation, that the glass was broken for it."""

SituationFor = Callable[[Asked, str, str], Situation]
"""(asked, cluster, operation) → situation."""


def operation_id(key: str) -> str:
    return "op-" + b32encode(hashlib.sha256(key.encode()).digest())[:12].decode().lower()


class Conductor:
    def __init__(
        self,
        store: Store,
        clusters: Mapping[str, Cluster],
        executor: Executor,
        policy: Callable[[], Policy],
        situation: SituationFor,
        ask: Ask,
        records: Callable[[Actor, str], RecordReader],
        cached: Cached,
        now: Callable[[], datetime],
        bypassed: Bypassed | None = None,
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

    async def conduct(self, request: Asked) -> Conducted:
        """Raises UserError and ClusterError with what the person is told."""
        lead = request.lead or noun_of(request.line, request.subject)
        command = parse(request.line, lead=lead, subject=request.subject)
        if command.help:
            return Conducted(helping.answer(command, self._policy().rules, request.actor))
        verb = verb_of(command.key)
        if verb is None:
            raise UsageError(f"{command.key} is not known.")
        command = named(command, verb, request.subject)
        if verb.effect is Effect.NOT_HERE:
            raise Refused(
                f"{verb.usage.removesuffix(' [flags]')} does not run here.", why=verb.summary, fix=verb.instead
            )
        if verb.effect is Effect.READ and verb.plan is None:
            return Conducted(await self._read(request, command, verb))
        if verb.effect is Effect.NOTE:
            return Conducted(await self._note(request, command, verb))
        return await self._write(request, command, verb)

    async def accepts(self, request: Asked) -> bool:
        """Whether this line would be taken if it were typed now. Nothing is written."""
        try:
            command = parse(
                request.line, lead=request.lead or noun_of(request.line, request.subject), subject=request.subject
            )
            verb = verb_of(command.key)
            if command.help or verb is None or verb.effect is Effect.NOT_HERE:
                return False
            await self._rehearse(request, named(command, verb, request.subject), verb)
        except (UserError, ClusterError):
            return False
        return True

    async def _rehearse(self, request: Asked, command: Command, verb: Verb) -> None:
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

    async def _read(self, request: Asked, command: Command, verb: Verb) -> Answer:
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
        answer = await offload.decide(world.values(), verb.answer, command, world, situation)
        return replace(answer, cluster=answer.cluster or (names[0] if len(names) == 1 else ""))

    async def _note(self, request: Asked, command: Command, verb: Verb) -> Answer:
        note = await self._noted(request, command, verb)
        if note.keep is not None and not command.dry_run:
            await self._store.write(note.keep)
        return note.answer

    async def _noted(self, request: Asked, command: Command, verb: Verb) -> Note:
        assert verb.note is not None
        cluster = self._one(command, request)
        self._may_ask(request, command, verb, cluster)
        facts = await self._facts(request, command, verb, cluster)
        if isinstance(facts, ClusterError):
            raise facts
        note = verb.note(command, facts, self._situation(request, cluster, ""))
        return replace(note, answer=replace(note.answer, cluster=cluster))

    async def replan(self, operation: Operation, stored: Plan, actor: Actor, origin: Origin) -> Replanned:
        """The stored line once more: name and moment as they were, cluster and rules as they are.

        Raises UserError where it could not be asked now, ClusterError where the cluster cannot be read.
        """
        command = again(parse(operation.line), stored)
        verb = verb_of(command.key)
        if verb is None or verb.plan is None:
            raise UsageError(f"{command.key} is not known any more.")
        asked = Asked(operation.id, operation.line, actor, origin)
        self._may_ask(asked, command, verb, operation.cluster)
        now = replace(self._situation(asked, operation.cluster, operation.id), reason=command.text("reason"))
        as_then = replace(now, now=operation.created_at, actor=replace(actor, name=asked_by(stored) or actor.name))
        command = verb.settle(command, as_then) if verb.settle else command
        facts = await self._facts(asked, command, verb, operation.cluster, cached=nothing_cached)
        if isinstance(facts, ClusterError):
            raise facts
        plan = with_list_guards(await offload.decide([facts], verb.plan, command, facts, as_then))
        if refusals := self._refusals(plan):
            raise refusals
        plan = await self._looked(resolve(plan, facts, as_then))
        return Replanned(plan, await self._decide(plan, asked, command, now, facts))

    async def _facts(
        self, request: Asked, command: Command, verb: Verb, cluster: str, cached: Cached | None = None
    ) -> Facts | ClusterError:
        situation = self._situation(request, cluster, "")
        rules = self._policy().rules

        def filtered(facts: Facts) -> None:
            about = cluster_facts(facts, situation)
            sift(facts, view(rules, request.actor, cluster, command.key, about.labels), about)

        try:
            return await gather(
                verb,
                command,
                self._clusters[cluster],
                self._records(request.actor, request.origin.channel),
                cached or self._cached,
                filtered,
            )
        except ClusterError as error:
            return error

    async def _write(self, request: Asked, command: Command, verb: Verb) -> Conducted:
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
        plan = with_list_guards(await offload.decide([facts], verb.plan, command, facts, situation))
        if command.dry_run or verb.effect is Effect.READ:
            decision = await self._decide(plan, request, command, situation, facts)
            if decision.outcome is not Outcome.DENY and not command.text("output"):
                plan = replace(await self._looked(resolve(plan, facts, situation)), steps=plan.steps)
            return Conducted(helping.dry_run(plan, decision, command.text("output")))
        if refusals := self._refusals(plan):
            raise refusals
        if not plan.steps:
            return Conducted(Answer(plan.summary or "There is nothing to change.", cluster=cluster))
        plan = resolve(plan, facts, situation)
        decision = await self._decide(plan, request, command, situation, facts)
        if decision.outcome is not Outcome.DENY and (refusals := self._refusals(plan := await self._looked(plan))):
            raise refusals
        if decision.outcome is not Outcome.DENY and (first := confirmation(plan, command, situation)) is not None:
            return Conducted(first)
        if (twin := await self._store.read(lambda tx: asked_before(tx, cluster, command))) is not None:
            return Conducted(Answer(f"Already requested: {twin.line}. It is {twin.state}.", cluster=cluster), twin)
        return await self._decided(request, command, plan, decision, situation)

    async def _looked(self, plan: Plan) -> Plan:
        """Only for those who may do it: what is live is read with our rights, not with theirs."""
        return await looked(plan, self._clusters[plan.cluster])

    def _refusals(self, plan: Plan) -> Refused | None:
        """Guards that no rule may lift; those that one may are the policy's business."""
        from policy.guards import can_lift

        hard = [guard for guard in plan.refusals() if not can_lift(guard.code)]
        if not hard:
            return None
        why = " ".join(guard.text for guard in hard[1:])
        return Refused(hard[0].text, why=why, nearest=hard[0].nearest)

    async def _decide(self, plan: Plan, request: Asked, command: Command, context: Situation, facts: Facts) -> Decision:
        policy = self._policy()
        verb = f"{plan.noun}.{plan.verb}"
        approvers = [name for rule in policy.rules if rule.concerns(verb) for name in rule.approvals.approvers]
        return decide(
            policy.rules,
            request.actor,
            plan,
            context.now,
            await policy.directory(approvers),
            labels=cluster_facts(facts, context).labels,
            reason=command.why,
            break_glass=command.given("break-glass"),
        )

    async def _decided(
        self, request: Asked, command: Command, plan: Plan, decision: Decision, context: Situation
    ) -> Conducted:
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
            reason=command.text("break-glass") or command.why,
        )
        if decision.outcome is Outcome.DENY:
            refused = operation.advance(State.REFUSED, now)
            await self._store.write(lambda tx: keep(tx, refused, plan, request, decision))
            raise Refused(
                decision.text or "You may not do that.", why=_who_decided(decision), fix=_whom_to_ask(decision)
            )
        if decision.outcome is Outcome.REQUIRE_APPROVAL:
            if command.given("break-glass"):
                fix = "Leave out --break-glass, and it waits for approval."
                raise Refused("You may not run this without approval.", why=_who_decided(decision), fix=fix)
            return Conducted(await self._ask(operation, plan, decision, request), operation)
        approved = operation.advance(State.APPROVED, now)

        def kept(tx: Transaction) -> None:
            if other := in_the_way(tx, approved, plan.reach):
                raise Refused(other, fix="Ask again when it is over.")
            keep(tx, approved, plan, request, decision)
            if decision.reason is Reason.BREAK_GLASS and self._bypassed is not None:
                self._bypassed(tx, approved, plan, decision, request)

        try:
            await self._store.write(kept)
        except Refused as error:
            refused = operation.advance(State.REFUSED, now, reason=error.text)
            await self._store.write(lambda tx: keep(tx, refused, plan, request, decision))
            raise
        done = await self._executor.execute(allowed(decision, ident, plan.fingerprint))
        return Conducted(None, done.operation)

    async def _again(self, operation: Operation) -> Conducted:
        """The command was taken up before the last crash: what was granted goes on, what was decided stays decided."""
        if operation.state in {State.APPROVED, State.SUBMITTING}:
            with suppress(Lost):  # the recovery at the start may be faster
                await self._executor.recover(operation)
        fresh = await self._store.read(lambda tx: tx.operations.get(operation.id))
        if fresh is not None and fresh.state is State.REFUSED:
            raise Refused("This was refused before.", why=fresh.reason)
        return Conducted(None, fresh)

    def _may_ask(self, request: Asked, command: Command, verb: Verb, cluster: str) -> None:
        decision = may_ask(
            self._policy().rules, request.actor, command.key, cluster, writes=verb.effect is Effect.WRITE
        )
        if decision.outcome is Outcome.DENY:
            raise Refused(
                decision.text or "You may not ask for that.", why=_who_decided(decision), fix=_whom_to_ask(decision)
            )

    def _named(self, command: Command, request: Asked, verb: Verb) -> list[str]:
        if not self._clusters:
            raise Refused("No cluster is configured.", fix="Add [[clusters]] to the settings.")
        if command.true("all-clusters") or (verb.fans_out and not command.cluster):
            return list(self._clusters)
        return [self._one(command, request)]

    def _one(self, command: Command, request: Asked) -> str:
        name = command.text("to-cluster") or command.cluster or request.channel_cluster
        if name in self._clusters:
            return name
        names = tuple(self._clusters)
        if not name:
            raise UsageError(
                "Which cluster?", why="This channel is bound to none.", nearest=names, fix=f"--cluster {names[0]}"
            )
        from difflib import get_close_matches

        raise Unknown(f"There is no cluster {name!r}.", nearest=tuple(get_close_matches(name, names, n=3)) or names)


def _who_decided(decision: Decision) -> str:
    """A guard's refusal is no rule's: the rule that stands beside it is the one that would have allowed this."""
    return f"Decided by rule {decision.rule!r}." if decision.rule and decision.reason is not Reason.GUARD else ""


def _whom_to_ask(decision: Decision) -> str:
    return f"Ask {', '.join(decision.ask)}." if decision.ask else ""
