"""A command's way through the bot: line → command → facts → plan → decision → grant, refusal or approval.

The pipeline knows no noun: what only some verbs need (a preview, a check for conflicts, …) is a slot of `Verb`. The
operation's id follows from the inbox key, so that a command taken up again after a crash finds what it had started.
A command that is allowed at once writes one transaction here before the executor takes over. Everything that is read
has a name before it is judged.
"""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b32encode
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from commands import help as helping
from commands.grammar.command import Command
from commands.grammar.parser import parse
from commands.grammar.thread_defaults import with_thread_name
from commands.grammar.verb import Effect, MemoryChange, Verb
from commands.planning.context import PlanContext
from commands.planning.facts import Facts
from commands.planning.reach_facts import cluster_facts
from commands.planning.resolve import resolve
from commands.registry import verb_of
from domain.actor import Actor, Origin
from domain.answer import Answer
from domain.decision import Decision, Outcome, Reason, allowed
from domain.errors import ClusterError, ConcurrentChange, Refused, UsageError, UserError
from domain.operation import Operation, State
from domain.plan import Plan
from operations import offload
from operations.command_reading import parse_request, supported_verb, target_cluster, target_clusters, typed_words
from operations.confirmation import confirmation
from operations.conflicts import find_conflict
from operations.duplicate_requests import find_open_duplicate
from operations.executor import Executor
from operations.facts_reader import Cached, RecordReader, no_cache, read_facts
from operations.previews import PREVIEWS
from operations.records import record_planned
from operations.refusals import check_guards, denied, rule_text
from operations.replan import Replanned, command_of_plan, requested_by
from operations.request import CommandRequest, CommandResult, Policy
from operations.visibility import redact_facts
from policy.canonical import with_list_guards
from policy.decide import decide, may_ask
from policy.visible import view_for
from store.transaction import Transaction
from store.writer import Store
from velero.cluster import Cluster

OpenApproval = Callable[[Operation, Plan, Decision, CommandRequest], Awaitable[Answer]]
"""Opens the approval of a planned operation. Returns the requester's answer."""

RecordBreakGlass = Callable[[Transaction, Operation, Plan, Decision, CommandRequest], None]
"""Records a break-glass run in the operation's transaction. Raises Refused above the limit."""

ContextFactory = Callable[[CommandRequest, str, str], PlanContext]
"""(request, cluster, operation id) → context."""


@dataclass(frozen=True, slots=True)
class PipelineInputs:
    """Inputs of planning: the context, the bot's own records, and the objects that the watch keeps."""

    context: ContextFactory
    records: Callable[[Actor, str], RecordReader]
    cached: Cached


@dataclass(frozen=True, slots=True)
class ApprovalHooks:
    open: OpenApproval
    record_break_glass: RecordBreakGlass


@dataclass(frozen=True, slots=True)
class _Case:
    """One command of one request for one cluster, with the one context that it is planned in."""

    request: CommandRequest
    command: Command
    verb: Verb
    context: PlanContext

    @property
    def cluster(self) -> str:
        return self.context.cluster.name


def operation_id(key: str) -> str:
    return "op-" + b32encode(hashlib.sha256(key.encode()).digest())[:12].decode().lower()


