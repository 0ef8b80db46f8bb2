"""HTTP intake: requests that are unsigned, old or incomplete get a status code and have no effect."""

import io
import json
import socket
import time

import pytest

from sandbox.slack.delivery import COMMAND, EVENT, INTERACTION, encode, signature
from sandbox.slack.payloads import slash_command

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def post(house):
    """Any bytes with any headers, as an attacker has them."""

    async def send(body: bytes, **headers: str):
        full = {"Content-Type": FORM} | {name.replace("_", "-"): value for name, value in headers.items()}
        session = house.bot.session
        async with session.post(f"{house.url}/slack/events", data=io.BytesIO(body), headers=full) as answer:
            return answer.status, await answer.read()

    return send


def body(house, line="backup create b1 --include-namespaces shop") -> bytes:
    channel = house.slack.workspace.channel("#ops")
    return encode(COMMAND, slash_command(house.slack.site, house.grace.user, channel, "/velero", line))[1]


def signed(house, content: bytes, *, at: float | None = None, secret: str | None = None) -> dict[str, str]:
    stamp = str(int(at if at is not None else time.time()))
    return {
        "X_Slack_Request_Timestamp": stamp,
        "X_Slack_Signature": signature(secret or house.slack.signing_secret, stamp, content),
    }


async def nothing_happened(house):
    await house.quiet()
    assert await house.store.read(lambda tx: tx.operations.open()) == ()
    assert house.prod.all("backups") == []
    assert [m for m in house.messages("#ops") if m.by_bot] == []


async def test_a_signed_request_is_taken(house, post):
    content = body(house)
    assert await post(content, **signed(house, content)) == (200, b"")
    await house.sees("#ops", "backup create b1")


async def test_unsigned(house, post):
    assert await post(body(house)) == (401, b"")
    await nothing_happened(house)


async def test_signed_with_another_secret(house, post):
    content = body(house)
    assert await post(content, **signed(house, content, secret="guessed")) == (401, b"")
    await nothing_happened(house)


async def test_changed_after_it_was_signed(house, post):
    content = body(house)
    headers = signed(house, content)
    assert await post(content.replace(b"shop", b"prod"), **headers) == (401, b"")
    await nothing_happened(house)


@pytest.mark.parametrize("age", [301, 86400, -301])
async def test_stale(house, post, age):
    content = body(house)
    assert await post(content, **signed(house, content, at=time.time() - age)) == (401, b"")
    await nothing_happened(house)


@pytest.mark.parametrize("stamp", ["", "now", "1e9", "-5", "99999999999999999999", "１７３２"])
async def test_timestamps_that_are_none(house, post, stamp):
    content = body(house)
    headers = signed(house, content) | {"X_Slack_Request_Timestamp": stamp}
    status, said = await post(content, **headers)
    assert (status, said) == (401, b"")


async def test_replayed_within_its_five_minutes_it_runs_once(house, post):
    content = body(house)
    headers = signed(house, content)
    assert [(await post(content, **headers))[0] for _ in range(5)] == [200] * 5
    await house.sees("#ops", "backup create b1", "Completed")
    await house.quiet()
    assert len(house.prod.all("backups")) == 1
    assert len([m for m in house.told("#ops", "backup create b1") if not m.is_reply]) == 1


async def test_oversized(house, post):
    content = b"text=" + b"x" * (1024 * 1024 + 1)
    assert await post(content, **signed(house, content)) == (413, b"")
    await nothing_happened(house)


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "application/xml", "image/png"])
async def test_another_content_type(house, post, kind):
    content = body(house)
    assert await post(content, Content_Type=kind, **signed(house, content)) == (415, b"")
    await nothing_happened(house)


async def test_truncated_on_its_way(house):
    """The connection ends before the body does."""
    content = body(house)
    headers = {"Host": "x", "Content-Type": FORM, "Content-Length": str(len(content) + 100), "Connection": "close"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in (headers | dashed(signed(house, content))).items())
    with socket.create_connection(("127.0.0.1", house.bot.port)) as line:
        line.sendall(f"POST /slack/events HTTP/1.1\r\n{lines}\r\n".encode() + content)
    await nothing_happened(house)
    assert (await house.grace.says("/velero whoami")).status == 200


def dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (FORM, b""),
        (FORM, b"payload="),
        (FORM, b"payload=%7B"),
        (FORM, b"payload=%5B%5D"),
        (FORM, b"payload=%22x%22"),
        (FORM, b"payload=%7B%7D"),
        (FORM, b"payload=%7B%22type%22%3A%22block_actions%22%7D"),
        (FORM, b"payload=%7B%22type%22%3A%22view_submission%22%2C%22view%22%3A5%7D"),
        (FORM, b"payload=%7B%22type%22%3A%22block_actions%22%2C%22actions%22%3A%5B5%5D%2C%22user%22%3A5%7D"),
        (FORM, b"command=%2Fvelero"),
        (FORM, b"command=%2Fvelero&text=\xff\xfe"),
        (FORM, b"\xff\xfe\x00"),
        ("application/json", b""),
        ("application/json", b"{"),
        ("application/json", b"[]"),
        ("application/json", b"null"),
        ("application/json", b'"x"'),
        ("application/json", b"{}"),
        ("application/json", b'{"type":"event_callback"}'),
        ("application/json", b'{"type":"event_callback","event":7}'),
        ("application/json", b'{"type":"event_callback","event":{"type":"app_mention","user":7,"text":"x"}}'),
        ("application/json", b"\xff\xfe"),
        ("application/json", b"[" * 100_000),
    ],
)
async def test_signed_nonsense_is_refused_and_never_an_error_inside(house, post, caplog, kind, content):
    status, _ = await post(content, Content_Type=kind, **signed(house, content))
    assert status in {200, 400, 404}
    await nothing_happened(house)
    assert not [record for record in caplog.records if record.exc_info]


async def test_the_challenge_comes_back(house):
    ack = await house.slack.verify_url()
    assert ack.status == 200
    assert ack.body


async def test_an_event_delivered_twice_runs_once(house):
    house.slack.events.copies = 3
    await house.grace.mentions("@velero backup create b1 --include-namespaces shop")
    await house.sees("#ops", "backup create b1", "Completed")
    await house.quiet()
    assert len([m for m in house.told("#ops", "backup create b1") if m.metadata and not m.text.startswith("ℹ️")]) == 1


async def test_the_previous_secret_is_taken_while_it_is_replaced(build):
    house = await build()
    old = house.slack.signing_secret
    files = house.world.directory / "secrets"
    (files / "signing-secret").write_text("the-new-one")
    (files / "signing-secret-previous").write_text(old)
    text = house.settings.read_text()
    house.settings.write_text(
        text.replace(
            "[slack]", f"[slack]\nsigning_secret_previous_file = {json.dumps(str(files / 'signing-secret-previous'))}"
        )
    )
    await house.start()
    assert (await house.grace.says("/velero whoami")).status == 200
    house.slack._http.secret = "the-new-one"
    assert (await house.grace.says("/velero whoami")).status == 200
    house.slack._http.secret = "another"
    assert (await house.grace.says("/velero whoami")).status == 401


async def test_what_was_refused_is_one_row_of_the_record(house, post):
    for _ in range(5):
        await post(body(house))
    assert house.bot.http_server.refused["unsigned"] == 5
    assert not await house.store.read(
        lambda tx: [row for row in tx.audit.latest(50) if row.entry.action == "requests.refused"]
    )


async def test_overload_is_answered_as_busy_and_events_are_redelivered(house, post, monkeypatch):
    monkeypatch.setattr("bot.http.MAX_CONCURRENT_REQUESTS", 0)
    content = body(house)
    status, said = await post(content, **signed(house, content))
    assert status == 200
    assert "Nothing was done" in json.loads(said)["text"]
    event = json.dumps({"type": "event_callback", "event": {"type": "app_mention"}}).encode()
    assert (await post(event, Content_Type="application/json", **signed(house, event)))[0] == 503
    await nothing_happened(house)


@pytest.mark.parametrize("kind", [COMMAND, INTERACTION, EVENT])
async def test_while_it_stops_nothing_new_is_taken(house, post, kind):
    house.bot.http_server.closing = True
    content = encode(kind, {"type": "x"})[1]
    kind_of = {"Content_Type": "application/json"} if kind == EVENT else {}
    status, _ = await post(content, **kind_of, **signed(house, content))
    assert status in {200, 503}
    await nothing_happened(house)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/slack/events", 405),
        ("GET", "/.env", 404),
        ("DELETE", "/hooks/v1/commands", 405),
        ("GET", "/healthz", 200),
    ],
)
async def test_a_stranger_learns_nothing_of_what_runs_here(house, method, path, status):
    async with house.bot.session.request(method, f"{house.url}{path}") as answer:
        said = await answer.text()
        assert answer.status == status
        assert "Server" not in answer.headers
        assert "Python" not in said
        assert not said or status == 200


async def test_slack_s_port_names_no_cluster(house):
    """What names clusters stands on the other port alone."""
    for path, status in (("/metrics", 404), ("/readyz", 200), ("/healthz", 200)):
        async with house.bot.session.get(f"{house.url}{path}") as answer:
            assert answer.status == status
            assert "prod" not in await answer.text()
    async with house.bot.session.get(f"http://127.0.0.1:{house.bot.status_port}/metrics") as answer:
        assert 'cluster="prod"' in await answer.text()
