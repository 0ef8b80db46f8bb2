"""`restore describe`: what a restore read and wrote, what failed, and what to check next."""

from __future__ import annotations

import yaml

from commands.grammar.command import Command
from commands.grammar.flags import BOOL, TEXT, Flag, choice
from commands.grammar.verb import Args, Effect, Verb
from commands.planning import object_fields
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, FactsByCluster, FileNeed, MissingFile, Needs, ObjectNeed
from commands.planning.resolve import REASON
from commands.restore.create import DESCRIPTION
from commands.restore.get import creator
from commands.restore.outcome import RestoreOutcome, lines, routine_line, summarize_restore
from domain.answer import Answer, Attachment, Button, Code, Fields, Part, Text, Tone
from domain.errors import ClusterError, DownloadError, NotFound
from domain.json_types import Json
from velero.artifacts.results import results_of

RESULTS = "RestoreResults"
TOUCHED = "RestoreResourceList"
ENDED = frozenset({"Completed", "PartiallyFailed", "Failed"})
TONES = {"Completed": Tone.GOOD, "PartiallyFailed": Tone.WARNING, "Failed": Tone.BAD, "FailedValidation": Tone.BAD}


def needs(cmd: Command, known: Facts) -> Needs:
    item = known.get("restores", cmd.name)
    hidden = ("restores", cmd.name) in known.redacted
    files = item is not None and not hidden and object_fields.phase(item) in ENDED
    backup = str(object_fields.spec(item).get("backupName", "")) if item is not None else ""
    return Needs.of(
        ObjectNeed("restores", cmd.name, fresh=True),
        ObjectNeed("backups", backup, optional=True) if backup else None,
        ObjectNeed("namespaces", optional=True),
        FileNeed(RESULTS, cmd.name) if files else None,
        FileNeed(TOUCHED, cmd.name) if files and cmd.is_true("details") else None,
    )


def answer(cmd: Command, world: FactsByCluster, context: PlanContext) -> Answer:
    facts = next(iter(world.values()))
    if isinstance(facts, ClusterError):
        raise facts
    item = facts.get("restores", cmd.name)
    if item is None:
        raise NotFound(
            f"Restore `{cmd.name}` doesn't exist in {facts.cluster}.", nearest=facts.nearest("restores", cmd.name)
        )
    if cmd.text("output") in {"yaml", "json"}:
        return Answer(cmd.name, (Code(yaml.safe_dump(item, sort_keys=False), "yaml"),))
    phase = object_fields.phase(item)
    parts: list[Part] = [Fields(_rows(item, facts, context)), *_failure_reasons(item), *_results(cmd, facts)]
    if cmd.is_true("details"):
        parts.append(Attachment(f"{cmd.name}.yaml", yaml.safe_dump(item, sort_keys=False), f"Manifest of {cmd.name}"))
        touched = facts.files.get(FileNeed(TOUCHED, cmd.name))
        if isinstance(touched, bytes):
            parts.append(Attachment(f"{cmd.name}-resources.json", touched.decode(errors="replace"), "Restored objects"))
    return Answer(
        f"Restore {cmd.name}: {phase}",
        tuple(parts),
        TONES.get(phase, Tone.PLAIN),
        buttons=(Button("View logs", f"restore logs {cmd.name}"),) if phase in ENDED else (),
        namespaces=_namespaces(item, facts),
    )


def _namespaces(item: Json, facts: Facts) -> frozenset[str]:
    spec = object_fields.spec(item)
    included = spec.get("includedNamespaces") or ["*"]
    if "*" in included:
        backup = facts.get("backups", str(spec.get("backupName", "")))
        included = (object_fields.spec(backup).get("includedNamespaces") if backup else None) or ["*"]
    mapped = spec.get("namespaceMapping") or {}
    return frozenset([*included, *(mapped.get(name, name) for name in included)])


