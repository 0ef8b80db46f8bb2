"""Chooses the backup that a restore reads, and pins it by name and uid."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from commands.general.check import is_narrowed
from commands.grammar.command import Command
from commands.planning import object_fields
from commands.planning.context import PlanContext
from commands.planning.facts import Facts, FileNeed, Need, ObjectNeed
from commands.restore.safety_backup import is_safety_backup
from commands.restore.translate import backups_of_schedule, newest
from domain.counting import plural_of
from domain.errors import DownloadError, NotFound, UsageError
from domain.json_types import Json
from domain.plan import digest
from domain.when import Direction
from domain.when import parse as parse_time
from policy.cluster_facts import BackupFacts
from policy.globs import any_matches, globs_overlap, is_pattern, is_valid_glob
from velero.artifacts.resource_list import resources_of
from velero.patterns import BadPattern, Pattern, compile_pattern

COMPLETED_PHASES = frozenset({"Completed"})
LIST = "BackupResourceList"


def source_needs(cmd: Command, known: Facts) -> tuple[Need, ...]:
    """The candidate backups, and the contents of the one that is likely chosen."""
    named = cmd.text("from-backup")
    lookups: list[Need] = [ObjectNeed("backups", named, fresh=True)] if named else [ObjectNeed("backups", fresh=True)]
    found = likely_sources(cmd, known)
    if found is not None and readable(found, known):
        lookups.append(FileNeed(LIST, object_fields.name(found)))
    return tuple(lookups)


def readable(backup: Json, facts: Facts) -> bool:
    hidden = ("backups", object_fields.name(backup)) in facts.redacted
    return not hidden and object_fields.phase(backup) in {"Completed", "PartiallyFailed", "Failed"}


def likely_sources(cmd: Command, facts: Facts) -> Json | None:
    """The backup to read ahead: the choice that needs no clock."""
    if name := cmd.text("from-backup"):
        return facts.get("backups", name)
    return newest(_until(_candidates(cmd, facts), object_fields.parse_time(cmd.text("before"))), phases(cmd))


def settle_source(cmd: Command, context: PlanContext) -> Command:
    """The command with `--before 14:30` as an instant, in the requester's time zone."""
    if not cmd.text("before"):
        return cmd
    until = parse_time(cmd.text("before"), context.now, ZoneInfo(context.timezone), Direction.PAST)
    return replace(cmd, flags={**cmd.flags, "before": until.isoformat()})


def choose_source(cmd: Command, facts: Facts, context: PlanContext) -> Json | None:
    """The backup to restore; None if none matches (the guards say why)."""
    if name := cmd.text("from-backup"):
        return facts.get("backups", name)
    instant = object_fields.parse_time(settle_source(cmd, context).text("before"))
    return newest(_until(_candidates(cmd, facts), instant), phases(cmd))


def phases(cmd: Command) -> set[str]:
    found = {"Completed"}
    if cmd.optional_bool("allow-partially-failed") or cmd.is_true("allow-failed"):
        found.add("PartiallyFailed")
    return found | ({"Failed"} if cmd.is_true("allow-failed") and cmd.text("from-backup") else set())


def _until(backups: list[Json], instant: datetime | None) -> list[Json]:
    if instant is None:
        return backups
    return [item for item in backups if (ended := _ended(item)) is not None and ended <= instant]


def _ended(backup: Json) -> datetime | None:
    """The end counts, not the start: a backup that was running at the time of a mistake may contain the mistake."""
    return object_fields.parse_time(object_fields.status(backup).get("completionTimestamp")) or object_fields.created(
        backup
    )


def _candidates(cmd: Command, facts: Facts) -> list[Json]:
    if schedule := cmd.text("from-schedule"):
        return backups_of_schedule(facts, schedule)
    wanted = [name for name in cmd.strings("include-namespaces") if name != "*"]
    return [item for item in facts.all("backups") if covers(item, wanted)]


def covers(backup: Json, wanted: list[str]) -> bool:
    """Whether the backup contains all these namespaces completely.

    Safety backups don't count: they contain the state that a restore was meant to replace.
    """
    spec = object_fields.spec(backup)
    included = spec.get("includedNamespaces") or ["*"]
    excluded = spec.get("excludedNamespaces") or []
    if is_narrowed(spec) or is_safety_backup(backup):
        return False
    return all(_includes(included, name) and not any_matches(excluded, name) for name in wanted)


def _includes(included: list[str], name: str) -> bool:
    if is_regex(name):
        return "*" in included or any(pattern_of(name.removeprefix("re:")).matches_all(each) for each in included)
    if is_pattern(name) and is_valid_glob(name):
        return any(each == "*" or (is_valid_glob(each) and globs_overlap(name, each)) for each in included)
    return any_matches(included, name)


