"""The verb `audit`: the audit log, newest entries first. A rule has to allow it, since it shows what other people did."""

from __future__ import annotations

from commands.grammar.command import Command
from commands.grammar.flags import INT, PERSON, TEXT, Flag
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import object_fields, person_filter
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, FactsByCluster, Needs, RecordsNeed, RecordTable
from domain.answer import Answer, Table, Text
from domain.counting import counted
from domain.errors import ClusterError, UsageError
from store.tables.audit import AuditRow

MAX_ROWS = 200


def audit_need(cmd: Command, known: Facts) -> RecordsNeed:
    if cmd.names:
        return RecordsNeed(RecordTable.OPERATION_HISTORY, (("operation", cmd.name),))
    limit = cmd.number("limit", 20)
    if not 0 < limit <= MAX_ROWS:
        raise UsageError(
            f"--limit must be from 1 to {MAX_ROWS}.",
            why="To export the whole audit log, run `velero-chatops audit export`.",
            fix="audit --limit 50",
        )
    by = "\n".join(sorted(person_filter.person_names(cmd, "by", known)))
    query = (("limit", str(limit)), ("cluster", cmd.cluster), ("by", by), ("subject", cmd.text("subject")))
    return RecordsNeed(RecordTable.AUDIT, query)


def needs(cmd: Command, known: Facts) -> Needs:
    who = person_filter.person_need(cmd, "by")
    return Needs.of(who) if who is not None and who not in known.records else Needs.of(who, audit_need(cmd, known))


def answer(cmd: Command, world: FactsByCluster, context: PlanContext) -> Answer:
    facts = next(iter(world.values()))
    if isinstance(facts, ClusterError):
        raise facts
    found: list[AuditRow] = facts.records.get(audit_need(cmd, facts), [])
    chosen = [one for one in found if cmd.text("subject") in one.entry.subject and _by(cmd, one, facts)]
    if not chosen:
        return Answer("No matching entries in the audit log.")
    rows = tuple(_row(one, context) for one in chosen)
    columns = ("ENTRY", "AT", "WHO", "WHAT", "SUBJECT", "CLUSTER", "OUTCOME", "OPERATION")
    hint = Text(
        "`audit OPERATION` shows one operation. `velero-chatops audit verify` checks that the log is unchanged."
    )
    return Answer(
        f"Audit log: {counted(len(rows), 'entry', 'entries')}",
        (Table(columns, rows, "Audit log"), hint),
        namespaces=frozenset({"*"}),
    )


def _by(cmd: Command, one: AuditRow, facts: Facts) -> bool:
    """Whether the entry is by the wanted person. The entries of one operation are read unfiltered."""
    wanted = person_filter.person_names(cmd, "by", facts)
    names = {one.entry.actor.casefold(), str(one.entry.detail.get("actor", "")).casefold()}
    return not wanted or bool(wanted & names)


def _row(one: AuditRow, context: PlanContext) -> tuple[str, ...]:
    entry = one.entry
    return (
        str(one.seq),
        object_fields.format_time(entry.at, context.timezone),
        str(entry.detail.get("actor") or entry.actor),
        entry.action,
        entry.subject or "-",
        entry.cluster or "-",
        entry.outcome,
        entry.operation or "-",
    )


AUDIT = Verb(
    noun="audit",
    name="",
    summary="Show the audit log: who did what, newest first",
    effect=Effect.READ,
    args=Args("OPERATION", 0, 1),
    flags=(
        Flag("limit", INT, f"Number of entries (at most {MAX_ROWS})", group="Filter", ours=True),
        Flag("by", PERSON, "Filter by person", group="Filter", ours=True),
        Flag("subject", TEXT, "Filter by part of an object name", group="Filter", ours=True),
    ),
    needs=needs,
    answer=answer,
    examples=("audit", "audit --by ada --limit 50", "audit op-abcdefghijkl"),
)
