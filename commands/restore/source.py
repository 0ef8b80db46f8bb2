"""Which backup a restore reads: pinned to one that is there, by name and uid."""

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
    """Those that could be it, and of the one that it is, the list of what is in it."""
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
    """For reading ahead: the choice that needs no clock."""
    if name := cmd.text("from-backup"):
        return facts.get("backups", name)
    return newest(_until(_of(cmd, facts), object_fields.parse_time(cmd.text("before"))), phases(cmd))


def settle_source(cmd: Command, context: PlanContext) -> Command:
    """`--before 14:30` as the instant that it means to whoever wrote it."""
    if not cmd.text("before"):
        return cmd
    until = parse_time(cmd.text("before"), context.now, ZoneInfo(context.timezone), Direction.PAST)
    return replace(cmd, flags={**cmd.flags, "before": until.isoformat()})


def choose_source(cmd: Command, facts: Facts, context: PlanContext) -> Json | None:
    """The backup that is restored. None where none fits: the guards say why."""
    if name := cmd.text("from-backup"):
        return facts.get("backups", name)
    instant = object_fields.parse_time(settle_source(cmd, context).text("before"))
    return newest(_until(_of(cmd, facts), instant), phases(cmd))


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
    """One that was still reading at the moment of a mistake may hold the mistake."""
    return object_fields.parse_time(object_fields.status(backup).get("completionTimestamp")) or object_fields.created(
        backup
    )


def _of(cmd: Command, facts: Facts) -> list[Json]:
    if schedule := cmd.text("from-schedule"):
        return backups_of_schedule(facts, schedule)
    wanted = [name for name in cmd.strings("include-namespaces") if name != "*"]
    return [item for item in facts.all("backups") if covers(item, wanted)]


def covers(backup: Json, wanted: list[str]) -> bool:
    """Whether the backup's own lists hold all of these whole. A safety backup is no source: it holds what was wrong."""
    spec = object_fields.spec(backup)
    included = spec.get("includedNamespaces") or ["*"]
    excluded = spec.get("excludedNamespaces") or []
    if is_narrowed(spec) or is_safety_backup(backup):
        return False
    return all(_among(included, name) and not any_matches(excluded, name) for name in wanted)


def _among(included: list[str], name: str) -> bool:
    if is_regex(name):
        return "*" in included or any(pattern_of(name.removeprefix("re:")).matches_all(each) for each in included)
    if is_pattern(name) and is_valid_glob(name):
        return any(each == "*" or (is_valid_glob(each) and globs_overlap(name, each)) for each in included)
    return any_matches(included, name)


def is_made_by_bot(cmd: Command) -> bool:
    """Without --from-backup and --from-schedule, by our own words: the newest, or the last one before a time."""
    return (
        not cmd.text("from-backup")
        and not cmd.text("from-schedule")
        and (cmd.is_true("latest") or bool(cmd.text("before")))
    )


def find_backup(cmd: Command, facts: Facts, context: PlanContext) -> str:
    """For `--latest` and `--before`: the name, or an error that says what there is."""
    if not cmd.text("from-schedule") and not [name for name in cmd.strings("include-namespaces") if name != "*"]:
        raise UsageError(
            "Namespaces or a schedule are missing.",
            fix="Add --include-namespaces NAMESPACE or --from-schedule SCHEDULE.",
        )
    found = choose_source(cmd, facts, context)
    if found is not None:
        return object_fields.name(found)
    until = object_fields.parse_time(settle_source(cmd, context).text("before"))
    before = f" from before {object_fields.format_time(until, context.timezone)}" if until else ""
    raise NotFound(f"No matching Completed backup{before}.", nearest=facts.names("backups")[:5], fix="backup get")


def contents(backup: Json | None, facts: Facts) -> dict[str, list[str]] | None:
    """Velero's own list of what is in it, as `v1/Pod` → `ns/name`; None where it was not read."""
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
        place = f"{one.namespace}/{one.name}" if one.namespace else one.name
        found.setdefault(f"{one.api_version}/{one.kind}", []).append(place)
    return found


def backup_facts(backup: Json | None, facts: Facts) -> BackupFacts:
    return BackupFacts(backup or {}, contents(backup, facts))


def evidence(backup: Json | None, facts: Facts) -> Json:
    """What the plan stands on: this backup, with these contents, in this place."""
    if backup is None:
        return {}
    meta, status, spec = backup.get("metadata") or {}, object_fields.status(backup), object_fields.spec(backup)
    location = facts.get("backupstoragelocations", str(spec.get("storageLocation", "")))
    ends = {key: status.get(key) for key in ("phase", "startTimestamp", "completionTimestamp", "formatVersion")}
    found: Json = {
        "backup": {"name": meta.get("name", ""), "uid": meta.get("uid", ""), "digest": digest([spec_of(spec), ends])}
    }
    if location is not None:
        found["location"] = location_of(location)
    return found


def spec_of(spec: Json) -> Json:
    """Without the time to live: a hold that keeps it longer changes nothing of what is in it."""
    return {key: value for key, value in spec.items() if key != "ttl"}


def location_of(location: Json) -> Json:
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


_SIGNS = re.compile(r"[\^$+(){}|\\]|\.\*|\.\+")


def is_regex(text: str) -> bool:
    """Devtron's fields take regular expressions; Velero's only globs. `re:` says so in doubt."""
    return text.startswith("re:") or bool(_SIGNS.search(text))


def literal_pattern(wanted: list[str], inside: list[str]) -> list[str]:
    """Names, with every regular expression replaced by the names of the backup that it matches as a whole."""
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
        raise UsageError(
            f"{text[:200]!r} isn't a valid regular expression.", why=f"The engine (RE2) says: {error}."
        ) from None
