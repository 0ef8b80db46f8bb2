"""The rules by which our translation and the velero CLI's objects are compared. Shared with the end-to-end suite."""

from __future__ import annotations

import copy
import re
from typing import Any

STAMP = re.compile(r"-\d{14}$")


def expected_ok(line: str, rc: int, *, printed: bool) -> bool:
    """Where ours differs from the CLI on purpose."""
    words = line.split()
    if not words or "-n" in words or words[0] == "backups":
        return words[:1] == ["backups"]
    if "--skip-immediately" in words:  # may stand alone
        return True
    if re.search(r"(--ttl|--item-operation-timeout|--csi-snapshot-timeout)[ =]\d+(d|w|mo|y)\b", line):
        return True
    if rc == 0 and not printed and words[:2] == ["backup", "creat"]:
        return False
    return rc == 0


def normal(manifest: dict[str, Any]) -> dict[str, Any]:
    made = copy.deepcopy(manifest)
    made.pop("status", None)
    metadata = made["metadata"]
    for gone in ("creationTimestamp", "namespace"):
        metadata.pop(gone, None)
    metadata["name"] = STAMP.sub("-STAMP", metadata["name"])
    return _pruned(made)


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _pruned(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_pruned(v) for v in value]
    return value
