"""Labels and annotations that steer Velero, this service, or what manages them both."""

from __future__ import annotations

RESERVED_DOMAINS = ("velero.io", "velero-chatops.io", "kots.io", "replicated.com")


def is_reserved(key: str) -> bool:
    """`velero.io/x` and `hook.backup.velero.io/x` alike: annotations under a sub-domain steer Velero too."""
    domain = key.strip().lower().rpartition("/")[0]
    return any(domain == each or domain.endswith(f".{each}") for each in RESERVED_DOMAINS)
