"""Guards that look at names, labels, durations and locations: what Velero would take and regret.

They stand after the translation, so that a line still translates as the CLI's, and is refused with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from commands.grammar.command import Command
from commands.planning.facts import Facts
from domain.duration import BadDuration
from domain.duration import parse as parse_duration
from domain.json_types import Json
from domain.plan import Guard, Level
from domain.selectors import is_valid_key, is_valid_value
from policy import canonical

RESERVED = ("velero.io/", "velero-chatops.io/", "kots.io/", "replicated.com/")
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


def name_guards(noun: str, name: str, *, longest: int = 253) -> tuple[Guard, ...]:
    if len(name) > longest:
        why = "  Velero stores the name in a label, so a longer schedule never runs." if noun == "schedule" else ""
        return (
            Guard(
                "name-too-long",
                Level.REFUSE,
                f"The name has {len(name)} characters; the limit for a {noun} is {longest}.{why}",
            ),
        )
    if not _SUBDOMAIN.fullmatch(name):
        fixed = re.sub(r"[^a-z0-9.-]+", "-", name.lower()).strip("-.") or noun
        text = f"`{name}` isn't a valid Kubernetes name. Use lowercase letters, digits, '-' and '.'; start and end with a letter or digit."
        return (Guard("bad-name", Level.REFUSE, text, (fixed,)),)
    return ()


def exists_guard(facts: Facts, resource: str, noun: str, name: str) -> tuple[Guard, ...]:
    if facts.get(resource, name) is None:
        return ()
    return (Guard("name-exists", Level.REFUSE, f"There already is a {noun} named {name!r}.", (f"{name[:60]}-2",)),)


def label_guards(given: Command) -> tuple[Guard, ...]:
    """Of the labels and annotations on the command: what a schedule brings along is Velero's own doing."""
    guards: list[Guard] = []
    for flag in ("labels", "annotations"):
        pairs = given.pairs(flag)
        guards += _reserved(flag, pairs)
        guards += _malformed(flag, pairs)
    return tuple(guards)


def _reserved(flag: str, pairs: Mapping[str, str]) -> Iterable[Guard]:
    for key in pairs:
        prefix = next((mine for mine in RESERVED if key.startswith(mine) or f".{mine}" in key), "")
        if prefix:
            text = f"`{key}` in --{flag} is reserved for {prefix}."
            yield Guard("reserved-labels", Level.REFUSE, text)


def _malformed(flag: str, pairs: Mapping[str, str]) -> Iterable[Guard]:
    for key, value in pairs.items():
        if not is_valid_key(key):
            yield Guard("bad-label", Level.REFUSE, f"`{key}` in --{flag} isn't a valid label key.")
        elif flag == "labels" and not is_valid_value(value):
            yield Guard(
                "bad-label",
                Level.REFUSE,
                f"`{value}` isn't a valid label value. Use at most 63 letters, digits, '-', '_' and '.'.",
            )


_DURATIONS = {
    "ttl": "--ttl",
    "csiSnapshotTimeout": "--csi-snapshot-timeout",
    "itemOperationTimeout": "--item-operation-timeout",
}


def spec_guards(spec: Json, facts: Facts) -> tuple[Guard, ...]:
    return (
        *canonical.spec_guards(spec),
        *_duration_guards(spec),
        *_namespace_guards(spec, facts),
        *_order_guards(spec),
    )


def _duration_guards(spec: Json) -> Iterable[Guard]:
    for field, flag in _DURATIONS.items():
        try:
            value = parse_duration(spec.get(field) or "0s")
        except BadDuration as error:
            yield Guard(
                "bad-duration", Level.REFUSE, f"{flag}: {error} An invalid duration would stop all Velero backups."
            )
            continue
        if value < 0:
            yield Guard("negative-duration", Level.REFUSE, f"{flag} can't be negative.")
        elif field == "ttl" and 0 < value < 3600 * 10**9:
            yield Guard("short-ttl", Level.WARN, f"Velero deletes this backup {spec[field]} after it is created.")


def _namespace_guards(spec: Json, facts: Facts) -> Iterable[Guard]:
    if "namespaces" not in facts.whole:
        return
    for name in spec.get("includedNamespaces") or []:
        if name and name.strip() == name and not re.search(r"[*?\[]", name) and facts.get("namespaces", name) is None:
            text = f"Namespace `{name}` doesn't exist in this cluster."
            yield Guard("unknown-namespace", Level.REFUSE, text, facts.nearest("namespaces", name))


def _order_guards(spec: Json) -> Iterable[Guard]:
    for selector in [spec.get("labelSelector"), *(spec.get("orLabelSelectors") or [])]:
        if selector == {}:
            yield Guard("empty-selector", Level.WARN, "The empty selector matches every object.")


def location_guards(spec: Json, facts: Facts) -> tuple[Guard, ...]:
    """Of the location that it would be kept in: there, writable, reachable."""
    if not facts.was_read("backupstoragelocations", spec.get("storageLocation") or ""):
        return ()
    location = chosen_location(spec, facts)
    if location is None:
        text = (
            "No storage location is given, and this cluster has no default one."
            if facts.all("backupstoragelocations")
            else NO_LOCATION
        )
        return (Guard("no-location", Level.REFUSE, text, facts.names("backupstoragelocations")),)
    name = location["metadata"]["name"]
    if location.get("spec", {}).get("accessMode") == "ReadOnly":
        return (Guard("read-only-location", Level.REFUSE, f"Storage location `{name}` is read-only."),)
    if location.get("status", {}).get("phase") == "Unavailable":
        text = f"Storage location `{name}` is Unavailable. Velero would refuse the backup."
        return (Guard("location-unavailable", Level.REFUSE, text),)
    return ()


NO_LOCATION = "This cluster has no storage location. Create one: `backup-location create NAME --provider PROVIDER --bucket BUCKET`."


def chosen_location(spec: Json, facts: Facts) -> Json | None:
    name = spec.get("storageLocation")
    if name:
        return facts.get("backupstoragelocations", name)
    defaults = [item for item in facts.all("backupstoragelocations") if item.get("spec", {}).get("default")]
    if defaults:
        return max(defaults, key=lambda item: str(item["metadata"].get("creationTimestamp", "")))
    return facts.get("backupstoragelocations", "default")
