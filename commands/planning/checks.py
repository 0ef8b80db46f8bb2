"""Guards on names, labels, durations and locations that Velero would accept and then fail on.

They run after the translation: a line still translates as the velero CLI does, and is refused with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from commands.grammar.command import Command
from commands.planning.facts import Facts
from domain.duration import BadDuration, format_human
from domain.duration import parse as parse_duration
from domain.json_types import Json
from domain.plan import Guard, Level
from domain.selectors import is_valid_key, is_valid_value
from policy import canonical

RESERVED = ("velero.io/", "velero-chatops.io/", "kots.io/", "replicated.com/")
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


def name_guards(noun: str, name: str, *, max_length: int = 253) -> tuple[Guard, ...]:
    if len(name) > max_length:
        why = (
            " Velero stores the name in a label, so a schedule with a longer name never runs."
            if noun == "schedule"
            else ""
        )
        return (
            Guard(
                "name-too-long",
                Level.REFUSE,
                f"The name has {len(name)} characters; the limit for a {noun} is {max_length}.{why}",
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
    return (
        Guard(
            "name-exists", Level.REFUSE, f"{noun[:1].upper()}{noun[1:]} `{name}` already exists.", (f"{name[:60]}-2",)
        ),
    )


def label_guards(cmd: Command) -> tuple[Guard, ...]:
    """Check the labels and annotations of the command. Velero itself copies those of a schedule."""
    guards: list[Guard] = []
    for flag in ("labels", "annotations"):
        pairs = cmd.pairs(flag)
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
        *_selector_guards(spec),
    )


def _duration_guards(spec: Json) -> Iterable[Guard]:
    for field, flag in _DURATIONS.items():
        try:
            value = parse_duration(spec.get(field) or "0s")
        except BadDuration as error:
            text = f"{flag}: {error.text} The Velero server couldn't list its backups with an invalid duration."
            yield Guard("bad-duration", Level.REFUSE, text)
            continue
        if value < 0:
            yield Guard("negative-duration", Level.REFUSE, f"{flag} can't be negative.")
        elif field == "ttl" and 0 < value < 3600 * 10**9:
            yield Guard(
                "short-ttl", Level.WARN, f"Velero deletes this backup {format_human(value)} after it is created."
            )


def _namespace_guards(spec: Json, facts: Facts) -> Iterable[Guard]:
    if "namespaces" not in facts.whole:
        return
    for name in spec.get("includedNamespaces") or []:
        if name and name.strip() == name and not re.search(r"[*?\[]", name) and facts.get("namespaces", name) is None:
            text = f"Namespace `{name}` doesn't exist in {facts.cluster or 'this cluster'}."
            yield Guard("unknown-namespace", Level.REFUSE, text, facts.nearest("namespaces", name))


def _selector_guards(spec: Json) -> Iterable[Guard]:
    for selector in [spec.get("labelSelector"), *(spec.get("orLabelSelectors") or [])]:
        if selector == {}:
            yield Guard("empty-selector", Level.WARN, "The empty selector matches every object.")


def location_guards(spec: Json, facts: Facts) -> tuple[Guard, ...]:
    """Check that the storage location of the backup exists, is writable and is available."""
    if not facts.was_read("backupstoragelocations", spec.get("storageLocation") or ""):
        return ()
    location = chosen_location(spec, facts)
    if location is None:
        text = (
            "No storage location is given, and this cluster has no default one. Add --storage-location NAME."
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
