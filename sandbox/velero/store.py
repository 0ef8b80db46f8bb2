"""Access to a location's bucket, with an S3 client's error texts."""

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from domain.json_types import Json
from sandbox.bucket import Bucket
from sandbox.velero.files import prefix_of
from sandbox.velero.server import Server

UNKNOWN = "rpc error: code = Unknown desc = "
DIRECTORIES = ("backups", "restores", "restic", "metadata", "plugins", "kopia")


@dataclass(frozen=True, slots=True)
class Unreachable(Exception):
    """Why the store can't be used. `retried`: the network doesn't respond, so the client tries three times."""

    text: str
    retried: bool = False


def reach(server: Server, location: Json) -> Bucket:
    spec = location["spec"]
    secret = (spec.get("credential") or {}).get("name")
    if secret and server.live("secrets", secret) is None:
        raise Unreachable(f'unable to get credentials: unable to get key for secret: Secret "{secret}" not found')
    name = str(spec["objectStorage"]["bucket"])
    bucket = server.buckets.find(name)
    if not alive(server, location) or (bucket is not None and bucket.faults.unavailable):
        raise Unreachable(_refused(endpoint(server, location), name, prefix_of(location)), retried=True)
    if bucket is None:
        raise Unreachable(
            "rpc error: code = Unknown desc = operation error S3: ListObjectsV2, https response error StatusCode: 404,"
            " RequestID: , HostID: , NoSuchBucket: The specified bucket does not exist"
        )
    return bucket


def endpoint(server: Server, location: Json) -> str:
    return str((location["spec"].get("config") or {}).get("s3Url") or server.buckets.url).rstrip("/")


def alive(server: Server, location: Json) -> bool:
    """Return whether something listens at the location's address."""
    return endpoint(server, location) == server.buckets.url.rstrip("/")


def public_endpoint(server: Server, location: Json) -> str:
    public = (location["spec"].get("config") or {}).get("publicUrl")
    return str(public).rstrip("/") if public else endpoint(server, location)


def _refused(url: str, bucket: str, prefix: str) -> str:
    query = f"delimiter=%2F&list-type=2&prefix={quote(prefix, safe='')}"
    return UNKNOWN + _failed("ListObjectsV2", f'Get "{url}/{bucket}?{query}"', url)


def not_looked_for(server: Server, location: Json, key: str) -> str:
    """Return the error of a client that couldn't check whether a file exists."""
    url = endpoint(server, location)
    return UNKNOWN + _failed("HeadObject", f'Head "{url}/{location["spec"]["objectStorage"]["bucket"]}/{key}"', url)


def not_put(server: Server, location: Json, key: str) -> str:
    """Return the error of a client whose upload failed."""
    url, bucket = endpoint(server, location), location["spec"]["objectStorage"]["bucket"]
    failed = _failed("PutObject", f'Put "{url}/{bucket}/{key}?x-id=PutObject"', url)
    return f"{UNKNOWN}error putting object {key}: {failed}"


def _failed(operation: str, asked: str, url: str) -> str:
    return (
        f"operation error S3: {operation}, exceeded maximum number of attempts, 3,"
        " https response error StatusCode: 0, RequestID: , HostID: , request send failed,"
        f" {asked}: dial tcp {urlsplit(url).netloc}: connect: connection refused"
    )


def intruders(bucket: Bucket, location: Json) -> list[str]:
    """Return the directories at the root that Velero doesn't know."""
    return sorted(name for name in bucket.directories(prefix_of(location)) if name not in DIRECTORIES)
