"""The log of a run: logrus text, and the warnings and errors counted from it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

_PLAIN = re.compile(r"[A-Za-z0-9\-._/@^+]*")


def stamp(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def _quoted(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def line(when: datetime, level: str, message: str, fields: dict[str, str]) -> str:
    rest = "".join(f" {key}={_quoted(value)}" for key, value in sorted(fields.items()))
    return f'time="{stamp(when)}" level={level} msg={_quoted(message)}{rest}'


@dataclass(slots=True)
class Findings:
    """One half of a results file: server, cluster, and namespace by namespace."""

    velero: list[str] = field(default_factory=list)
    cluster: list[str] = field(default_factory=list)
    namespaces: dict[str, list[str]] = field(default_factory=dict)

    def add(self, text: str, namespace: str | None) -> None:
        """Add a line. Without a namespace it is the server's own; an empty one means the cluster."""
        if namespace is None:
            self.velero.append(text)
        elif not namespace:
            self.cluster.append(text)
        else:
            self.namespaces.setdefault(namespace, []).append(text)

    @property
    def count(self) -> int:
        return len(self.velero) + len(self.cluster) + sum(map(len, self.namespaces.values()))

    def json(self) -> dict[str, Any]:
        parts = {"velero": self.velero, "cluster": self.cluster, "namespaces": self.namespaces}
        return {name: part for name, part in parts.items() if part}


@dataclass(slots=True)
class RunLog:
    """The log of one backup or restore; every error or warning line of a backup counts."""

    now: Callable[[], datetime]
    subject: dict[str, str]
    lines: list[str] = field(default_factory=list)
    errors: Findings = field(default_factory=Findings)
    warnings: Findings = field(default_factory=Findings)

    def info(self, message: str, source: str = "pkg/backup/backup.go:305", **fields: str) -> None:
        self._write("info", message, source, fields)

    def warning(self, message: str, source: str = "pkg/backup/item_backupper.go:540", **fields: str) -> None:
        self._write("warning", message, source, fields)
        self.warnings.add(_entry(message, fields), fields.get("namespace"))

    def error(self, message: str, source: str = "pkg/backup/backup.go:806", **fields: str) -> None:
        self._write("error", message, source, fields)
        self.errors.add(_entry(message, fields), fields.get("namespace"))

    def note(self, level: str, message: str, source: str) -> None:
        """Add a line that repeats one that is already counted."""
        self._write(level, message, source, {})

    def _write(self, level: str, message: str, source: str, fields: dict[str, str]) -> None:
        where = {"logSource": f"github.com/vmware-tanzu/velero@v1.18.2/{source}"}
        self.lines.append(line(self.now(), level, message, self.subject | where | fields))

    @property
    def text(self) -> str:
        return "".join(f"{entry}\n" for entry in self.lines)

    @property
    def results(self) -> dict[str, Any]:
        return {"errors": self.errors.json(), "warnings": self.warnings.json()}


def _entry(message: str, fields: dict[str, str]) -> str:
    named = (("resource", fields.get("resource")), ("name", fields.get("name")))
    parts = [f" {key}: /{value}" for key, value in named if value]
    parts.append(f" message: /{message}")
    if error := fields.get("error"):
        parts.append(f" error: /{error}")
    return "".join(parts)