def is_chosen_by_bot(cmd: Command) -> bool:
    """Whether the bot chooses the backup: --latest or --before, without --from-backup and --from-schedule."""
    return (
        not cmd.text("from-backup")
        and not cmd.text("from-schedule")
        and (cmd.is_true("latest") or bool(cmd.text("before")))
    )


def find_backup(cmd: Command, facts: Facts, context: PlanContext) -> str:
    """The name of the backup for `--latest` and `--before`. Raises UsageError or NotFound."""
    namespaces = [name for name in cmd.strings("include-namespaces") if name != "*"]
    if not cmd.text("from-schedule") and not namespaces:
        raise UsageError(
            "Namespaces or a schedule are missing.",
            fix="Add --include-namespaces NAMESPACE or --from-schedule SCHEDULE.",
        )
    found = choose_source(cmd, facts, context)
    if found is not None:
        return object_fields.name(found)
    until = object_fields.parse_time(settle_source(cmd, context).text("before"))
    before = f" before {object_fields.format_time(until, context.timezone)}" if until else ""
    schedule = cmd.text("from-schedule")
    what = (
        f"Schedule `{schedule}`"
        if schedule
        else f"{plural_of(len(namespaces), 'Namespace')} {', '.join(f'`{name}`' for name in namespaces)}"
    )
    has = "has" if schedule or len(namespaces) == 1 else "have"
    raise NotFound(f"{what} {has} no Completed backup{before}.", nearest=facts.names("backups")[:5], fix="backup get")


def contents(backup: Json | None, facts: Facts) -> dict[str, list[str]] | None:
    """Velero's list of the backup's objects, as `v1/Pod` → `ns/name`; None if it wasn't read."""
    if backup is None:
        return None
    body = facts.files.get(FileNeed(LIST, object_fields.name(backup)))
    if not isinstance(body, bytes):
        return None
    try:
        listed = resources_of(body)
    except DownloadError:
        return None
    found: dict[str, list[str]] = {}
    for one in listed:
        location = f"{one.namespace}/{one.name}" if one.namespace else one.name
        found.setdefault(f"{one.api_version}/{one.kind}", []).append(location)
    return found


def backup_facts(backup: Json | None, facts: Facts) -> BackupFacts:
    return BackupFacts(backup or {}, contents(backup, facts))


def evidence(backup: Json | None, facts: Facts) -> Json:
    """The facts that the plan is based on: the backup's identity and contents, and its storage location."""
    if backup is None:
        return {}
    meta, status, spec = backup.get("metadata") or {}, object_fields.status(backup), object_fields.spec(backup)
    location = facts.get("backupstoragelocations", str(spec.get("storageLocation", "")))
    result = {key: status.get(key) for key in ("phase", "startTimestamp", "completionTimestamp", "formatVersion")}
    found: Json = {
        "backup": {
            "name": meta.get("name", ""),
            "uid": meta.get("uid", ""),
            "digest": digest([spec_without_ttl(spec), result]),
        }
    }
    if location is not None:
        found["location"] = location_identity(location)
    return found


def spec_without_ttl(spec: Json) -> Json:
    """Keeping a backup longer doesn't change what it contains."""
    return {key: value for key, value in spec.items() if key != "ttl"}


def location_identity(location: Json) -> Json:
    spec = object_fields.spec(location)
    store, config = spec.get("objectStorage") or {}, spec.get("config") or {}
    return {
        "name": object_fields.name(location),
        "provider": spec.get("provider", ""),
        "bucket": store.get("bucket", ""),
        "prefix": store.get("prefix", ""),
        "url": config.get("s3Url", ""),
        "region": config.get("region", ""),
    }


_REGEX_CHARACTERS = re.compile(r"[\^$+(){}|\\]|\.\*|\.\+")


def is_regex(text: str) -> bool:
    """Whether the name is a regular expression, as Devtron accepts; Velero accepts only globs. `re:` makes it explicit."""
    return text.startswith("re:") or bool(_REGEX_CHARACTERS.search(text))


def literal_pattern(wanted: list[str], inside: list[str]) -> list[str]:
    """The names, with every regular expression replaced by the names in the backup that it matches completely."""
    found: list[str] = []
    for name in wanted:
        if not is_regex(name):
            found.append(name)
            continue
        pattern = pattern_of(name.removeprefix("re:"))
        matched = [each for each in inside if pattern.matches_all(each)]
        if not matched:
            raise NotFound(f"Nothing in the backup matches `{name}`.", nearest=tuple(inside[:5]))
        found += matched
    return list(dict.fromkeys(found))


def pattern_of(text: str) -> Pattern:
    """Raises UsageError."""
    try:
        return compile_pattern(text)
    except BadPattern as error:
        raise UsageError(f"`{text[:200]}` isn't a valid regular expression.", why=f"RE2 rejects it: {error}.") from None
