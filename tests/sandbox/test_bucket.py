"""Downloads over HTTP: presigned, for ten minutes, and what goes wrong with them."""

import gzip
import zlib
from datetime import UTC, datetime

import aiohttp
import pytest

from sandbox.bucket import Buckets, Faults
from sandbox.clock import ManualClock

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def clock():
    return ManualClock(START)


@pytest.fixture
async def buckets(clock):
    buckets = Buckets(clock)
    buckets.create("velero").put("backups/b/b-logs.gz", gzip.compress(b"hello"))
    await buckets.start()
    yield buckets
    await buckets.stop()


@pytest.fixture
async def http():
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


async def get(http, url, method="GET"):
    async with http.request(method, url) as response:
        return response.status, await response.read(), dict(response.headers)


async def test_the_object_as_it_is_without_type_and_encoding(buckets, http):
    status, body, headers = await get(http, buckets.presign("velero", "backups/b/b-logs.gz"))
    assert (status, gzip.decompress(body)) == (200, b"hello")
    assert not {"Content-Type", "Content-Encoding"} & headers.keys()


async def test_a_key_that_does_not_exist(buckets, http):
    key = "backups/b/b-csi-volumesnapshots.json.gz"
    status, body, headers = await get(http, buckets.presign("velero", key))
    assert status == 404
    assert b"<Code>NoSuchKey</Code>" in body
    assert f"<Key>{key}</Key>".encode() in body
    assert headers["Content-Type"].startswith("application/xml")


async def test_a_bucket_that_does_not_exist(buckets, http):
    status, body, _ = await get(http, buckets.presign("nowhere", "x"))
    assert (status, b"NoSuchBucket" in body) == (404, True)


async def test_ten_minutes_and_not_longer(buckets, http, clock):
    url = buckets.presign("velero", "backups/b/b-logs.gz")
    await clock.advance(600)
    assert (await get(http, url))[0] == 200
    await clock.advance(1)
    status, body, _ = await get(http, url)
    assert (status, b"Request has expired" in body) == (403, True)


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "POST"])
async def test_signed_for_reading_only(buckets, http, method):
    assert (await get(http, buckets.presign("velero", "backups/b/b-logs.gz"), method))[0] == 403


async def test_another_key_under_the_same_signature(buckets, http):
    url = buckets.presign("velero", "backups/b/b-logs.gz").replace("/b/b-logs", "/c/c-logs")
    status, body, _ = await get(http, url)
    assert (status, b"SignatureDoesNotMatch" in body) == (403, True)


async def test_unsigned(buckets, http):
    assert (await get(http, f"{buckets.url}/velero/backups/b/b-logs.gz"))[0] == 403


async def test_unavailable_hangs_up(buckets, http):
    bucket = buckets.find("velero")
    bucket.fail(Faults(unavailable=True))
    with pytest.raises(aiohttp.ClientError):
        await get(http, buckets.presign("velero", "backups/b/b-logs.gz"))
    bucket.fail()
    assert (await get(http, buckets.presign("velero", "backups/b/b-logs.gz")))[0] == 200


async def test_a_bomb_is_small_on_the_wire(buckets, http):
    buckets.find("velero").fail(Faults(bomb=50 << 20))
    _, body, _ = await get(http, buckets.presign("velero", "backups/b/b-logs.gz"))
    assert len(body) < 100_000
    assert len(zlib.decompress(body, 31)) == 50 << 20


async def test_huge_is_huge(buckets, http):
    buckets.find("velero").fail(Faults(huge=5 << 20))
    _, body, _ = await get(http, buckets.presign("velero", "backups/b/b-logs.gz"))
    assert len(body) == 5 << 20


async def test_lazy_content_is_made_when_it_is_asked_for(buckets, http):
    made = []
    buckets.find("velero").put("lazy", lambda: made.append(1) or b"now")
    assert made == []
    assert (await get(http, buckets.presign("velero", "lazy")))[1] == b"now"
    assert made == [1]


async def test_directories_and_prefixes(buckets):
    bucket = buckets.find("velero")
    bucket.put("restores/r/x", b"")
    assert sorted(bucket.directories()) == ["backups", "restores"]
    assert list(bucket.directories("backups/")) == ["b"]
    bucket.put("backups/b/b-logs.gz", b"again")
    bucket.delete_under("backups/b/")
    assert list(bucket.directories()) == ["restores"]
    assert bucket.keys() == ["restores/r/x"]
