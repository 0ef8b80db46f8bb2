"""The tree of errors. An error holds everything a person reads: what failed, why, the nearest valid values, the fix.

ChatopsError
├── UserError                   the requester can fix it; nothing was written
│   ├── UsageError              the line doesn't parse
│   ├── Refused                 policy, a guard or the current state forbids it
│   │   └── IdentityUnknown     Slack doesn't say who someone is; trying later may help
│   ├── NotFound                a name that doesn't exist, or that this person may not see
│   └── Stale                   what was shown has changed
├── ConfigError                 unusable settings; `faults` lists all errors
├── ClusterError                one cluster; the others are unaffected
│   ├── Unreachable             no answer, a broken connection, or an answer that isn't from Kubernetes
│   │   └── Unanswered          a write was sent, and whether it was accepted is unknown
│   ├── Unauthenticated         401
│   ├── Forbidden               403; names verb and resource
│   ├── VeleroMissing           404 of a whole resource: CRDs aren't installed
│   ├── ObjectNotFound          404 of an object
│   ├── AlreadyExists           409 on create
│   ├── Conflict                409 on a write with a precondition
│   ├── ResourceVersionExpired  410: the resourceVersion or continue token is too old
│   ├── Rejected                400, 415, 422: the API server doesn't accept this object
│   └── Throttled               429 or 503 with Retry-After
├── DownloadError               a file in the object store: refused, too large, missing
│   ├── NotUploaded             404: the file doesn't exist, or not yet
│   └── WorkLimitExceeded       reading it took too much time or memory and was stopped
├── StoreError
│   ├── ConcurrentChange        a compare-and-set that another writer won
│   ├── StoreBusy               the writer had no time for it; nothing was written
│   ├── StoreLocked             another process holds the data directory
│   ├── StoreNewer              a newer version wrote the file
│   ├── StoreFull               no space left
│   └── StoreCorrupt
├── SlackUnreachable            no connection for incoming messages
└── DeliveryError               outgoing messages
    ├── NotAccepted             the receiver certainly didn't accept it; it may be sent again
    ├── Undeliverable           certain and permanent
    └── Doubtful                it may or may not have arrived
"""

from __future__ import annotations


class ChatopsError(Exception):
    """`text` says what failed, `why` the cause, `nearest` has valid values that the reader may see, `fix` says what to do."""

    def __init__(
        self,
        text: str,
        *,
        why: str = "",
        nearest: tuple[str, ...] = (),
        fix: str = "",
        part: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(text)
        self.text = text
        self.why = why
        self.nearest = nearest
        self.fix = fix
        self.part = part
        """Span of the wrong part in the command line, in characters."""


class UserError(ChatopsError): ...


class UsageError(UserError): ...


class Refused(UserError): ...


class IdentityUnknown(Refused): ...


class NotFound(UserError): ...


class Stale(UserError): ...


class ConfigError(ChatopsError):
    def __init__(self, text: str, *, faults: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.faults = faults


class ClusterError(ChatopsError):
    """`cluster` is the configured name, `status` the HTTP status or 0."""

    def __init__(
        self,
        cluster: str,
        text: str,
        *,
        status: int = 0,
        why: str = "",
        fix: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(text, why=why, fix=fix)
        self.cluster = cluster
        self.status = status
        self.retry_after = retry_after


class Unreachable(ClusterError):
    """A write that raises this wasn't accepted, unless it is Unanswered."""


class Unanswered(Unreachable):
    """A write may have reached the cluster: check for its object before calling it failed or sending it again."""


class Unauthenticated(ClusterError): ...


class Forbidden(ClusterError): ...


class VeleroMissing(ClusterError): ...


class ObjectNotFound(ClusterError): ...


class AlreadyExists(ClusterError): ...


class Conflict(ClusterError): ...


class ResourceVersionExpired(ClusterError): ...


class Rejected(ClusterError): ...


class Throttled(ClusterError): ...


class DownloadError(ChatopsError): ...


class NotUploaded(DownloadError): ...


class WorkLimitExceeded(DownloadError): ...


class StoreError(ChatopsError): ...


class ConcurrentChange(StoreError): ...


class StoreBusy(StoreError): ...


class StoreLocked(StoreError): ...


class StoreNewer(StoreError): ...


class StoreFull(StoreError): ...


class StoreCorrupt(StoreError): ...


class SlackUnreachable(ChatopsError): ...


class DeliveryError(ChatopsError):
    def __init__(self, text: str, *, code: str = "", retry_after: float | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.retry_after = retry_after


class NotAccepted(DeliveryError): ...


class Undeliverable(DeliveryError): ...


class Doubtful(DeliveryError): ...
