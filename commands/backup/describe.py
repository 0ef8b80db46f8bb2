"""`backup describe`: the outcome, volumes without data and errors first; everything else is in an attached file."""

from __future__ import annotations

from commands.backup import details_file
from commands.backup.findings import DATA_LABELS, BackupFindings, findings_needs, has_ended, read_findings
from commands.backup.get import FILTERS, creator, namespaces_of
from commands.grammar.command import Command
from commands.grammar.flags import BOOL, TEXT, Flag, choice
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import object_fields, selection
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, FactsByCluster, Needs, ObjectNeed
from commands.planning.hints import find_hint
from commands.planning.output import FIND, with_cluster_flag
from domain.answer import Answer, Attachment, Button, Code, Fields, Part, Table, Text, Tone
from domain.counting import counted, plural_of
from domain.errors import ClusterError, NotFound, Refused
from domain.json_types import Json
from domain.wildcards import matches_wildcard
from velero.artifacts.results import ResultEntry, group_by_message
from velero.artifacts.volumes import Volume, VolumeDataState
from velero.phases import BACKUP_PHASES

MAX_LISTED = 5
PHASE_TONES = {
    "Completed": Tone.GOOD,
    "Failed": Tone.BAD,
    "FailedValidation": Tone.BAD,
    "PartiallyFailed": Tone.WARNING,
}

FLAGS: tuple[Flag, ...] = (
    FILTERS[0],
    Flag("details", BOOL, "Also list all objects in the backup", group="Output"),
    FIND,
    Flag("output", choice("plaintext", "json", ""), "Output format: plaintext or json", short="o", group="Output"),
    Flag("insecure-skip-tls-verify", BOOL, "Accepted but ignored: certificates are always verified", hidden=True),
    Flag("cacert", TEXT, "Accepted but ignored: the certificate comes from the settings", hidden=True),
)


def needs(cmd: Command, known: Facts) -> Needs:
    first = selection.named_needs(cmd, known, "backups")
    item = known.get("backups", cmd.name) if len(cmd.names) == 1 else None
    shown = item is not None and ("backups", cmd.name) not in known.redacted
    more = (
        findings_needs(item, details=cmd.is_true("details"), items=cmd.has_flag("find"))
        if shown and item is not None
        else ()
    )
    return Needs.of(*first, ObjectNeed("namespaces", optional=True), *more)


def answer(cmd: Command, facts_by_cluster: FactsByCluster, context: PlanContext) -> Answer:
    cluster, facts = next(iter(facts_by_cluster.items()))
    if isinstance(facts, ClusterError):
        raise facts
    for name in cmd.names:
        if facts.get("backups", name) is None:
            raise NotFound(f"Backup `{name}` doesn't exist in {cluster}.", nearest=facts.nearest("backups", name))
    chosen = (
        [facts.objects["backups"][name] for name in dict.fromkeys(cmd.names)] if cmd.names else facts.all("backups")
    )
    if len(chosen) != 1:
        return describe_several(chosen, facts, context)
    item = chosen[0]
    if ("backups", object_fields.name(item)) in facts.redacted:
        return describe_redacted(cmd, item, context)
    return describe_one(cmd, read_findings(facts, item), context)


def describe_one(cmd: Command, findings: BackupFindings, context: PlanContext) -> Answer:
    item, name = findings.item, object_fields.name(findings.item)
    namespaces = namespaces_of([item])
    if cmd.text("output") == "json":
        return Answer(headline(findings), (Code(details_file.as_json(findings), "json"),), namespaces=namespaces)
    if cmd.has_flag("find"):
        return _find(cmd, findings, namespaces)
    body = "\n".join(details_file.detail_lines(findings, context.timezone, details=cmd.is_true("details")))
    parts: list[Part] = [
        Fields(summary_fields(findings, context)),
        *_running_part(item),
        *_volumes_without_data(findings),
        *_errors(findings),
        *_volume_table(findings),
        *(Text(why) for why in findings.unread[:3]),
        Attachment(f"{name}.txt", body, f"Full description of {name}"),
    ]
    return Answer(headline(findings), tuple(parts), tone(findings), _buttons(item, context), namespaces=namespaces)


def headline(findings: BackupFindings) -> str:
    item, status = findings.item, object_fields.status(findings.item)
    parts = [f"{object_fields.name(item)}: {object_fields.phase(item)}"]
    errors, warnings = object_fields.number(status.get("errors")), object_fields.number(status.get("warnings"))
    parts += [counted(count, word) for count, word in ((errors, "error"), (warnings, "warning")) if count]
    parts += (
        [f"{counted(len(findings.volumes_without_data), 'volume')} without data"]
        if findings.volumes_without_data
        else []
    )
    return ", ".join(parts)


