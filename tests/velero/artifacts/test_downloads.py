"""Downloads from an object store, over the wire: request, URL, transfer and hostile replies."""

import gzip
import json
import random
from contextlib import aclosing
from dataclasses import replace

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import DownloadError, NotUploaded
from tests.velero.conftest import says, says_json, streams
from tests.velero.test_connection import authority
from velero.artifacts.downloads import Downloads, File, download_requests
from velero.artifacts.hosts import check_host
from velero.artifacts.object_store import ObjectStore
from velero.artifacts.unpacking import Unpacker, UnpackLimits
from velero.resources.requests import OWNER_LABELS

REQUESTS = "/apis/velero.io/v1/namespaces/velero/downloadrequests"
REQUEST = f"{REQUESTS}/nightly-abcde"
SIGNED = "/bucket/backups/nightly/nightly-results.gz?X-Amz-Signature=hush"


class Velero:
    """Answers download requests with the address that the test wants."""

    def __init__(self, server) -> None:
        self.server = server
        self.url = server.url + SIGNED
        server.other[f"POST {REQUESTS}"] = says_json(self.request("New"), 201)
        server.other[f"GET {REQUEST}"] = self.get
        server.other[f"DELETE {REQUEST}"] = says_json({"kind": "Status", "status": "Success"})

    def request(self, phase: str) -> dict:
        status = {"phase": phase} | ({"downloadURL": self.url} if phase == "Processed" else {})
        return {"kind": "DownloadRequest", "metadata": {"name": "nightly-abcde", "uid": "u"}, "status": status}

    async def get(self, request):
        return await says_json(self.request("Processed"))(request)

    def stores(self, answer) -> None:
        self.server.other[f"GET {SIGNED.partition('?')[0]}"] = answer

    @property
    def fetched(self) -> list[web.Request]:
        return [one for one in self.server.requests if one.path.startswith(("/bucket", "/else"))]

    @property
    def removed(self) -> bool:
        return any(one.method == "DELETE" for one in self.server.requests)


@pytest.fixture
def velero(server):
    return Velero(server)


@pytest.fixture
def downloads(server, api):
    store = ObjectStore((server.host,))
    return Downloads(download_requests(api, "velero"), store, within=1.0, answer_within=0.5)


async def read(downloads) -> bytes:
    return await downloads.read(File.BACKUP_RESULTS, "nightly")


async def test_a_file_is_requested_downloaded_unpacked_and_the_request_deleted(server, velero, downloads):
    velero.stores(says(gzip.compress(b'{"errors":{}}'), content_type="binary/octet-stream"))
    assert await read(downloads) == b'{"errors":{}}'
    made = json.loads(server.bodies[0])
    assert made["spec"] == {"target": {"kind": "BackupResults", "name": "nightly"}}
    assert made["metadata"] == {"generateName": "nightly-", "labels": OWNER_LABELS}
    assert velero.removed


async def test_no_header_of_the_bot_goes_to_the_store(velero, downloads):
    velero.stores(says(gzip.compress(b"{}")))
    await read(downloads)
    [fetched] = velero.fetched
    assert "Authorization" not in fetched.headers
    assert fetched.headers["Accept-Encoding"] == "identity"
    assert fetched.query["X-Amz-Signature"] == "hush"


