"""The server's speed and flags."""

import asyncio
import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class VeleroSettings:
    """Durations in seconds unless stated otherwise; the defaults are those of a stock server on a small cluster."""

    version: str | None = "v1.18.2"
    kubernetes_version: str = "v1.35.4"
    timezone: str = "UTC"
    cron_dialect: str = "robfig"
    default_location: str = "default"
    default_ttl: str = "720h0m0s"
    default_volumes_to_fs_backup: bool = False
    default_snapshot_move_data: bool = False
    schedule_skip_immediately: bool = False
    resource_timeout: str = "10m0s"

    concurrent_backups: int = 1
    queue_period: float = 60.0
    schedule_tick: float = 60.0
    garbage_collection_period: float = 3600.0
    sync_tick: float = 60.0
    sync_period: float = 60.0
    validation_tick: float = 10.0
    validation_period: float = 60.0
    cleanup_tick: float = 60.0
    status_requeue: float = 300.0
    terminating_timeout: float = 600.0

    backup_items_per_second: float = 2400.0
    restore_items_per_second: float = 50.0
    csi_snapshot_seconds: float = 5.0
    pod_volume_seconds: float = 1.0
    data_movement_seconds: float = 30.0
    deletion_seconds: float = 1.0
    store_attempts_seconds: float = 2.8

    queue_stalls: bool = False
    """Backups of the same namespace stay Queued until the queue's next tick, even if nothing runs."""
    queue_wedge: bool = False
    """A backup that fails validation keeps its place in the queue until a restart."""
    heartbeats: bool = True
    """Write lastValidationTime and lastSyncedTime even if nothing else changed. Off, tests can pass a year quickly."""
    node_agent: bool = True
    """True if the DaemonSet for file-system backups is installed."""
    exec_works: bool = True
    """True if a hook's command can be run (there is a kubelet)."""


Outcome = Literal["succeeds", "warns", "partial", "fails", "hangs", "hook-fails", "moves-data"]


@dataclass(slots=True)
class Script:
    """The scripted outcome of the next runs whose name or namespace matches."""

    match: str
    outcome: Outcome = "succeeds"
    items: int | None = None
    seconds: float | None = None
    reason: str = ""
    kind: Literal["backup", "restore", "any"] = "any"
    times: int | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """A hanging run continues when this gate opens."""

    def fits(self, kind: str, name: str, namespaces: Iterable[str]) -> bool:
        if self.kind not in ("any", kind) or self.times == 0:
            return False
        return any(fnmatch.fnmatchcase(word, self.match) for word in (name, *namespaces))


class Scripts:
    """Scripts for runs; the latest matching one decides."""

    def __init__(self) -> None:
        self._scripts: list[Script] = []

    def add(self, script: Script) -> None:
        self._scripts.insert(0, script)

    def clear(self) -> None:
        self._scripts.clear()

    def release(self, match: str) -> None:
        for script in self._scripts:
            if script.match == match:
                script.gate.set()

    def take(self, kind: str, name: str, namespaces: Iterable[str]) -> Script:
        names = tuple(namespaces)
        for script in self._scripts:
            if script.fits(kind, name, names):
                if script.times is not None:
                    script.times -= 1
                return script
        return Script("*")
