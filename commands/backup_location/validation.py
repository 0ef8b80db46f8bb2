"""Guards on a storage location: what Velero would take and then call Unavailable, and what must not go through chat."""

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

_SECRET = re.compile(r"secret|password|passwd|token|access_?key(?!id)|private", re.IGNORECASE)
_INSIDE = re.compile(r"\.svc(\.|:|/|$)|\.cluster\.local|^https?://(localhost|127\.)", re.IGNORECASE)


def location_guards(name: str, spec: Json, facts: Facts, context: PlanContext) -> tuple[Guard, ...]:
    """`spec` is the location as it would be; others are the ones that are there."""
    others = [item for item in facts.all("backupstoragelocations") if object_fields.name(item) != name]
    provider = find_provider(str(spec.get("provider", "")))
    return (
        *_bucket(spec),
        *_overlaps(spec, others),
        *_config(provider, spec),
        *secret_guards(spec.get("config") or {}),
        *_not_recovery(spec),
        *_too_new(provider, context),
    )


def default_guards(name: str, facts: Facts) -> tuple[Guard, ...]:
    """Velero takes the newest of several defaults and silently unsets the others."""
    holders = [one for one in default_locations(facts) if one != name]
    if not holders:
        return ()
    text = f"`{holders[0]}` is already the default storage location. Only one can be the default."
    return (Guard("second-default", Level.REFUSE, text, (f"backup-location default {name}",)),)


def default_locations(facts: Facts) -> list[str]:
    return sorted(
        object_fields.name(item)
        for item in facts.all("backupstoragelocations")
        if object_fields.spec(item).get("default") is True
    )


def _bucket(spec: Json) -> Iterable[Guard]:
    bucket = str((spec.get("objectStorage") or {}).get("bucket", ""))
    if "/" in bucket:
        first, _, rest = bucket.partition("/")
        text = f"Bucket `{bucket}` contains a '/'. Put the path in --prefix."
        yield Guard("bad-bucket", Level.REFUSE, text, (f"--bucket {first} --prefix {rest}",))


def _overlaps(spec: Json, others: Iterable[Json]) -> Iterable[Guard]:
    for item in others:
        if is_same_store(spec, object_fields.spec(item)) and overlaps(prefix(spec), prefix(object_fields.spec(item))):
            other = object_fields.name(item)
            where = f"{bucket(spec)}/{prefix(object_fields.spec(item))}".rstrip("/")
            text = f"Storage location `{other}` already uses `{where}`. If one location is inside the other, Velero finds unknown directories and sets the outer one to Unavailable."
            yield Guard("location-overlap", Level.REFUSE, text, (_beside(spec, item),))


def _beside(spec: Json, other: Json) -> str:
    """A corrected place, ready to copy: a directory that neither holds the other's nor lies in it."""
    if prefix(spec) and not prefix(object_fields.spec(other)):
        return "--bucket BUCKET"
    return f"--prefix {(prefix(spec) or 'velero').split('/')[0]}-2"


def bucket(spec: Json) -> str:
    return str((spec.get("objectStorage") or {}).get("bucket", ""))


def prefix(spec: Json) -> str:
    return str((spec.get("objectStorage") or {}).get("prefix") or "").strip("/")


def is_same_store(one: Json, other: Json) -> bool:
    """Two that say nothing of an address may be the same; two that name different ones are not."""
    if one.get("provider") != other.get("provider") or bucket(one) != bucket(other):
        return False
    return all(
        not mine or not theirs or mine == theirs
        for mine, theirs in (
            (_setting(one, key), _setting(other, key)) for key in ("s3Url", "storageAccount", "server")
        )
    )


def _setting(spec: Json, key: str) -> str:
    return str((spec.get("config") or {}).get(key) or "").rstrip("/").lower()


def overlaps(one: str, other: str) -> bool:
    """The same directory, or one above the other."""
    return one == other or not one or not other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _config(provider: Provider | None, spec: Json) -> Iterable[Guard]:
    given = spec.get("config") or {}
    if provider is None:
        near = tuple(get_close_matches(str(spec.get("provider", "")), list(PROVIDERS), n=2))
        known = f"  Known providers: {', '.join(PROVIDERS)}."
        text = f"Unknown provider `{spec.get('provider')}`. It works only if its Velero plugin is installed.{known}"
        yield Guard("unknown-provider", Level.WARN, text, near)
        return
    lacking = [key for key in provider.needed if not given.get(key)]
    if lacking:
        example = ",".join(f"{key}=…" for key in provider.needed)
        text = f"{provider.title} needs {', '.join(lacking)} in --config."
        yield Guard("missing-config", Level.REFUSE, text, (f"--config {example}",))
    wanted = [key for key in provider.wanted if not given.get(key)]
    if wanted:
        yield Guard("missing-config", Level.WARN, f"{provider.title} usually needs {', '.join(wanted)} in --config.")
    for key in given:
        if key not in provider.keys and not _SECRET.search(key):
            near = tuple(get_close_matches(key, provider.keys, n=2))
            yield Guard("unknown-config", Level.WARN, f"Unknown setting `{key}` for {provider.title}.", near)


def secret_guards(config: Mapping[str, str]) -> Iterable[Guard]:
    for key, value in config.items():
        if _SECRET.search(key) or scrub(f"{key}={value}") != f"{key}={value}":
            text = f"`{key}` in --config looks like a secret. Don't send secrets through Slack. Replace this secret, and use --credential."
            yield Guard("secret-in-chat", Level.REFUSE, text, ("--credential SECRET=KEY",))


def _not_recovery(spec: Json) -> Iterable[Guard]:
    url = str((spec.get("config") or {}).get("s3Url") or "")
    if _INSIDE.search(url):
        host = urlsplit(url).hostname or url
        yield Guard(
            "store-inside",
            Level.WARN,
            f"{host} runs inside this cluster. If the cluster is lost, its backups are lost too.",
        )


def _too_new(provider: Provider | None, context: PlanContext) -> Iterable[Guard]:
    if provider is None or not provider.local:
        return
    found = re.match(r"v?1\.(\d+)", context.cluster.server_version)
    if found and int(found[1]) >= 17:
        text = f"{provider.title} doesn't support Velero {context.cluster.server_version}; the last supported version is 1.16."
        yield Guard("provider-too-old", Level.REFUSE, text)


def location_notes(spec: Json) -> tuple[str, ...]:
    provider = find_provider(str(spec.get("provider", "")))
    said = ["The bucket must exist, and nothing else may be stored under this bucket and prefix."]
    if provider is not None and provider.note:
        said.append(provider.note)
    if spec.get("credential"):
        said.append("Check in a minute whether Velero can use the Secret: `backup-location get`.")
    return tuple(said)
