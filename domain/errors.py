"""One tree of errors. What a person reads stands in the error: what failed, why, the nearest valid values, the mend.

ChatopsError
├── UserError               the person can mend it; nothing was written
│   ├── UsageError          the line does not parse
│   ├── Refused             policy, a guard or the state of things says no
│   │   └── Unsure          Slack does not say who somebody is: not now, maybe later
│   ├── Unknown             a name that is not there, or that this person may not see
│   └── Stale               what was shown is no longer so
├── ConfigError             settings that cannot be used; `faults` lists every one of them
├── ClusterError            one cluster; the others are unaffected
│   ├── Unreachable         no answer, cut off, or an answer that is not Kubernetes'
│   │   └── Unanswered      a write was sent and nothing says whether it was taken
│   ├── Unauthenticated     401
│   ├── Forbidden           403; names verb and resource
│   ├── VeleroMissing       404 of a whole resource: CRDs are not installed
│   ├── NotThere            404 of an object
│   ├── AlreadyThere        409 on create
│   ├── Conflict            409 on a write with a precondition
│   ├── Expired             410: the resourceVersion or continue token is too old
│   ├── Rejected            400, 415, 422: the API server does not take this object
│   └── Throttled           429 or 503 with Retry-After
├── DownloadError           an object store's file: refused, too large, not there (yet)
│   ├── NotUploaded         404: not there, or not yet
│   └── Overran             reading it took too long or too much memory, and was stopped
├── StoreError
│   ├── Lost                a compare-and-set that somebody else won
│   ├── StoreBusy           the writer did not get to it in time; nothing was done
│   ├── StoreLocked         another process holds the data directory
│   ├── StoreNewer          the file was written by a newer version
│   ├── StoreFull           no space left
│   └── StoreCorrupt
├── SlackUnreachable        no connection for what comes in
└── DeliveryError           what goes out
    ├── NotAccepted         definite: the receiver did not take it; may be sent again
    ├── Undeliverable       definite and permanent
    └── Doubtful            it may or may not have arrived
"""

from __future__ import annotations


class ChatopsError(Exception):
    """`text` says what failed, `why` the cause, `nearest` valid values that the reader may see, `fix` what to do."""

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
    """`cluster` is its configured name; `status` the HTTP status, 0 where there was none."""

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
    """Of a write: it was not taken, unless it is Unanswered."""


class Unanswered(Unreachable):
    """A write may have reached the cluster: look for what it makes before it is called failed or sent again."""


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
