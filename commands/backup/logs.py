"""`backup logs`: shows Velero's own log of a backup, from the object store."""

from __future__ import annotations

from commands.grammar.command import Command
from commands.grammar.flags import BOOL, DURATION, TEXT, Flag
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import object_fields, selection
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, FactsByCluster, FileNeed, MissingFile, Needs, ObjectNeed
from domain.answer import Answer, Attachment, Text, Tone
from domain.counting import counted
from domain.errors import ClusterError, NotFound, Refused
from velero.artifacts.log_summary import MAX_TAIL_BYTES, LogSummary, summarize_log

PHASES_WITH_LOG = frozenset(
    {
        "Completed",
        "PartiallyFailed",
        "Failed",
        "WaitingForPluginOperations",
        "WaitingForPluginOperationsPartiallyFailed",
        "Finalizing",
        "FinalizingPartiallyFailed",
    }
)


def needs(cmd: Command, known: Facts) -> Needs:
    item = known.get("backups", cmd.name)
    readable = (
        item is not None
        and ("backups", cmd.name) not in known.redacted
        and object_fields.phase(item) in PHASES_WITH_LOG
    )
    return Needs.of(
        *selection.named_needs(cmd, known, "backups"),
        ObjectNeed("namespaces", optional=True),
        FileNeed("BackupLog", cmd.name) if readable else None,
    )


def answer(cmd: Command, facts_by_cluster: FactsByCluster, context: PlanContext) -> Answer:
    return answer_logs(cmd, facts_by_cluster, context, resource="backups", noun="backup", kind="BackupLog")


def answer_logs(
    cmd: Command, facts_by_cluster: FactsByCluster, _context: PlanContext, *, resource: str, noun: str, kind: str
) -> Answer:
    cluster, facts = next(iter(facts_by_cluster.items()))
    if isinstance(facts, ClusterError):
        raise facts
    item = facts.get(resource, cmd.name)
    if item is None:
        raise NotFound(
            f"{noun.capitalize()} `{cmd.name}` doesn't exist in {cluster}.", nearest=facts.nearest(resource, cmd.name)
        )
    if (resource, cmd.name) in facts.redacted:
        raise Refused(f"You don't have permission to view the logs of {cmd.name}: it includes other namespaces.")
    phase = object_fields.phase(item)
    log = facts.files.get(FileNeed(kind, cmd.name))
    if log is None:
        why = (
            f"Logs are available when the {noun} has finished."
            if phase != "FailedValidation"
            else f"Velero rejected the {noun} before it started."
        )
        return Answer(f"No logs for {cmd.name} ({phase}).", (Text(why),), Tone.WARNING)
    if isinstance(log, MissingFile):
        return Answer(f"The logs of {cmd.name} can't be read.", (Text(log.why),), Tone.WARNING)
    summary = summarize_log(log) if isinstance(log, bytes) else log
    parts = (_error_text(summary), Attachment(f"{cmd.name}.log", _log_text(summary), f"Logs of {cmd.name}"))
    head = f"Logs of {cmd.name}: {counted(summary.lines, 'line')}, {counted(summary.errors, 'error')}" + (
        f" (last {MAX_TAIL_BYTES >> 20} MiB)" if summary.bytes_left_out else ""
    )
    namespaces = frozenset(object_fields.spec(item).get("includedNamespaces") or ["*"])
    return Answer(head, parts, Tone.BAD if summary.errors else Tone.PLAIN, namespaces=namespaces)


def _error_text(summary: LogSummary) -> Text:
    if summary.error_lines:
        return Text("\n".join(summary.error_lines), untrusted=True)
    return Text(f"No error lines, {counted(summary.warnings, 'warning')}." if summary.warnings else "No error lines.")


def _log_text(summary: LogSummary) -> str:
    """The end of a long log, after a line that says how much of its beginning is left out."""
    text = summary.tail.decode(errors="replace")
    if not summary.bytes_left_out:
        return text
    left_out = object_fields.format_size(summary.bytes_left_out)
    return f"[The first {left_out} of the log are left out; errors are counted in the whole log.]\n{text}"


LOG_FLAGS: tuple[Flag, ...] = (
    Flag("timeout", DURATION, "How long to wait for the logs", group="Other"),
    Flag("insecure-skip-tls-verify", BOOL, "Accepted but ignored: certificates are always verified", hidden=True),
    Flag("cacert", TEXT, "Accepted but ignored: the certificate comes from the settings", hidden=True),
)

LOGS = Verb(
    noun="backup",
    name="logs",
    summary="Show the logs of a backup",
    effect=Effect.READ,
    args=Args("NAME", 1, 1, "backups"),
    flags=LOG_FLAGS,
    needs=needs,
    answer=answer,
    examples=("backup logs shop-1",),
)