async def test_no_proxy_is_used(velero, downloads, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    velero.stores(says(gzip.compress(b"{}")))
    store = downloads.store
    async with aclosing(store.chunks(velero.url, "The log of x", within=1.0)) as chunks:
        assert b"".join([chunk async for chunk in chunks]) == gzip.compress(b"{}")


async def test_an_empty_file(velero, downloads):
    velero.stores(says(b""))
    assert await read(downloads) == b""


async def test_not_uploaded_yet(velero, downloads):
    velero.stores(says("<Error><Code>NoSuchKey</Code><Key>hush</Key></Error>", 404, "application/xml"))
    with pytest.raises(NotUploaded) as caught:
        await read(downloads)
    assert caught.value.text == "The error list of nightly doesn't exist."
    assert velero.removed


REFUSALS = {
    "elsewhere": (says(b"", 307, Location="http://127.0.0.1:1/else?hush"), "redirects to another address"),
    "expired": (says("<Error>hush</Error>", 403, "application/xml"), "returned HTTP 403"),
    "broken": (says("hush", 500, "text/plain"), "returned HTTP 500"),
    "no gzip": (says(b"\x1f\x8bhush"), "it isn't gzip data"),
    "half": (says(gzip.compress(random.Random(1).randbytes(9999))[:5000]), "incomplete"),
    "cut": (streams(gzip.compress(random.Random(1).randbytes(9999))[:5000], then="cut"), "was cut off"),
    "silence": (streams(b"\x1f\x8b", then="hang"), "No response within"),
}


@pytest.mark.parametrize(("answer", "why"), REFUSALS.values(), ids=REFUSALS.keys())
async def test_a_failure_is_described_without_the_url(velero, downloads, answer, why):
    velero.stores(answer)
    with pytest.raises(DownloadError) as caught:
        await read(downloads)
    told = f"{caught.value.text} {caught.value.why} {caught.value.fix} {caught.value!r} {caught.value.__cause__!r}"
    assert why in told
    assert "hush" not in told
    assert "bucket" not in told
    assert len(velero.fetched) == 1
    assert velero.removed


async def test_a_host_that_is_not_allowed_is_never_called(velero, downloads):
    velero.url = "http://169.254.169.254/latest/meta-data?hush"
    with pytest.raises(DownloadError) as caught:
        await read(downloads)
    assert caught.value.why == "169.254.169.254 isn't in object_store_hosts of this cluster"
    assert caught.value.fix == "Add 169.254.169.254 to object_store_hosts of this cluster."
    assert velero.removed


async def test_velero_does_not_respond(server, velero, downloads):
    server.other[f"GET {REQUEST}"] = says_json(velero.request("New"))
    with pytest.raises(DownloadError) as caught:
        await read(downloads)
    assert caught.value.why == "Velero didn't respond"
    assert velero.removed


async def test_velero_reports_a_failure(server, velero, downloads):
    answer = velero.request("Failed")
    answer["status"]["message"] = "backup not found"
    server.other[f"GET {REQUEST}"] = says_json(answer)
    with pytest.raises(DownloadError) as caught:
        await read(downloads)
    assert caught.value.why == "backup not found"


async def test_the_request_vanishes(server, velero, downloads):
    del server.other[f"GET {REQUEST}"]
    with pytest.raises(DownloadError):
        await read(downloads)


async def test_a_bomb_is_refused(velero, downloads):
    velero.stores(says(gzip.compress(b"\0" * 50_000_000)))
    with pytest.raises(DownloadError) as caught:
        await read(downloads)
    assert "times its size" in caught.value.why


async def test_a_file_that_is_too_large_is_refused(velero, downloads):
    small = replace(downloads, caps=UnpackLimits(packed=1000))
    velero.stores(says(gzip.compress(random.Random(1).randbytes(5000))))
    with pytest.raises(DownloadError) as caught:
        await small.read(File.BACKUP_LOG, "nightly")
    assert caught.value.text == "The log of nightly is too large."


async def test_an_archive_is_spooled_as_it_is(velero, downloads):
    packed = gzip.compress(b"tar")
    velero.stores(says(packed))
    with await downloads.spool(File.BACKUP_CONTENTS, "nightly") as spooled:
        assert spooled.read() == packed


@pytest.fixture
async def secure_store(tmp_path):
    """A store whose certificate only its location knows."""
    app = web.Application()
    app.router.add_get("/{key:.*}", says(gzip.compress(b"{}")))
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority(tmp_path)).start()
    yield f"127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_store_with_an_authority_of_its_own(tmp_path, velero, downloads, secure_store):
    async def of_location(file: File, name: str) -> str:
        assert (file, name) == (File.BACKUP_RESULTS, "nightly")
        return (tmp_path / "ca.crt").read_text()

    velero.url = f"https://{secure_store}{SIGNED}"
    assert await read(replace(downloads, store=ObjectStore((secure_store,)), authority=of_location)) == b"{}"