class CommandPipeline:
    def __init__(
        self,
        store: Store,
        clusters: Mapping[str, Cluster],
        executor: Executor,
        policy: Callable[[], Policy],
        inputs: PipelineInputs,
        approvals: ApprovalHooks,
    ) -> None:
        self._store = store
        self._clusters = clusters
        self._executor = executor
        self._policy = policy
        self._inputs = inputs
        self._approvals = approvals

    async def run(self, request: CommandRequest) -> CommandResult:
        """Run a request. Raises UserError and ClusterError, whose texts are for the person."""
        command = parse_request(request)
        if command.help:
            return CommandResult(helping.answer(command, self._policy().rules, request.actor))
        verb = supported_verb(command)
        command = with_thread_name(command, verb, request.subject)
        if verb.effect is Effect.READ and verb.plan is None:
            return CommandResult(await self._read(request, command, verb))
        if verb.effect is Effect.MEMORY:
            return CommandResult(await self._change_memory(request, command, verb))
        return await self._write(request, command, verb)

    async def accepts(self, request: CommandRequest) -> bool:
        """Return whether the line would be accepted if it was typed now. Writes nothing."""
        try:
            command = parse_request(request)
            if command.help:
                return False
            verb = supported_verb(command)
            await self._rehearse(request, with_thread_name(command, verb, request.subject), verb)
        except (UserError, ClusterError):
            return False
        return True

    async def replan(self, operation: Operation, stored: Plan, actor: Actor, origin: Origin) -> Replanned:
        """Plan the stored line again, with its original name and time and the current cluster and rules.

        Raises UserError if the command wouldn't be accepted now, ClusterError if the cluster can't be read.
        """
        command = command_of_plan(parse(operation.line), stored)
        verb = verb_of(command.key)
        if verb is None or verb.plan is None:
            raise UsageError(f"Command `{typed_words(command.key)}` no longer exists.")
        request = CommandRequest(operation.id, operation.line, actor, origin)
        self._check_may_ask(request, command, verb, operation.cluster)
        now = replace(self._inputs.context(request, operation.cluster, operation.id), reason=command.text("reason"))
        requester = replace(actor, name=requested_by(stored) or actor.name)
        then = replace(now, now=operation.created_at, actor=requester)
        case = _Case(request, verb.settle(command, then) if verb.settle else command, verb, then)
        facts, plan = await self._plan(case, cached=no_cache)
        check_guards(plan)
        plan = await self._add_preview(verb, resolve(plan, facts, then, verb.prepare))
        plan = replace(plan, fingerprint_version=stored.fingerprint_version)
        return Replanned(plan, await self._decide(plan, replace(case, context=now), facts))

    # reading

    async def _read(self, request: CommandRequest, command: Command, verb: Verb) -> Answer:
        assert verb.answer is not None
        names = target_clusters(command, request, verb, tuple(self._clusters))
        for name in names:
            self._check_may_ask(request, command, verb, name)
        only = names[0] if len(names) == 1 else ""
        context = self._inputs.context(request, only or request.channel_cluster, "")
        cases = {name: _Case(request, command, verb, self._context_on(name, request, context)) for name in names}
        results = await asyncio.gather(*(self._read_facts(case) for case in cases.values()), return_exceptions=True)
        facts_by_cluster: dict[str, Facts | ClusterError] = {}
        for name, result in zip(names, results, strict=True):
            if isinstance(result, BaseException) and not isinstance(result, ClusterError):
                raise result
            facts_by_cluster[name] = result
        errors = [result for result in facts_by_cluster.values() if isinstance(result, ClusterError)]
        if errors and len(errors) == len(names) and not verb.fans_out:
            raise errors[0]
        answer = await offload.run_offloaded(facts_by_cluster.values(), verb.answer, command, facts_by_cluster, context)
        return replace(answer, cluster=answer.cluster or only)

    def _context_on(self, cluster: str, request: CommandRequest, context: PlanContext) -> PlanContext:
        """The same moment on another cluster."""
        if cluster == context.cluster.name:
            return context
        return replace(self._inputs.context(request, cluster, ""), now=context.now)

    async def _change_memory(self, request: CommandRequest, command: Command, verb: Verb) -> Answer:
        change = await self._memory_change(request, command, verb)
        if change.write is not None and not command.dry_run:
            await self._store.write(change.write)
        return change.answer

    async def _memory_change(self, request: CommandRequest, command: Command, verb: Verb) -> MemoryChange:
        assert verb.change_memory is not None
        case = self._case(request, command, verb, "")
        facts = await self._read_facts(case)
        change = verb.change_memory(case.command, facts, case.context)
        return replace(change, answer=replace(change.answer, cluster=case.cluster))

    async def _read_facts(self, case: _Case, cached: Cached | None = None) -> Facts:
        """Read the facts that the verb needs, reduced to those that the actor may see. Raises ClusterError."""
        request, rules = case.request, self._policy().rules

        def redact(facts: Facts) -> None:
            about = cluster_facts(facts, case.context)
            view = view_for(rules, request.actor, case.cluster, case.command.key, about.labels)
            redact_facts(facts, view, about)

        records = self._inputs.records(request.actor, request.origin.channel)
        cluster = self._clusters[case.cluster]
        return await read_facts(case.verb, case.command, cluster, records, cached or self._inputs.cached, redact)

    # planning

    def _case(self, request: CommandRequest, command: Command, verb: Verb, operation: str) -> _Case:
        """Raises UserError if the cluster isn't clear, or no rule could allow the command on it."""
        cluster = target_cluster(command, request, tuple(self._clusters))
        self._check_may_ask(request, command, verb, cluster)
        context = replace(self._inputs.context(request, cluster, operation), reason=command.text("reason"))
        settled = verb.settle(command, context) if verb.settle else command
        return _Case(request, settled, verb, context)

    async def _plan(self, case: _Case, cached: Cached | None = None) -> tuple[Facts, Plan]:
        assert case.verb.plan is not None
        facts = await self._read_facts(case, cached)
        plan = await offload.run_offloaded([facts], case.verb.plan, case.command, facts, case.context)
        return facts, with_list_guards(plan)

    async def _add_preview(self, verb: Verb, plan: Plan) -> Plan:
        """Add the preview, for people who may run the command: the bot's own permissions read the live objects."""
        if verb.preview is None:
            return plan
        return await PREVIEWS[verb.preview](plan, self._clusters[plan.cluster])

    async def _decide(self, plan: Plan, case: _Case, facts: Facts) -> Decision:
        policy = self._policy()
        verb = f"{plan.noun}.{plan.verb}"
        approvers = [name for rule in policy.rules if rule.is_about_verb(verb) for name in rule.approvals.approvers]
        directory = await policy.directory(approvers)
        return decide(
            policy.rules,
            case.request.actor,
            plan,
            case.context.now,
            directory,
            labels=cluster_facts(facts, case.context).labels,
            reason=case.command.reason,
            break_glass=case.command.has_flag("break-glass"),
        )

    async def _rehearse(self, request: CommandRequest, command: Command, verb: Verb) -> None:
        """Everything up to the decision. Raises UserError and ClusterError as the line itself would."""
        if verb.effect is Effect.MEMORY:
            await self._memory_change(request, command, verb)
            return
        if verb.plan is None:
            await self._read(request, command, verb)
            return
        case = self._case(request, command, verb, operation_id(request.key))
        facts, plan = await self._plan(case)
        decision = await self._decide(plan, case, facts)
        check_guards(plan)
        if decision.outcome is Outcome.DENY:
            raise Refused(decision.text)

    # writing

    async def _write(self, request: CommandRequest, command: Command, verb: Verb) -> CommandResult:
        operation = operation_id(request.key)
        begun = await self._store.read(lambda tx: tx.operations.get(operation))
        if begun is not None:
            return await self._resume(begun)
        case = self._case(request, command, verb, operation)
        facts, plan = await self._plan(case)
        if command.dry_run or verb.effect is Effect.READ:
            return CommandResult(await self._dry_run(case, facts, plan))
        check_guards(plan)
        if not plan.steps:
            return CommandResult(Answer(plan.summary or "Nothing to change.", cluster=case.cluster))
        plan = resolve(plan, facts, case.context, verb.prepare)
        decision = await self._decide(plan, case, facts)
        if decision.outcome is Outcome.DENY:
            await self._record_refused(case, plan, decision)
            raise denied(decision)
        plan = await self._add_preview(verb, plan)
        check_guards(plan)
        question = confirmation(plan, case.command, case.context)
        if question is not None:
            return CommandResult(question)
        if decision.outcome is Outcome.REQUIRE_APPROVAL:
            return await self._open_approval(case, plan, decision)
        return await self._run_now(case, plan, decision)

    async def _dry_run(self, case: _Case, facts: Facts, plan: Plan) -> Answer:
        decision = await self._decide(plan, case, facts)
        output = case.command.text("output")
        if decision.outcome is not Outcome.DENY and not output:
            resolved = resolve(plan, facts, case.context, case.verb.prepare)
            previewed = await self._add_preview(case.verb, resolved)
            plan = replace(previewed, steps=plan.steps)
        return helping.dry_run(plan, decision, output)

    async def _open_approval(self, case: _Case, plan: Plan, decision: Decision) -> CommandResult:
        if case.command.has_flag("break-glass"):
            raise Refused(
                "You don't have permission to use break-glass here.",
                why=rule_text(decision),
                fix="Remove --break-glass to request approval.",
            )
        duplicate = await self._store.read(lambda tx: find_open_duplicate(tx, case.cluster, case.command))
        if duplicate is not None:
            return _already_requested(duplicate)
        operation = _planned_operation(case, plan)
        answer = await self._approvals.open(operation, plan, decision, case.request)
        return CommandResult(answer, operation)

    async def _run_now(self, case: _Case, plan: Plan, decision: Decision) -> CommandResult:
        approved = _planned_operation(case, plan).advance(State.APPROVED, case.context.now)

        def record(tx: Transaction) -> Operation | None:
            """Return the open operation that already requests the same, if there is one."""
            duplicate = find_open_duplicate(tx, case.cluster, case.command)
            if duplicate is not None:
                return duplicate
            conflict = find_conflict(tx, approved, plan.reach)
            if conflict:
                raise Refused(conflict, fix="Try again when it has finished.")
            record_planned(tx, approved, plan, case.request, decision)
            if decision.reason is Reason.BREAK_GLASS:
                self._approvals.record_break_glass(tx, approved, plan, decision, case.request)
            return None

        try:
            duplicate = await self._store.write(record)
        except Refused as error:
            await self._record_refused(case, plan, decision, error.text)
            raise
        if duplicate is not None:
            return _already_requested(duplicate)
        done = await self._executor.execute(allowed(decision, approved.id, plan.fingerprint))
        return CommandResult(None, done.operation)

    async def _record_refused(self, case: _Case, plan: Plan, decision: Decision, reason: str = "") -> None:
        planned = _planned_operation(case, plan)
        refused = planned.advance(State.REFUSED, case.context.now, reason=reason or planned.reason)
        await self._store.write(lambda tx: record_planned(tx, refused, plan, case.request, decision))

    async def _resume(self, operation: Operation) -> CommandResult:
        """Return the operation of a command that was processed before a crash. A granted one continues, a refused one stays refused."""
        if operation.state in {State.APPROVED, State.SUBMITTING}:
            with suppress(ConcurrentChange):  # the recovery at the start may be faster
                await self._executor.recover(operation)
        current = await self._store.read(lambda tx: tx.operations.get(operation.id))
        if current is not None and current.state is State.REFUSED:
            raise Refused("This command was refused before.", why=current.reason)
        return CommandResult(None, current)

    # clusters and rights

    def _check_may_ask(self, request: CommandRequest, command: Command, verb: Verb, cluster: str) -> None:
        rules, writes = self._policy().rules, verb.effect is Effect.WRITE
        decision = may_ask(rules, request.actor, command.key, cluster, writes=writes)
        if decision.outcome is Outcome.DENY:
            raise denied(decision)


def _planned_operation(case: _Case, plan: Plan) -> Operation:
    """`created_at` is the time of planning, so that planning again gives the same names."""
    now = case.context.now
    return Operation(
        id=case.context.operation,
        cluster=plan.cluster,
        noun=plan.noun,
        verb=plan.verb,
        subject=plan.subject,
        actor=case.request.actor.id,
        state=State.PLANNED,
        line=case.command.line,
        fingerprint=plan.fingerprint,
        created_at=now,
        changed_at=now,
        reason=case.command.text("break-glass") or case.command.reason,
    )


def _already_requested(operation: Operation) -> CommandResult:
    text = f"Already requested: {operation.line}. It is {operation.state}."
    return CommandResult(Answer(text, cluster=operation.cluster), operation)
