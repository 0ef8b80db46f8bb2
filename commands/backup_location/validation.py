"""Checks of a storage location: settings that Velero accepts and then sets to Unavailable, and secrets sent by chat."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from urllib.parse import urlsplit

from commands.backup_location.providers import PROVIDERS, Provider, find_provider
from commands.planning import object_fields
from commands.planning.context import PlanContext
from commands.planning.facts import Facts
from domain.json_types import Json
from domain.plan import Guard, Level
from store.scrub import scrub

_SECRET_KEY = re.compile(r"secret|password|passwd|token|access_?key(?!id)|private", re.IGNORECASE)
_IN_CLUSTER_URL = re.compile(r"\.svc(\.|:|/|$)|\.cluster\.local|^https?://(localhost|127\.)", re.IGNORECASE)


def location_guards(name: str, spec: Json, facts: Facts, context: PlanContext) -> tuple[Guard, ...]:
    """Check the location as it would be after the command against the other locations of the cluster."""
    others = [item for item in facts.all("backupstoragelocations") if object_fields.name(item) != name]
    provider = find_provider(str(spec.get("provider", "")))
    return (
        *_bucket_guards(spec),
        *_overlap_guards(spec, others),
        *_config_guards(provider, spec),
        *secret_guards(spec.get("config") or {}),
        *_in_cluster_store_guards(spec),
        *_version_guards(provider, context),
    )


def default_guards(name: str, facts: Facts) -> tuple[Guard, ...]:
    """Refuse a second default: Velero keeps the newest and silently unsets the others."""
    other_defaults = [one for one in default_locations(facts) if one != name]
    if not other_defaults:
        return ()
    text = f"`{other_defaults[0]}` is already the default storage location. Only one can be the default."
    return (Guard("second-default", Level.REFUSE, text, (f"backup-location default {name}",)),)


def default_locations(facts: Facts) -> list[str]:
    return sorted(
        object_fields.name(item)
        for item in facts.all("backupstoragelocations")
        if object_fields.spec(item).get("default") is True
    )


def _bucket_guards(spec: Json) -> Iterable[Guard]:
    name = bucket(spec)
    if "/" in name:
        first, _, rest = name.partition("/")
        text = f"Bucket `{name}` contains a '/'. Put the path in --prefix."
        yield Guard("bad-bucket", Level.REFUSE, text, (f"--bucket {first} --prefix {rest}",))


def _overlap_guards(spec: Json, others: Iterable[Json]) -> Iterable[Guard]:
    for item in others:
        if is_same_store(spec, object_fields.spec(item)) and overlaps(prefix(spec), prefix(object_fields.spec(item))):
            other = object_fields.name(item)
            path = f"{bucket(spec)}/{prefix(object_fields.spec(item))}".rstrip("/")
            fix = _free_prefix(spec, item)
            text = (
                f"Storage location `{other}` already uses `{path}`. If one location is inside the other, Velero finds "
                "unknown directories and sets the outer one to Unavailable." + ("" if fix else " Use another bucket.")
            )
            yield Guard("location-overlap", Level.REFUSE, text, (fix,) if fix else ())


def _free_prefix(spec: Json, other: Json) -> str:
    """Return a prefix outside the other location; empty where the other one uses the whole bucket."""
    if not prefix(object_fields.spec(other)):
        return ""
    return f"--prefix {(prefix(spec) or 'velero').split('/')[0]}-2"


def bucket(spec: Json) -> str:
    return str((spec.get("objectStorage") or {}).get("bucket", ""))


def prefix(spec: Json) -> str:
    return str((spec.get("objectStorage") or {}).get("prefix") or "").strip("/")


def is_same_store(one: Json, other: Json) -> bool:
    """Compare provider, bucket and address; a location without an address counts as the same store."""
    if one.get("provider") != other.get("provider") or bucket(one) != bucket(other):
        return False
    return all(
        not left or not right or left == right
        for left, right in ((_setting(one, key), _setting(other, key)) for key in ("s3Url", "storageAccount", "server"))
    )


def _setting(spec: Json, key: str) -> str:
    return str((spec.get("config") or {}).get(key) or "").rstrip("/").lower()


def overlaps(one: str, other: str) -> bool:
    """Tell whether both are the same directory, or one is above the other."""
    return one == other or not one or not other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _config_guards(provider: Provider | None, spec: Json) -> Iterable[Guard]:
    given = spec.get("config") or {}
    if provider is None:
        near = tuple(get_close_matches(str(spec.get("provider", "")), list(PROVIDERS), n=2))
        text = (
            f"Unknown provider `{spec.get('provider')}`. It works only if its Velero plugin is installed. "
            f"Known providers: {', '.join(PROVIDERS)}."
        )
        yield Guard("unknown-provider", Level.WARN, text, near)
        return
    missing = [key for key in provider.required if not given.get(key)]
    if missing:
        example = ",".join(f"{key}=…" for key in provider.required)
        text = f"{provider.title} needs {', '.join(missing)} in --config."
        yield Guard("missing-config", Level.REFUSE, text, (f"--config {example}",))
    recommended = [key for key in provider.recommended if not given.get(key)]
    if recommended:
        yield Guard(
            "missing-config", Level.WARN, f"{provider.title} usually needs {', '.join(recommended)} in --config."
        )
    for key in given:
        if key not in provider.keys and not _SECRET_KEY.search(key):
            near = tuple(get_close_matches(key, provider.keys, n=2))
            yield Guard("unknown-config", Level.WARN, f"Unknown setting `{key}` for {provider.title}.", near)


def secret_guards(config: Mapping[str, str]) -> Iterable[Guard]:
    for key, value in config.items():
        if _SECRET_KEY.search(key) or scrub(f"{key}={value}") != f"{key}={value}":
            text = (
                f"`{key}` in --config looks like a secret. Don't send secrets through Slack. "
                "Replace this secret, and use --credential."
            )
            yield Guard("secret-in-chat", Level.REFUSE, text, ("--credential SECRET=KEY",))


def _in_cluster_store_guards(spec: Json) -> Iterable[Guard]:
    url = str((spec.get("config") or {}).get("s3Url") or "")
    if _IN_CLUSTER_URL.search(url):
        host = urlsplit(url).hostname or url
        yield Guard(
            "store-inside",
            Level.WARN,
            f"{host} runs inside this cluster. If the cluster is lost, its backups are lost too.",
        )


def _version_guards(provider: Provider | None, context: PlanContext) -> Iterable[Guard]:
    if provider is None or not provider.local:
        return
    found = re.match(r"v?1\.(\d+)", context.cluster.server_version)
    if found and int(found[1]) >= 17:
        text = (
            f"{provider.title} doesn't support Velero {context.cluster.server_version}; "
            "the last supported version is 1.16."
        )
        yield Guard("provider-too-old", Level.REFUSE, text)


def location_notes(spec: Json) -> tuple[str, ...]:
    provider = find_provider(str(spec.get("provider", "")))
    notes = ["The bucket must exist, and nothing else may be stored under this bucket and prefix."]
    if provider is not None and provider.note:
        notes.append(provider.note)
    if spec.get("credential"):
        notes.append("In a minute, check with `backup-location get` that Velero can use the Secret.")
    return tuple(notes)
