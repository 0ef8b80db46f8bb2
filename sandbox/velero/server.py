"""Shared state of the controllers of one server process: clients, cache, clock and log."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, Protocol

from domain.json_types import Json
from sandbox.bucket import Buckets
from sandbox.clock import Clock
from sandbox.kubernetes.failures import ApiFailure
from sandbox.kubernetes.objects import Objects
from sandbox.velero import durations
from sandbox.velero.log import line, stamp
from sandbox.velero.settings import Scripts, VeleroSettings

WATCHED = (
    "backups",
    "restores",
    "schedules",
    "backupstoragelocations",
    "volumesnapshotlocations",
    "deletebackuprequests",
    "downloadrequests",
    "serverstatusrequests",
    "podvolumebackups",
    "podvolumerestores",
    "backuprepositories",
    "datauploads",
)
TERMINAL = frozenset({"Completed", "PartiallyFailed", "Failed", "FailedValidation"})


@dataclass(frozen=True, slots=True)
class Change:
    """One event of the server's own watch; at the start, every existing object is ADDED."""

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    resource: str
    old: Json | None
    new: Json

    @property
    def name(self) -> str:
        return str(self.new["metadata"]["name"])

    @property
    def spec_changed(self) -> bool:
        return self.old is None or self.old.get("spec") != self.new.get("spec")


class Part(Protocol):
    """One controller."""

    def seen(self, change: Change) -> None: ...

    def loops(self) -> Iterator[Any]: ...

    def killed(self) -> None: ...


def phase(thing: Json) -> str:
    return str((thing.get("status") or {}).get("phase") or "")


def status(thing: Json) -> Json:
    return thing.get("status") or {}


def labels(thing: Json) -> dict[str, str]:
    return thing["metadata"].get("labels") or {}


@lru_cache(maxsize=1 << 16)
def moment(text: str | None) -> datetime | None:
    return None if not text else datetime.fromisoformat(text.upper())


_DURATIONS = {
    "backups": ("ttl", "csiSnapshotTimeout", "itemOperationTimeout"),
    "restores": ("itemOperationTimeout",),
    "backupstoragelocations": ("backupSyncPeriod", "validationFrequency"),
}


def decodable(resource: str, thing: Json) -> bool:
    """Return whether a Go client can decode this object; one that it can't decode breaks the list of the whole kind."""
    spec, names = thing.get("spec") or {}, _DURATIONS.get(resource, ())
    if resource == "schedules":
        spec, names = spec.get("template") or {}, _DURATIONS["backups"]
    return all(durations.parse(str(spec[name])) is not None for name in names if spec.get(name) is not None)


@dataclass(slots=True)
class Cache:
    """The informers' cache. A malformed object freezes its kind until it is gone."""

    things: dict[str, dict[str, Json]] = field(default_factory=dict)
    poison: dict[str, set[str]] = field(default_factory=dict)

    def of(self, resource: str) -> dict[str, Json]:
        return self.things.setdefault(resource, {})

    def poisoned(self, resource: str) -> bool:
        return bool(self.poison.get(resource))


class Server:
    def __init__(
        self,
        objects: Objects,
        buckets: Buckets,
        clock: Clock,
        namespace: str,
        settings: VeleroSettings,
        scripts: Scripts,
        new_id: Callable[[], str],
    ) -> None:
        self.objects = objects
        self.buckets = buckets
        self.clock = clock
        self.namespace = namespace
        self.settings = settings
        self.scripts = scripts
        self.new_id = new_id
        self.cache = Cache()
        self.log: deque[str] = deque(maxlen=2000)

    def now(self) -> datetime:
        return self.clock.now()

    def stamp(self) -> str:
        return stamp(self.clock.now())

    def find(self, resource: str, name: str) -> Json | None:
        """Read from the cache, as the server does."""
        return self.cache.of(resource).get(name)

    def all(self, resource: str) -> list[Json]:
        return list(self.cache.of(resource).values())

    def live(self, resource: str, name: str, namespace: str | None = None) -> Json | None:
        return self.objects.find(resource, self.namespace if namespace is None else namespace, name)

    def create(self, resource: str, body: Json) -> Json:
        return self.objects.create(resource, self.namespace, body)

    def patch(self, resource: str, name: str, **changes: Any) -> Json:
        """Send a merge patch as Velero does: only the changed fields, without resourceVersion."""
        return self.objects.patch(resource, self.namespace, name, changes)

    def remove(self, resource: str, name: str) -> None:
        try:
            self.objects.delete(resource, self.namespace, name)
        except ApiFailure as failure:
            if failure.status != 404:
                raise

    def say(self, level: str, message: str, **fields: str) -> None:
        self.log.append(line(self.clock.now(), level, message, fields))

    def complain(self, controller: str) -> Callable[[str, ApiFailure], None]:
        def say(name: str, failure: ApiFailure) -> None:
            self.say("error", "Reconciler error", controller=controller, error=failure.message, name=name)

        return say
