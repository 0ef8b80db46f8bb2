"""Everything known about one backup: its object, the files that Velero stores with it, the progress of its volumes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from commands.planning import object_fields
from commands.planning.facts import Facts, FileNeed, MissingFile, Need, ObjectNeed
from domain.counting import counted
from domain.errors import DownloadError
from domain.json_types import Json
from store.scrub import scrub
from velero.artifacts.item_operations import ItemOperation, item_operations_of
from velero.artifacts.log_summary import LogSummary, summarize_log
from velero.artifacts.logs import HookRun, hook_runs, parse_log_line
from velero.artifacts.resource_list import ResourceList, resources_of
from velero.artifacts.results import Results, results_of
from velero.artifacts.volumes import Volume, VolumeDataState, volumes_of
from velero.names import label_value
from velero.phases import BACKUP_PHASES
from velero.resources.data_movement import movement_of
from velero.resources.pod_volumes import backup_selector, pod_volume_of

T = TypeVar("T")

RESULTS, VOLUMES, RESOURCES, OPERATIONS, LOG = (
    "BackupResults",
    "BackupVolumeInfos",
    "BackupResourceList",
    "BackupItemOperations",
    "BackupLog",
)
DATA_LABELS = {
    VolumeDataState.IN_LOCATION: "storage location",
    VolumeDataState.IN_SNAPSHOT: "snapshot",
    VolumeDataState.UNDER_WAY: "in progress",
    VolumeDataState.FAILED: "failed",
    VolumeDataState.NONE: "no data",
}


@dataclass(frozen=True, slots=True)
class VolumeProgress:
    """Progress of one volume: a file-system backup, or the upload of a CSI snapshot's data."""

    volume: str
    phase: str
    done: int
    total: int
    message: str

    @property
    def progress_text(self) -> str:
        share = f" ({self.done * 100 // self.total} %)" if self.total else ""
        return f"{self.phase or 'New'} {object_fields.format_size(self.done)}/{object_fields.format_size(self.total)}{share}"


@dataclass(frozen=True, slots=True)
class BackupFindings:
    """A part is None when its file was not read; `unread` holds the reasons of files that can't be read."""

    item: Json
    results: Results | None = None
    volumes: tuple[Volume, ...] | None = None
    listed: ResourceList | None = None
    operations: tuple[ItemOperation, ...] | None = None
    hooks: tuple[HookRun, ...] = ()
    progress: tuple[VolumeProgress, ...] = ()
    deletions: tuple[Json, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def volumes_without_data(self) -> tuple[Volume, ...]:
        """Volumes without data in this backup; the phase is Completed in spite of them."""
        return tuple(one for one in self.volumes or () if one.data in {VolumeDataState.NONE, VolumeDataState.FAILED})

    @property
    def size(self) -> int:
        return sum(one.size for one in self.volumes or ())


def has_ended(item: Json) -> bool:
    return object_fields.phase(item) in BACKUP_PHASES.terminal or object_fields.phase(item) == "Deleting"


def has_files(item: Json) -> bool:
    """A backup that never started, or that ended with a crash of the server, has no files."""
    return object_fields.phase(item) not in {"New", "Queued", "ReadyToStart", "InProgress", "FailedValidation"}


def findings_needs(item: Json, *, details: bool, items: bool) -> Iterable[Need]:
    """Yield what to read about a backup that the reader may access in full."""
    name, status = object_fields.name(item), object_fields.status(item)
    yield ObjectNeed("podvolumebackups", label=backup_selector(name), optional=True)
    yield ObjectNeed("datauploads", label=backup_selector(name), optional=True)
    yield ObjectNeed("deletebackuprequests", label=backup_selector(name), optional=True)
    if not has_files(item):
        return
    yield FileNeed(VOLUMES, name)
    if object_fields.number(status.get("errors")) or object_fields.number(status.get("warnings")):
        yield FileNeed(RESULTS, name)
    if object_fields.number((status.get("hookStatus") or {}).get("hooksAttempted")):
        yield FileNeed(LOG, name)
    if details or items:
        yield FileNeed(RESOURCES, name)
    if details:
        yield FileNeed(OPERATIONS, name)


def read_findings(facts: Facts, item: Json) -> BackupFindings:
    name = object_fields.name(item)
    unread: list[str] = []

    def read(kind: str, parse: Callable[[bytes], T]) -> T | None:
        body = facts.files.get(FileNeed(kind, name))
        if isinstance(body, MissingFile):
            unread.append(body.why)
        if not isinstance(body, bytes):
            return None
        try:
            return parse(body)
        except DownloadError as error:
            unread.append(f"{error.text} {error.why}".strip())
            return None

    log = log_of(facts, name)
    if isinstance(log, MissingFile):
        unread.append(log.why)
    elif log is not None and log.hook_lines_left_out:
        unread.append(f"{counted(log.hook_lines_left_out, 'line')} about hooks left out: the log has too many.")
    return BackupFindings(
        item=item,
        results=read(RESULTS, results_of),
        volumes=read(VOLUMES, volumes_of),
        listed=read(RESOURCES, resources_of),
        operations=read(OPERATIONS, item_operations_of),
        hooks=hooks_of(log) if isinstance(log, LogSummary) else (),
        progress=volume_progress(facts, name),
        deletions=tuple(_labeled_objects(facts, "deletebackuprequests", name)),
        unread=tuple(dict.fromkeys(unread)),
    )


def log_of(facts: Facts, name: str) -> LogSummary | MissingFile | None:
    log = facts.files.get(FileNeed(LOG, name))
    return summarize_log(log) if isinstance(log, bytes) else log


def hooks_of(log: LogSummary) -> tuple[HookRun, ...]:
    """Return the hooks of a log with what their commands printed; show that only through `redacted_output`."""
    lines = map(parse_log_line, log.hook_lines)
    return hook_runs(line for line in lines if line is not None)


_ASSIGNED = re.compile(r"(?i)(\w*(?:passw|passphrase|secret|token|credential|private|api_?key)\w*\s?[=:]\s?)\S+")


def redacted_output(run: HookRun) -> str:
    """Return what a hook printed, without secrets: scripts print their environment, so values of secret names go too."""
    output = "\n".join(part for part in (run.stdout, run.stderr, *run.errors) if part)
    return _ASSIGNED.sub(r"\1[scrubbed]", scrub(output))


def volume_progress(facts: Facts, name: str) -> tuple[VolumeProgress, ...]:
    pod_volumes = [pod_volume_of(item) for item in _labeled_objects(facts, "podvolumebackups", name)]
    uploads = [movement_of(item) for item in _labeled_objects(facts, "datauploads", name)]
    files = (
        VolumeProgress(
            f"{one.pod_namespace}/{one.pvc or f'{one.pod}:{one.volume}'}",
            one.phase,
            one.bytes_done,
            one.bytes_total,
            one.message,
        )
        for one in pod_volumes
    )
    moved = (
        VolumeProgress(f"{one.pvc_namespace}/{one.pvc}", one.phase, one.bytes_done, one.bytes_total, one.message)
        for one in uploads
    )
    return (*files, *moved)


def _labeled_objects(facts: Facts, resource: str, backup: str) -> list[Json]:
    value = label_value(backup)
    return [item for item in facts.all(resource) if object_fields.labels(item).get("velero.io/backup-name") == value]