def tone(findings: BackupFindings) -> Tone:
    phase_tone = PHASE_TONES.get(object_fields.phase(findings.item), Tone.PLAIN)
    return Tone.WARNING if phase_tone is Tone.GOOD and findings.volumes_without_data else phase_tone


def summary_fields(findings: BackupFindings, context: PlanContext) -> tuple[tuple[str, str], ...]:
    item, status, spec = findings.item, object_fields.status(findings.item), object_fields.spec(findings.item)
    started, ended = object_fields.created(item), object_fields.parse_time(status.get("completionTimestamp"))
    expires = object_fields.parse_time(status.get("expiration"))
    duration = f" ({object_fields.format_span(ended - started)})" if started and ended else ""
    rows = [
        (
            "Namespaces",
            "all"
            if (spec.get("includedNamespaces") or ["*"]) == ["*"]
            else ", ".join(map(str, spec["includedNamespaces"])),
        ),
        ("Started", f"{object_fields.format_time(started, context.timezone)}{duration}"),
        ("Items", details_file.items_text(item)),
        ("Expires", object_fields.relative_time(expires, context.now) if expires else "-"),
        ("Storage location", str(spec.get("storageLocation") or "-")),
        ("Created by", creator(item)),
    ]
    return tuple([*rows, ("Volume data", object_fields.format_size(findings.size))] if findings.size else rows)


def _running_part(item: Json) -> list[Part]:
    if has_ended(item):
        return []
    status = object_fields.status(item)
    if object_fields.phase(item) in BACKUP_PHASES.queued:
        return [Text(_queue_text(object_fields.number(status.get("queuePosition"))))]
    total = details_file.total_items(item)
    running = f"Running: {details_file.items_text(item)} {plural_of(total, 'item')}." if total else "Running."
    if "Finaliz" not in object_fields.phase(item):
        return [Text(running)]
    waiting = "Waiting for the object store: backups stay in Finalizing while their storage location is Unavailable."
    return [Text(f"{running} {waiting}")]


def _queue_text(position: int) -> str:
    """Return how long the queue is; position 0 means that Velero hasn't assigned one."""
    if position < 1:
        return "Not started."
    return (
        f"Not started. {counted(position - 1, 'backup')} ahead in the queue."
        if position > 1
        else "Not started. Next in the queue."
    )


def _volumes_without_data(findings: BackupFindings) -> list[Part]:
    if findings.volumes is None and not has_ended(findings.item):
        return []
    lines = [f"• {one.shown}: {reason(one)}" for one in findings.volumes_without_data[:MAX_LISTED]]
    if not lines:
        return []
    more = (
        [f"• and {len(findings.volumes_without_data) - MAX_LISTED} more in the attached file"]
        if len(findings.volumes_without_data) > MAX_LISTED
        else []
    )
    return [Text("\n".join(["No data for these volumes:", *lines, *more]))]


def reason(one: Volume) -> str:
    if one.data is VolumeDataState.FAILED:
        return "data backup failed"
    return "; ".join(one.why) or "no backup method applied"


def _errors(findings: BackupFindings) -> list[Part]:
    status = object_fields.status(findings.item)
    invalid = [str(each) for each in status.get("validationErrors") or []]
    failure = [str(status["failureReason"])] if status.get("failureReason") else []
    messages = [*invalid, *failure]
    if findings.results is not None:
        messages += _groups(findings.results.errors) or _groups(findings.results.warnings[:50])
    if not messages:
        return []
    parts: list[Part] = [Text("\n".join(f"• {each}" for each in messages[:MAX_LISTED]), untrusted=True)]
    advice = find_hint(messages)
    return [*parts, Text(advice)] if advice else parts


def _groups(entries: tuple[ResultEntry, ...]) -> list[str]:
    groups = group_by_message(entries)
    return [
        f"{group.message}"
        + (f" ({group.entries[0].subject})" if len(group.entries) == 1 and group.entries[0].subject else "")
        + (f" × {len(group.entries)}" if len(group.entries) > 1 else "")
        for group in groups[:3]
    ]


def _volume_table(findings: BackupFindings) -> list[Part]:
    progress = {one.volume: one.progress_text for one in findings.progress}
    rows = [
        (
            one.shown,
            one.method or "-",
            DATA_LABELS[one.data],
            progress.get(one.shown) or (object_fields.format_size(one.size) if one.size else "-"),
        )
        for one in findings.volumes or ()
    ]
    if findings.volumes is None:
        rows = [(one.volume, "-", one.phase or "New", one.progress_text) for one in findings.progress]
    return [Table(("VOLUME", "METHOD", "DATA", "SIZE"), tuple(rows), "Volumes")] if rows else []


