"""Bodies that are invalid, slow or not as signed: errors name the place, and nothing is executed."""

import asyncio
import json
import threading
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from bot import intake
from bot.webhooks import routes as doors
from sandbox.kubernetes.faults import Trouble
from tests.bot.webhooks.pipelines import SECRET

CREATE = "backup create release-1 --include-namespaces shop"


@pytest.fixture
def routes() -> str:
    return '[[applications]]\nname = "web"\ncluster = "prod"\nnamespaces = ["shop"]\n'


@pytest.mark.parametrize(
    ("body", "fault", "near"),
    [
        ({"line": CREATE, "reasn": "r"}, "reasn: unknown field", ["reason"]),
        ({"command": {"noun": "backup", "flag": {}}}, "command.flag: unknown field", ["flags"]),
        ({"command": {"verb": "create"}}, "command.noun: required field is missing", None),
        ({"line": CREATE, "command": {"noun": "backup"}}, "body: set either line or command, not both", None),
        ({"line": CREATE, "callback": "ftp://ci"}, "callback: must be an http or https URL", None),
    ],
)
async def test_errors_of_a_command_are_reported(pipeline, body, fault, near):
    answer = await pipeline.asks(**body)
    assert answer.status == 422
    assert fault in answer.json["faults"]
    assert answer.json.get("nearest") == near


@pytest.mark.parametrize(
    ("change", "words", "near"),
    [
        ({"max_agee": "1h"}, "max_agee: unknown field", ["max_age"]),
        ({"max_age": "soon"}, "max_age: `soon` isn't a duration", None),
        ({"timeout": "25h"}, "timeout must be at most 24h", None),
        ({"ttl": "-1h"}, "ttl: `-1h` must be greater than zero", None),
        ({"app": "web"}, "set either namespaces or app, not both", None),
        ({"namespaces": [], "app": "wbe"}, "Application `wbe` doesn't exist", ["web"]),
        ({"namespaces": ["shopp"]}, "Namespace `shopp` doesn't exist in prod", ["shop"]),
        ({"cluster": "stagin"}, "Cluster `stagin` doesn't exist", ["staging"]),
    ],
)
async def test_errors_of_a_gate_are_reported(pipeline, change, words, near):
    answer = await pipeline.gate(**change)
    assert answer.status == 422
    assert words in " ".join([answer.json["title"], *answer.json.get("faults", [])])
    assert answer.json.get("nearest") == near


async def test_an_application_stands_for_its_namespaces(pipeline):
    answer = await pipeline.asks(path="/hooks/v1/gate", app="web", max_age="24h")
    assert [each["namespace"] for each in answer.json["gate"]["evidence"]] == ["shop"]


@pytest.mark.parametrize(
    "text", ["", "3", "null", "[]", "[" * 20_000 + "]" * 20_000, '{"line": NaN}', '{"line": "\\ud800"}', "9" * 5000]
)
async def test_odd_json_is_a_wrong_body(pipeline, text):
    answer = await pipeline.sends(text, ident="a")
    assert (answer.status, answer.json["type"]) == (422, "urn:velero-chatops:problem:body")


async def test_a_body_is_the_one_that_was_signed(pipeline):
    now, signed, sent = datetime.now(UTC), json.dumps({"line": "backup get"}), json.dumps({"line": CREATE})
    headers = {
        "Content-Type": "application/json",
        "webhook-id": "a",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("a", now, signed),
    }
    answer = await pipeline.posts(sent.encode(), headers)
    assert (answer.status, answer.body) == (401, b"")
    assert (await pipeline.posts(signed.encode(), headers)).status == 202
    assert (await pipeline.posts(signed.encode(), {**headers, "webhook-id": "b"})).status == 401


async def test_a_body_that_does_not_come_is_not_waited_for(pipeline, monkeypatch):
    monkeypatch.setattr(doors, "BODY_TIMEOUT_S", 0.1)
    head = (
        "POST /hooks/v1/commands HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
        f"webhook-id: a\r\nwebhook-timestamp: {int(datetime.now(UTC).timestamp())}\r\nwebhook-signature: v1,abc\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", pipeline.house.bot.port)
    writer.write(head.encode() + b'{"line"')
    async with asyncio.timeout(5):
        assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_five_megabytes_in_pieces_are_not_read_either(pipeline):
    async def pieces():
        for _ in range(5 * 1024):
            yield b"x" * 1024

    now = datetime.now(UTC)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": "a",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("a", now, "x" * 5 * 1024 * 1024),
    }
    async with pipeline._session.post(f"{pipeline.url}/hooks/v1/commands", data=pieces(), headers=headers) as answer:
        assert (answer.status, await answer.read()) == (413, b"")


@pytest.mark.parametrize("trouble", [Trouble.BAD_GATEWAY, Trouble.RESET])
async def test_a_gate_is_not_judged_by_what_is_not_known(pipeline, trouble):
    await pipeline.house.backed_up("b1")
    pipeline.house.prod.api.faults.on(trouble)
    answer = await pipeline.gate()
    pipeline.house.prod.api.faults.clear()
    assert (answer.status, answer.json["type"]) == (502, "urn:velero-chatops:problem:cluster")


async def test_a_busy_store_has_not_done_it(pipeline, monkeypatch):
    monkeypatch.setattr(intake, "INTAKE_TIMEOUT_S", 0.1)
    over = threading.Event()
    blocking = asyncio.create_task(pipeline.house.store.write(lambda _tx: over.wait(10)))
    answer = await pipeline.asks(CREATE, ident="run-1")
    over.set()
    await blocking
    assert (answer.status, answer.json["type"]) == (503, "urn:velero-chatops:problem:busy")
    assert int(answer.headers["Retry-After"]) >= 1
    await pipeline.house.quiet()
    assert pipeline.house.prod.all("backups") == []
    monkeypatch.setattr(intake, "INTAKE_TIMEOUT_S", 5.0)
    again = await pipeline.asks(CREATE, ident="run-1")
    assert (await pipeline.ends(again.json["operation"]))["state"] == "succeeded"


@pytest.mark.parametrize("path", ["/hooks/v1/commands", "/hooks/v1/gate"])
async def test_a_full_disk_is_reported_and_nothing_is_executed(pipeline, path):
    body = {"line": CREATE} if path.endswith("commands") else {"namespaces": ["shop"], "max_age": "1h"}
    store = pipeline.house.store
    (pages,) = await store.read(lambda tx: tx.connection.execute("PRAGMA page_count").fetchone())
    limit = lambda most: store.write(lambda tx: tx.connection.execute(f"PRAGMA max_page_count={most}").fetchall())  # noqa: E731
    await limit(pages)
    told = [await pipeline.asks(path=path, reason="r" * 400, **body) for _ in range(60)]
    await limit(1_000_000)
    assert {answer.status for answer in told} <= {200, 202, 503}
    full = next(answer for answer in told if answer.status == 503)
    assert full.json["type"] == "urn:velero-chatops:problem:busy"
    assert full.headers["Retry-After"]