@pytest.mark.parametrize("certificate", ["", "no PEM"])
async def test_a_store_with_an_untrusted_certificate(velero, downloads, secure_store, certificate):
    async def of_location(_file: File, _name: str) -> str:
        return certificate

    velero.url = f"https://{secure_store}{SIGNED}"
    with pytest.raises(DownloadError) as caught:
        await read(replace(downloads, store=ObjectStore((secure_store,)), authority=of_location))
    assert caught.value.why == "Its certificate isn't trusted."


async def test_an_archive_that_is_too_large(velero, downloads):
    velero.stores(says(random.Random(1).randbytes(5000)))
    with pytest.raises(DownloadError) as caught:
        await replace(downloads, archive_caps=UnpackLimits(packed=4000)).spool(File.BACKUP_CONTENTS, "nightly")
    assert caught.value.text == "The archive of nightly is too large."


ALLOWED = [
    ("https://s3.example.com/x", "s3.example.com"),
    ("https://S3.Example.COM./x", "s3.example.com"),
    ("https://s3.example.com:443/x", "s3.example.com"),
    ("http://minio:9000/x", "minio:9000"),
    ("https://b.s3.eu.example.com/x", "*.example.com"),
    ("https://b.s3.example.com:9443/x", "*.s3.example.com:9443"),
    ("http://[fd00::1]:9000/x", "[fd00::1]:9000"),
]


@pytest.mark.parametrize(("url", "entry"), ALLOWED)
def test_allowed_hosts(url, entry):
    assert check_host(url, (entry,)).allowed


REFUSED = [
    ("https://s3.example.com/x", ""),
    ("https://s3.example.com:8443/x", "s3.example.com"),
    ("http://minio/x", "minio:9000"),
    ("https://example.com/x", "*.example.com"),
    ("https://evil-example.com/x", "*.example.com"),
    ("https://s3.example.com.evil.net/x", "s3.example.com"),
    ("https://s3.example.com@evil.net/x", "s3.example.com"),
    ("https://ada:p@s3.example.com/x", "s3.example.com"),
    ("https://evil.net#s3.example.com", "s3.example.com"),
    ("https://evil.net\\@s3.example.com", "evil.net"),
    ("file:///etc/passwd", "*"),
    ("ftp://s3.example.com/x", "s3.example.com"),
    ("//s3.example.com/x", "s3.example.com"),
    ("https://[::1/x", "::1"),
    ("https://s3.example.com:99999/x", "s3.example.com"),
    ("", "s3.example.com"),
]


@pytest.mark.parametrize(("url", "entry"), REFUSED)
def test_refused_hosts(url, entry):
    assert not check_host(url, (entry,) if entry else ()).allowed


def unpacked(body: bytes, chunk: int, caps: UnpackLimits | None = None) -> bytes:
    unpacker = Unpacker(caps or UnpackLimits(), "It")
    pieces = [piece for at in range(0, len(body), chunk) for piece in unpacker.feed(body[at : at + chunk])]
    unpacker.finish()
    return b"".join(pieces)


@given(st.binary(max_size=3000), st.integers(1, 700))
def test_whatever_was_packed_comes_out_in_any_cutting(body, chunk):
    assert unpacked(gzip.compress(body), chunk) == body
    assert unpacked(gzip.compress(body) + gzip.compress(b"more"), chunk) == body + b"more"


@given(st.binary(min_size=1, max_size=300))
def test_anything_else_is_an_error_or_passes_through(body):
    try:
        found = unpacked(body, 7)
    except DownloadError:
        return
    assert found == body or body[:1] == b"\x1f"


def test_plain_bodies_are_counted_too():
    with pytest.raises(DownloadError):
        unpacked(b"x" * 2000, 100, UnpackLimits(unpacked=1000))


def test_a_bomb_never_has_more_than_a_piece_in_memory():
    body = gzip.compress(b"\0" * 30_000_000)
    unpacker = Unpacker(UnpackLimits(ratio=2000), "It")
    assert max(len(piece) for piece in unpacker.feed(body)) <= 1 << 18
