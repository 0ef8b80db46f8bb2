"""Restores one object: it is created, left unchanged, merged, updated, or refused."""

from dataclasses import dataclass, field

from domain.json_types import Json
from sandbox.kubernetes.failures import ApiFailure
from sandbox.kubernetes.schemas.kinds import Kind
from sandbox.velero.hooks import Tally
from sandbox.velero.log import RunLog
from sandbox.velero.names import valid_label
from sandbox.velero.restores import object_bodies
from sandbox.velero.server import Server

ENGINE = "pkg/restore/restore.go:1506"
NOT_SERVED = "the server could not find the requested resource"


@dataclass(slots=True)
class Record:
    journal: RunLog
    done: list[tuple[str, str]] = field(default_factory=list)
    volumes: list[Json] = field(default_factory=list)
    hooks: Tally = field(default_factory=Tally)

    def counts(self) -> Json:
        counted = {"warnings": self.journal.warnings.count, "errors": self.journal.errors.count}
        return {name: number for name, number in counted.items() if number}


class Placing:
    """Creates or updates objects by the restore's existing-resource policy."""

    def __init__(self, server: Server, restore: Json, backup: str, record: Record) -> None:
        self._server = server
        self._spec: Json = restore["spec"]
        self._marks = (valid_label(backup), valid_label(restore["metadata"]["name"]))
        self.record = record

    def labelled(self, made: Json) -> Json:
        return object_bodies.labelled(made, *self._marks)

    def put(self, kind: Kind, namespace: str, made: Json) -> str:
        name = made["metadata"]["name"]
        fields = {"groupResource": kind.qualified, "namespace": namespace}
        self.record.journal.info(f"Attempting to restore {kind.kind}: {name}.", ENGINE, **fields)
        if kind.plural not in self._server.objects.kinds:
            return self.failed(kind, namespace, name, ApiFailure(404, "NotFound", NOT_SERVED))
        try:
            self._server.objects.create(kind.plural, namespace or None, self.labelled(made))
        except ApiFailure as failure:
            if failure.reason != "AlreadyExists" and not self._there(kind, namespace, name):
                return self.failed(kind, namespace, name, failure)
            return self._existing(kind, namespace, made)
        return "created"

    def _there(self, kind: Kind, namespace: str, name: str) -> bool:
        """Velero reads first: an existing object is compared even if its creation would fail for another reason."""
        return self._server.live(kind.plural, name, namespace) is not None

    def _existing(self, kind: Kind, namespace: str, made: Json) -> str:
        name = made["metadata"]["name"]
        here = self._server.live(kind.plural, name, namespace) or made
        present, wanted = object_bodies.unlabelled(object_bodies.reset(here)), object_bodies.unlabelled(made)
        if present == wanted:
            text = f"Restore of {name} skipped: it already exists in the cluster and is the same as the backed up"
            self.record.journal.info(f"{text} version", ENGINE)
            return "skipped"
        if kind.plural == "serviceaccounts":
            return self._merged(namespace, name, present, wanted)
        if self._spec.get("existingResourcePolicy") == "update":
            return self._updated(kind, namespace, object_bodies.reset(here), self.labelled(made))
        quoted = self._spec.get("existingResourcePolicy") == "none"
        subject = f'{kind.kind} "{name}"' if quoted else f"{kind.kind}:{name}"
        text = f"could not restore, {subject} already exists. Warning: the in-cluster version is different than the"
        self.record.journal.warnings.add(f"{text} backed-up version", namespace)
        return "failed"

    def _merged(self, namespace: str, name: str, present: Json, wanted: Json) -> str:
        """Merge service accounts: keep the entries of both; where values differ, keep the cluster's."""
        lists = {key: (present.get(key) or [], wanted.get(key) or []) for key in ("secrets", "imagePullSecrets")}
        gains = {key: [one for one in more if one not in here] for key, (here, more) in lists.items()}
        changes: Json = {key: [*lists[key][0], *extra] for key, extra in gains.items() if extra}
        if marks := _gained_marks(present["metadata"], wanted["metadata"]):
            changes["metadata"] = marks
        if not changes:
            return "skipped"
        self._server.objects.patch("serviceaccounts", namespace, name, changes)
        return "updated"

    def _updated(self, kind: Kind, namespace: str, present: Json, wanted: Json) -> str:
        name = wanted["metadata"]["name"]
        try:
            self._server.objects.patch(kind.plural, namespace or None, name, object_bodies.difference(present, wanted))
        except ApiFailure as failure:
            self.record.journal.warnings.add(failure.message, namespace)
            return "failed"
        return "updated"

    def failed(self, kind: Kind, namespace: str, name: str, failure: ApiFailure) -> str:
        where = f"{kind.qualified}/{namespace}/{name}" if namespace else f"{kind.qualified}/{name}"
        self.record.journal.errors.add(f"error restoring {where}: {failure.message}", namespace)
        return "failed"

    def note(self, kind: Kind, namespace: str, name: str, action: str) -> None:
        listed = f"{namespace}/{name}" if namespace else name
        self.record.done.append((f"{kind.api_version}/{kind.kind}", f"{listed}({action})"))


def _gained_marks(present: Json, wanted: Json) -> Json:
    """Return the backup's labels and annotations that the live object doesn't have."""
    found: Json = {}
    for key in ("labels", "annotations"):
        here = present.get(key) or {}
        if extra := {name: value for name, value in (wanted.get(key) or {}).items() if name not in here}:
            found[key] = extra
    return found