def _rows(item: Json, facts: Facts, context: PlanContext) -> tuple[tuple[str, str], ...]:
    spec, status = object_fields.spec(item), object_fields.status(item)
    progress = status.get("progress") or {}
    begun, ended = (object_fields.parse_time(status.get(key)) for key in ("startTimestamp", "completionTimestamp"))
    mapped = ", ".join(f"{old} → {new}" for old, new in (spec.get("namespaceMapping") or {}).items())
    rows = [
        ("Backup", _source(spec, facts, context)),
        ("Requested by", creator(item)),
        ("Reason", str(object_fields.annotations_of(item).get(REASON) or "")),
        ("Description", str(object_fields.annotations_of(item).get(DESCRIPTION) or "")),
        ("Namespaces", _list(spec, "Namespaces")),
        ("Resources", _list(spec, "Resources")),
        ("Namespace mapping", mapped),
        (
            "Existing objects",
            "Update from backup" if spec.get("existingResourcePolicy") == "update" else "Leave unchanged",
        ),
        ("Cluster-scoped resources", _switch(spec.get("includeClusterResources"))),
        ("Volumes", _switch(spec.get("restorePVs"))),
        ("Items", f"{progress.get('itemsRestored', 0)} of {progress.get('totalItems', 0)}" if progress else ""),
        (
            "Errors / warnings",
            f"{object_fields.number(status.get('errors'))} / {object_fields.number(status.get('warnings'))}",
        ),
        ("Started", object_fields.format_time(begun, context.timezone)),
        ("Duration", object_fields.format_span(ended - begun) if begun and ended else ""),
    ]
    return tuple((label, value) for label, value in rows if value)


def _source(spec: Json, facts: Facts, context: PlanContext) -> str:
    name = str(spec.get("backupName") or "-")
    backup = facts.get("backups", name)
    return f"{name} ({object_fields.format_time(object_fields.created(backup), context.timezone)})" if backup else name


def _list(spec: Json, what: str) -> str:
    included = ", ".join(spec.get(f"included{what}") or ["all"])
    excluded = ", ".join(spec.get(f"excluded{what}") or [])
    return (included if included != "*" else "all") + (f" except {excluded}" if excluded else "")


def _switch(value: object) -> str:
    return {True: "yes", False: "no"}.get(value, "auto") if isinstance(value, bool) else "auto"


def _failure_reasons(item: Json) -> list[Part]:
    status = object_fields.status(item)
    reasons = [
        *(status.get("validationErrors") or []),
        *([status["failureReason"]] if status.get("failureReason") else []),
    ]
    return [Text("\n".join(map(str, reasons)), untrusted=True)] if reasons else []


def _results(cmd: Command, facts: Facts) -> list[Part]:
    body = facts.files.get(FileNeed(RESULTS, cmd.name))
    if isinstance(body, MissingFile):
        return [Text(f"Errors and warnings can't be read: {body.why}")]
    if not isinstance(body, bytes):
        return []
    try:
        return describe_restore(summarize_restore(results_of(body)))
    except DownloadError as error:
        return [Text(f"{error.text} {error.why}")]


def describe_restore(found: RestoreOutcome) -> list[Part]:
    parts: list[Part] = []
    if found.errors:
        parts += [Text("Errors:"), Text(lines(found.errors), untrusted=True)]
    if found.warnings:
        parts += [Text("Warnings:"), Text(lines(found.warnings), untrusted=True)]
    if expected := routine_line(found):
        parts.append(Text(expected))
    if found.next_step:
        parts.append(Text(f"Next: {found.next_step}"))
    return parts


DESCRIBE = Verb(
    noun="restore",
    name="describe",
    summary="Show what a restore did and what failed",
    effect=Effect.READ,
    args=Args("NAME", 1, 1, "restores"),
    flags=(
        Flag("details", BOOL, "Attach the manifest and the list of restored objects", group="Output"),
        Flag(
            "output",
            choice("plaintext", "json", "yaml", ""),
            "Output format: plaintext, json or yaml",
            short="o",
            group="Output",
        ),
        Flag("insecure-skip-tls-verify", BOOL, "Accepted but ignored", hidden=True),
        Flag("cacert", TEXT, "Accepted but ignored", hidden=True),
    ),
    needs=needs,
    answer=answer,
    examples=("restore describe shop-1", "restore describe shop-1 --details"),
)
