"""Where a webhook may go, and that it goes nowhere else."""

import asyncio
import socket
import threading
from ipaddress import ip_address, ip_network

import pytest

from domain.errors import NotAccepted, Undeliverable
from notifier.deliver.addresses import MOST_LOOKUPS, Lookups, parts_of, place_of, refusal


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.10",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.1.1",
        "169.254.1.1",
        "169.254.169.254",
        "168.63.129.16",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "::ffff:0:127.0.0.1",
        "64:ff9b:1::7f00:1",
        "3fff::1",
        "fe80::1",
        "fec0::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
    ],
)
def test_inner_addresses_are_refused(address):
    assert refusal(ip_address(address), ())


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "64:ff9b::101:101"])
def test_public_ones_are_not(address):
    assert refusal(ip_address(address), ()) == ""


def test_what_is_listed_may_be_private():
    allowed = [ip_network("10.1.0.0/16")]
    assert refusal(ip_address("10.1.2.3"), allowed) == ""
    assert refusal(ip_address("10.2.2.3"), allowed) == "a private network"


def test_the_metadata_service_is_named():
    assert refusal(ip_address("169.254.169.254"), ()) == "a cloud metadata service"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "//example.com",
        "http://",
        "https://user:pw@example.com/",
        "http://[::1/",
        "gopher://x",
        "http://x:99999/",
    ],
)
def test_other_addresses_cannot_be_called(url):
    with pytest.raises(Undeliverable):
        parts_of(url)


def answering(*addresses):
    async def resolve(_host, _port):
        return addresses

    return resolve


async def test_a_name_is_resolved_once_and_pinned():
    asked = []

    async def resolve(host, port):
        asked.append((host, port))
        return ["93.184.215.14"]

    place = await place_of("https://hooks.example.com/x", (), resolve)
    assert (place.address, place.port, asked) == ("93.184.215.14", 443, [("hooks.example.com", 443)])


async def test_a_name_that_points_inside_is_refused_with_its_address():
    with pytest.raises(Undeliverable, match=r"hooks\.example\.com is 127\.0\.0\.1: loopback"):
        await place_of("https://hooks.example.com/", (), answering("127.0.0.1"))


async def test_of_several_addresses_only_a_public_one_is_used():
    place = await place_of("https://hooks.example.com/", (), answering("10.0.0.1", "1.1.1.1"))
    assert place.address == "1.1.1.1"


async def test_an_unknown_name_may_be_known_later():
    async def resolve(_host, _port):
        raise OSError("no such host")

    with pytest.raises(NotAccepted):
        await place_of("https://hooks.example.com/", (), resolve)


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.1", "2130706433", "0x7f000001", "017700000001", "0", "[::1]", "[::ffff:127.0.0.1]", "[::]"],
)
async def test_odd_spellings_of_here_are_seen_through(host):
    with pytest.raises(Undeliverable, match=r"loopback|unspecified"):
        await place_of(f"http://{host}/", (), Lookups())


@pytest.fixture
def names(monkeypatch):
    """The system's resolver: `dead.*` gets no answer until `names` is set."""
    answers = threading.Event()
    asked = []

    def getaddrinfo(host, port, **_more):
        asked.append(host)
        if host.startswith("dead"):
            answers.wait(10)
        if host == "unknown.example.com":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    answers.asked = asked
    yield answers
    answers.set()


async def test_a_silent_name_server_holds_up_nobody_else(names):
    lookups = Lookups()
    silent = [asyncio.create_task(lookups(f"dead{number}.example.com", 443)) for number in range(40)]
    async with asyncio.timeout(2):
        assert await lookups("hooks.example.com", 443) == ["1.1.1.1"]
        assert await asyncio.to_thread(len, names.asked) == 41
    names.set()
    assert await asyncio.gather(*silent) == [["1.1.1.1"]] * 40


async def test_a_name_is_asked_for_once_at_a_time(names):
    lookups = Lookups()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(lookups("dead.example.com", 443), 0.01)
    assert names.asked == ["dead.example.com"]
    waiting = asyncio.create_task(lookups("dead.example.com", 443))
    await asyncio.sleep(0)
    names.set()
    assert await waiting == ["1.1.1.1"]
    await lookups("dead.example.com", 443)
    assert len(names.asked) == 2


async def test_there_are_not_more_than_so_many(names):
    lookups = Lookups()
    silent = [asyncio.create_task(lookups(f"dead{number}.example.com", 443)) for number in range(MOST_LOOKUPS)]
    await asyncio.sleep(0)
    with pytest.raises(OSError, match="too many"):
        await lookups("hooks.example.com", 443)
    names.set()
    await asyncio.gather(*silent)
    assert await lookups("hooks.example.com", 443)


async def test_a_name_that_nobody_knows_is_told(names):
    with pytest.raises(NotAccepted, match=r"unknown\.example\.com can't be resolved"):
        await place_of("https://unknown.example.com/", (), Lookups())
