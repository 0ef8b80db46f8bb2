"""`backup describe`: for somebody in a hurry: the outcome, what is not protected, errors; the rest folded into a file."""

from __future__ import annotations

from commands.backup import details_file
from commands.backup.findings import BackupFindings, findings_needs, has_ended, read_findings
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
ROWS = 15
PHASE_TONES = {
    "Completed": Tone.GOOD,
    "Failed": Tone.BAD,
    "FailedValidation": Tone.BAD,
    "PartiallyFailed": Tone.WARNING,
}
DATA_LABELS = {
    VolumeDataState.IN_LOCATION: "storage location",
    VolumeDataState.IN_SNAPSHOT: "snapshot",
    VolumeDataState.UNDER_WAY: "in progress",
    VolumeDataState.FAILED: "FAILED",
    VolumeDataState.NONE: "no data",
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


def answer(cmd: Command, world: FactsByCluster, context: PlanContext) -> Answer:
    facts = next(iter(world.values()))
    if isinstance(facts, ClusterError):
        raise facts
    for name in cmd.names:
        if facts.get("backups", name) is None:
            raise NotFound(f"Backup `{name}` doesn't exist.", nearest=facts.nearest("backups", name))
    chosen = (
        [facts.objects["backups"][name] for name in dict.fromkeys(cmd.names)] if cmd.names else facts.all("backups")
    )
    if len(chosen) != 1:
        return describe_several(chosen, facts, context)
    item = chosen[0]
    if ("backups", object_fields.name(item)) in facts.redacted:
        return describe_redacted(cmd, item, context)
    return describe_one(cmd, read_findings(facts, item), context)


def describe_one(cmd: Command, about: BackupFindings, context: PlanContext) -> Answer:
    item, name = about.item, object_fields.name(about.item)
    told = namespaces_of([item])
    if cmd.text("output") == "json":
        return Answer(headline(about), (Code(details_file.as_json(about), "json"),), namespaces=told)
    if cmd.has_flag("find"):
        return _searched(cmd, about, told)
    body = "\n".join(details_file.detail_lines(about, context.timezone, details=cmd.is_true("details")))
    parts: list[Part] = [
        Fields(summary_fields(about, context)),
        *_running(item),
        *_unprotected(about),
        *_wrong(about),
        *_volume_table(about),
        *(Text(why, untrusted=True) for why in about.unread[:3]),
        Attachment(f"{name}.txt", body, f"Full description of {name}"),
    ]
    return Answer(headline(about), tuple(parts), tone(about), _buttons(item, context), namespaces=told)


def headline(about: BackupFindings) -> str:
    item, status = about.item, object_fields.status(about.item)
    parts = [f"{object_fields.name(item)}: {object_fields.phase(item)}"]
    errors, warnings = object_fields.number(status.get("errors")), object_fields.number(status.get("warnings"))
    parts += [counted(count, word) for count, word in ((errors, "error"), (warnings, "warning")) if count]
    parts += (
        [f"{counted(len(about.volumes_without_data), 'volume')} without data"] if about.volumes_without_data else []
    )
    return ", ".join(parts)


def tone(about: BackupFindings) -> Tone:
    found_tone = PHASE_TONES.get(object_fields.phase(about.item), Tone.PLAIN)
    return Tone.WARNING if found_tone is Tone.GOOD and about.volumes_without_data else found_tone


def summary_fields(about: BackupFindings, context: PlanContext) -> tuple[tuple[str, str], ...]:
    item, status, spec = about.item, object_fields.status(about.item), object_fields.spec(about.item)
    started, over = object_fields.created(item), object_fields.parse_time(status.get("completionTimestamp"))
    expires = object_fields.parse_time(status.get("expiration"))
    took = f" ({object_fields.format_span(over - started)})" if started and over else ""
    rows = [
        (
            "Namespaces",
            "all"
            if (spec.get("includedNamespaces") or ["*"]) == ["*"]
            else ", ".join(map(str, spec["includedNamespaces"])),
        ),
        ("Started", f"{object_fields.format_time(started, context.timezone)}{took}"),
        ("Items", details_file.items_text(item)),
        ("Expires", object_fields.relative_time(expires, context.now) if expires else "-"),
        ("Storage location", str(spec.get("storageLocation") or "-")),
        ("Created by", creator(item)),
    ]
    return tuple([*rows, ("Volume data", object_fields.format_size(about.size))] if about.size else rows)


def _running(item: Json) -> list[Part]:
    if has_ended(item):
        return []
    status = object_fields.status(item)
    place = object_fields.number(status.get("queuePosition"))
    if object_fields.phase(item) in BACKUP_PHASES.queued:
        return [Text(f"Not started yet: {place - 1} before it in the queue." if place > 1 else "Not started.")]
    waits = (
        "  Waiting for the object store: backups stay in Finalizing while their storage location is Unavailable."
        if "Finaliz" in object_fields.phase(item)
        else ""
    )
    return [
        Text(f"Running: {details_file.items_text(item)} {plural_of(details_file.total_items(item), 'item')}.{waits}")
    ]


def _unprotected(about: BackupFindings) -> list[Part]:
    if about.volumes is None and not has_ended(about.item):
        return []
    said = [f"• {one.shown}: {reason(one)}" for one in about.volumes_without_data[:MAX_LISTED]]
    if not said:
        return []
    more = (
        [f"… and {len(about.volumes_without_data) - MAX_LISTED} more in the attached file"]
        if len(about.volumes_without_data) > MAX_LISTED
        else []
    )
    return [Text("\n".join(["No data for these volumes:", *said, *more]), untrusted=True)]


def reason(one: Volume) -> str:
    if one.data is VolumeDataState.FAILED:
        return "data backup failed"
    return "; ".join(one.why) or "no backup method applied"


def _wrong(about: BackupFindings) -> list[Part]:
    status = object_fields.status(about.item)
    invalid = [str(each) for each in status.get("validationErrors") or []]
    failure = [str(status["failureReason"])] if status.get("failureReason") else []
    said = [*invalid, *failure]
    if about.results is not None:
        said += _groups(about.results.errors) or _groups(about.results.warnings[:50])
    if not said:
        return []
    parts: list[Part] = [Text("\n".join(f"• {each}" for each in said[:MAX_LISTED]), untrusted=True)]
    advice = find_hint(said)
    return [*parts, Text(advice)] if advice else parts


def _groups(entries: tuple[ResultEntry, ...]) -> list[str]:
    groups = group_by_message(entries)
    return [
        f"{group.message}"
        + (f" ({group.entries[0].subject})" if len(group.entries) == 1 and group.entries[0].subject else "")
        + (f" × {len(group.entries)}" if len(group.entries) > 1 else "")
        for group in groups[:3]
    ]


def _volume_table(about: BackupFindings) -> list[Part]:
    progress = {one.volume: one.progress_text for one in about.progress}
    rows = [
        (
            one.shown,
            one.method or "-",
            DATA_LABELS[one.data],
            progress.get(one.shown) or (object_fields.format_size(one.size) if one.size else "-"),
        )
        for one in about.volumes or ()
    ]
    if about.volumes is None:
        rows = [(one.volume, "-", one.phase or "New", one.progress_text) for one in about.progress]
    return [Table(("VOLUME", "METHOD", "DATA", "SIZE"), tuple(rows), "Volumes")] if rows else []


def _searched(cmd: Command, about: BackupFindings, told: frozenset[str]) -> Answer:
    name = object_fields.name(about.item)
    if about.listed is None:
        why = "; ".join(about.unread) or "Available when the backup has finished."
        raise Refused(f"The contents of {name} can't be read.", why=why)
    kind, slash, wanted = cmd.text("find").rpartition("/")
    hits = [
        (f"{one.kind}", one.namespace or "-", one.name)
        for one in about.listed
        if _fits(wanted, one.name) and (not slash or _kind_fits(kind, one.kind))
    ]
    if not hits:
        return Answer(
            f"Nothing in {name} matches `{cmd.text('find')}`.",
            (Text(f"It holds {counted(len(about.listed), 'object')}."),),
            Tone.WARNING,
        )
    return Answer(
        f"{counted(len(hits), 'object')} in {name}",
        (Table(("KIND", "NAMESPACE", "NAME"), tuple(hits)),),
        namespaces=told,
    )


def _fits(wanted: str, name: str) -> bool:
    return matches_wildcard(wanted, name) if any(sign in wanted for sign in "*?[") else wanted in name


def _kind_fits(wanted: str, kind: str) -> bool:
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
    """For somebody of whose namespaces it holds some: how it ended and when, no files, no errors, nobody else's names."""
    if cmd.has_flag("find") or cmd.is_true("details"):
        raise Refused(
            f"You don't have permission to list the contents of {object_fields.name(item)}: it includes other namespaces.",
            fix=f"backup describe {object_fields.name(item)}",
        )
    about = BackupFindings(item)
    mine = [name for name in object_fields.spec(item).get("includedNamespaces") or [] if not str(name).startswith("(")]
    note = Text("This backup includes namespaces you can't access. Logs, errors and contents are hidden.")
    return Answer(
        f"{object_fields.name(item)}: {object_fields.phase(item)}",
        (Fields(summary_fields(about, context)), note),
        tone(about),
        namespaces=frozenset(map(str, mine)),
    )


def describe_several(chosen: list[Json], facts: Facts, context: PlanContext) -> Answer:
    """More than one: a line each, and the sheets of those that may be seen in full in one file."""
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
    open_ones = [item for item in chosen if ("backups", object_fields.name(item)) not in facts.redacted]
    body = "\n\n".join(
        "\n".join(details_file.detail_lines(BackupFindings(item), context.timezone)) for item in open_ones
    )
    parts = (Table(("NAME", "STATUS", "ERRORS", "CREATED"), rows), Attachment("backups.txt", body, "All backups"))
    return Answer(counted(len(rows), "backup"), parts if open_ones else parts[:1], namespaces=namespaces_of(open_ones))


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