def _find(cmd: Command, findings: BackupFindings, namespaces: frozenset[str]) -> Answer:
    name = object_fields.name(findings.item)
    if findings.listed is None:
        why = "; ".join(findings.unread) or "Available when the backup has finished."
        raise Refused(f"The contents of {name} can't be read.", why=why)
    kind, slash, wanted = cmd.text("find").rpartition("/")
    matches = [
        (f"{one.kind}", one.namespace or "-", one.name)
        for one in findings.listed
        if _name_matches(wanted, one.name) and (not slash or _kind_matches(kind, one.kind))
    ]
    if not matches:
        return Answer(
            f"Nothing in {name} matches `{cmd.text('find')}`.",
            (Text(f"{name} contains {counted(len(findings.listed), 'object')}."),),
            Tone.WARNING,
        )
    return Answer(
        f"{counted(len(matches), 'object')} in {name}",
        (Table(("KIND", "NAMESPACE", "NAME"), tuple(matches)),),
        namespaces=namespaces,
    )


def _name_matches(wanted: str, name: str) -> bool:
    return matches_wildcard(wanted, name) if any(character in wanted for character in "*?[") else wanted in name


def _kind_matches(wanted: str, kind: str) -> bool:
    return kind.lower() in {
        wanted.lower(),
        wanted.lower().removesuffix("s"),
        wanted.lower().removesuffix("es"),
    } or wanted in {"", "*"}


def _buttons(item: Json, context: PlanContext) -> tuple[Button, ...]:
    name, phase = object_fields.name(item), object_fields.phase(item)

    def button(text: str, line: str, **more: str) -> Button:
        return Button(text, with_cluster_flag(line, context), **more)

    buttons = (
        [button("View logs", f"backup logs {name}")]
        if has_ended(item)
        else [button("Refresh", f"backup describe {name}")]
    )
    if phase in {"Completed", "PartiallyFailed"}:
        buttons.append(button("Preview restore", f"restore create --from-backup {name} --dry-run"))
    if phase in BACKUP_PHASES.queued:
        buttons.append(
            button(
                "Remove from queue",
                f"backup cancel {name}",
                style="danger",
                confirm=f"Remove {name} from the queue?",
                dismiss="Keep backup",
            )
        )
    return tuple(buttons)


def describe_redacted(cmd: Command, item: Json, context: PlanContext) -> Answer:
    """Answer someone who may access only some of its namespaces: result and times, without files, errors or other names."""
    if cmd.has_flag("find") or cmd.is_true("details"):
        raise Refused(
            f"You don't have permission to list the contents of {object_fields.name(item)}: it includes other namespaces.",
            fix=f"backup describe {object_fields.name(item)}",
        )
    findings = BackupFindings(item)
    accessible = [
        name for name in object_fields.spec(item).get("includedNamespaces") or [] if not str(name).startswith("(")
    ]
    note = Text("This backup includes namespaces you can't access. Logs, errors and contents are hidden.")
    return Answer(
        f"{object_fields.name(item)}: {object_fields.phase(item)}",
        (Fields(summary_fields(findings, context)), note),
        tone(findings),
        namespaces=frozenset(map(str, accessible)),
    )


def describe_several(chosen: list[Json], facts: Facts, context: PlanContext) -> Answer:
    """Answer with a row per backup, and one file with the details of those that may be shown in full."""
    chosen = sorted(chosen, key=lambda item: str(object_fields.created(item) or ""), reverse=True)
    rows = tuple(
        (
            object_fields.name(item),
            object_fields.phase(item),
            str(object_fields.number(object_fields.status(item).get("errors"))),
            object_fields.format_time(object_fields.created(item), context.timezone),
        )
        for item in chosen
    )
    if not rows:
        return Answer("No backups found.")
    readable = [item for item in chosen if ("backups", object_fields.name(item)) not in facts.redacted]
    body = "\n\n".join(
        "\n".join(details_file.detail_lines(BackupFindings(item), context.timezone)) for item in readable
    )
    parts = (Table(("NAME", "STATUS", "ERRORS", "CREATED"), rows), Attachment("backups.txt", body, "All backups"))
    return Answer(counted(len(rows), "backup"), parts if readable else parts[:1], namespaces=namespaces_of(readable))


DESCRIBE = Verb(
    noun="backup",
    name="describe",
    summary="Show a backup: result, volumes without data, errors",
    effect=Effect.READ,
    args=Args("NAME", 0, 50, "backups"),
    flags=FLAGS,
    needs=needs,
    answer=answer,
    examples=(
        "backup describe shop-1",
        "backup describe shop-1 --find deployment/web",
        "backup describe shop-1 --details -o json",
    ),
)
