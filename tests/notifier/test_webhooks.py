"""Webhooks out, as a receiver with the reference libraries sees them: signed, described, in order, again until taken."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random

import jsonschema
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from standardwebhooks import Webhook

from domain.event import Severity
from notifier.deliver.http_client import retry_after
from notifier.deliver.webhooks import RETRY_SCHEDULE_S, WebhookDelivery, wait_before_next
from notifier.render.cloudevents import FACTS, MAX_EVENT_BYTES, encoded, envelope
from store.tables.notices import NoticeState
from tests.notifier.conftest import SECRET, START, event

SCHEMAS = Path("docs/events")


def headers_of(call):
    return {name.lower(): value for name, value in call.headers.items()}


def opened(call):
    return from_structured_event(HTTPMessage(headers_of(call), call.body))


async def test_it_is_a_cloud_event(world):
    server = await world.server("ops")
    await world.happens(event(facts={"schedule": "nightly"}))
    await world.delivers()
    (call,) = server.calls
    told = opened(call)
    assert told.get_type() == "io.velero-chatops.backup.failed.v1"
    assert told.get_source() == "//c-1/velero"
    assert told.get_subject() == "backup/b1"
    assert told.get_time() == START
    assert told.get_data()["facts"]["schedule"] == "nightly"
    assert told.get_id() == call.headers["webhook-id"]
    assert await world.states() == [NoticeState.SENT]


async def test_its_signature_is_good(world, time_machine_at):
    server = await world.server("ops")
    await world.happens(event())
    await world.delivers()
    with time_machine_at(START):
        Webhook(SECRET).verify(server.calls[0].body, headers_of(server.calls[0]))


async def test_while_a_secret_changes_both_are_good(world, time_machine_at):
    other = "whsec_b2xkIHNlY3JldCBvZiB0aGUgcGlwZWxpbmU="
    server = await world.server("ops", secrets=(SECRET, other))
    await world.happens(event())
    await world.delivers()
    with time_machine_at(START):
        for secret in (SECRET, other):
            Webhook(secret).verify(server.calls[0].body, headers_of(server.calls[0]))


@pytest.mark.parametrize("kind", sorted(FACTS))
def test_every_kind_has_a_schema_that_holds(kind):
    schema = json.loads((SCHEMAS / f"{kind}.schema.json").read_text())
    made = envelope("n1", event(kind))
    assert made["dataschema"] == schema["$id"]
    jsonschema.validate(made["data"], schema)


def test_a_kind_without_its_own_has_the_general_one():
    schema = json.loads((SCHEMAS / "event.schema.json").read_text())
    made = envelope("n1", event("cluster.joined"))
    assert made["dataschema"] == schema["$id"]
    jsonschema.validate(made["data"], schema)


def test_long_facts_are_cut_and_said_so():
    facts = {"labels": {f"k{n}": "v" * 100 for n in range(1000)}, "failure_reason": "x" * 100_000, "errors": 3}
    made = envelope("n1", event(facts=facts))
    assert len(encoded(made)) <= MAX_EVENT_BYTES
    assert made["data"]["truncated"]
    assert made["data"]["facts"]["errors"] == 3


@pytest.mark.parametrize("answer", [500, 503, 404, 400, 301, 302, 307, 304])
async def test_what_is_not_taken_comes_again(world, answer):
    server = await world.server("ops", answers=[answer, 204])
    await world.happens(event())
    await world.delivers()
    assert await world.states() == [NoticeState.PENDING]
    await world.later(seconds=4)
    assert len(server.calls) == 1
    await world.later(seconds=3)
    first, second = server.calls
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert second.headers["webhook-timestamp"] > first.headers["webhook-timestamp"]
    assert await world.states() == [NoticeState.SENT]


async def test_a_redirect_is_not_followed(world):
    inner = await world.server("inner")
    world.routes = ()
    outer = await world.server("ops", answers=[(302, {"Location": inner.url})])
    await world.happens(event())
    await world.delivers()
    assert (len(outer.calls), inner.calls) == (1, [])


async def test_the_receiver_says_when(world):
    server = await world.server("ops", answers=[(503, {"Retry-After": "120"}), 204])
    await world.happens(event())
    await world.delivers()
    await world.later(seconds=119)
    assert len(server.calls) == 1
    await world.later(seconds=2)
    assert len(server.calls) == 2


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("120", 120), ("Sat, 21 Nov 2026 12:01:00 GMT", 60), ("soon", 0), ("-5", 0), ("", 0), ("9" * 40, 0)],
)
def test_retry_after_is_seconds_or_a_date(given, seconds):
    assert retry_after(given, START) == seconds


async def test_the_schedule_is_kept_to_its_end(world):
    server = await world.server("ops", answers=[500])
    await world.happens(event())
    await world.delivers()
    for wait in RETRY_SCHEDULE_S:
        await world.later(seconds=wait * 1.2 + 1)
    assert len(server.calls) == 10
    assert await world.states() == [NoticeState.DEAD]
    (dead,) = await world.store.read(lambda tx: tx.notices.dead_letters())
    assert dead.error == "The receiver returned HTTP 500. No more retries."
    tries = await world.store.read(lambda tx: tx.deliveries.of(dead.id))
    assert [each.code for each in tries] == ["500"] * 10


async def test_the_waits_are_spread(world):
    await world.server("ops", answers=[500])
    await world.happens(event())
    await world.delivers()
    (notice,) = await world.notices()
    waits = {wait_before_next(notice, 0, START, Random(seed)) for seed in range(50)}
    assert len(waits) > 40
    assert min(waits) >= RETRY_SCHEDULE_S[0]
    assert max(waits) <= RETRY_SCHEDULE_S[0] * 1.2


async def test_gone_disables_and_tells(world):
    server = await world.server("ops", answers=[410])
    told = await world.server("admins")
    await world.happens(event())
    await world.delivers()
    await world.teller.round()
    await world.delivers()
    assert "io.velero-chatops.receiver.disabled.v1" in {opened(call).get_type() for call in told.calls}
    await world.happens(event(name="b2"))
    await world.later(days=1)
    assert len(server.calls) == 1


async def test_a_test_that_succeeds_enables_again(world):
    server = await world.server("ops", answers=[410, 200])
    await world.happens(event())
    await world.delivers()
    assert (await world.delivery.test("ops", "t1")).ok
    await world.happens(event(name="b2"))
    await world.delivers()
    assert "backup/b2" in {opened(call).get_subject() for call in server.calls}


async def test_one_operation_is_told_in_order(world):
    server = await world.server("ops", answers=[500, 204])
    await world.happens(event("backup.slow", operation="op-1"), event("backup.failed", operation="op-1"))
    await world.delivers()
    assert len(server.calls) == 1
    await world.later(seconds=10)
    types = [opened(call).get_type().split(".")[-2] for call in server.calls]
    assert types == ["slow", "slow", "failed"]


async def test_another_operation_does_not_wait_for_it(world):
    server = await world.server("ops", answers=[500, 204])
    await world.happens(event(operation="op-1"), event(name="b2", operation="op-2"))
    await world.delivers()
    assert {opened(call).get_subject() for call in server.calls} == {"backup/b1", "backup/b2"}


async def test_a_slow_receiver_holds_up_nobody(world):
    slow = await world.server("slow", delay=1.5)
    quick = await world.server("quick")
    await world.happens(*(event(name=f"b{number}", operation=f"op-{number}") for number in range(20)))
    serving = asyncio.create_task(world.delivers(100))
    await quick.got(20, deadline=1.4)
    assert len(slow.calls) <= 4
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def test_no_answer_in_time_is_a_failure(world):
    await world.server("ops", delay=5, timeout=0.2)
    await world.happens(event())
    await world.delivers()
    (notice,) = await world.notices()
    assert (notice.state, notice.error) == (NoticeState.PENDING, "The receiver didn't respond within 0.2 seconds.")


@pytest.mark.parametrize("allow", [(), ("10.0.0.0/8",)])
async def test_an_inner_address_is_never_called(world, allow):
    server = await world.server("ops", allow=allow)
    await world.happens(event())
    await world.delivers()
    (notice,) = await world.notices()
    assert server.calls == []
    assert (notice.state, "loopback" in notice.error) == (NoticeState.DEAD, True)


async def test_a_name_that_changes_its_mind_gains_nothing(world):
    """Judged is 127.0.0.2, where nobody listens; by the time of the connection the name is that of an inner server."""
    server = await world.server("ops", allow=("127.0.0.2/32",))
    answers = iter(["127.0.0.2", "127.0.0.1"])

    async def rebinding(_host, _port):
        return [next(answers, "127.0.0.1")]

    world.delivery = WebhookDelivery(world.store, lambda: world.receivers, lambda: world.now, Random(1), rebinding)
    world.receivers["webhook", "ops"] = replace(
        world.receivers["webhook", "ops"], url=server.url.replace("127.0.0.1", "hooks.example.com")
    )
    await world.happens(event())
    await world.delivers()
    assert (server.calls, await world.states()) == ([], [NoticeState.PENDING])
    await world.later(seconds=10)
    (notice,) = await world.notices()
    assert (server.calls, notice.state) == ([], NoticeState.DEAD)
    assert "hooks.example.com is 127.0.0.1: loopback" in notice.error


async def test_no_proxy_is_asked(world, monkeypatch):
    proxy = await world.server("proxy")
    world.routes = ()
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("http_proxy", proxy.url)
    server = await world.server("ops")
    await world.happens(event())
    await world.delivers()
    assert (len(server.calls), proxy.calls) == (1, [])


async def test_nothing_leaves_unsigned(world):
    server = await world.server("ops", fault="the secret can't be read: no such file")
    await world.happens(event())
    await world.delivers()
    assert server.calls == []
    assert await world.states() == [NoticeState.PENDING]


async def test_a_receiver_that_left_the_settings_is_told_in_the_list(world):
    await world.server("ops")
    await world.happens(event())
    world.receivers.clear()
    await world.delivers()
    assert (await world.notices())[0].error == "the receiver isn't configured"


async def test_what_was_on_its_way_at_a_crash_is_sent_again(world):
    server = await world.server("ops")
    await world.happens(event())
    await world.store.write(lambda tx: tx.notices.claim(world.now, kind="webhook"))
    await world.store.write(lambda tx: tx.connection.execute("UPDATE notice SET epoch = 0") and tx.notices.recover())
    await world.delivers()
    assert len(server.calls) == 1
    assert await world.states() == [NoticeState.SENT]


async def test_failed_for_good_can_be_sent_again(world):
    server = await world.server("ops", allow=())
    await world.happens(event())
    await world.delivers()
    (notice,) = await world.notices()
    await world.server("ops2")
    world.receivers["webhook", "ops"] = world.receivers["webhook", "ops2"]
    await world.store.write(lambda tx: tx.notices.retry(notice.id, world.now))
    await world.delivers()
    assert server.calls == []
    assert (await world.states())[0] is NoticeState.SENT


async def test_info_is_told_where_routed(world):
    server = await world.server("ops")
    await world.happens(event("backup.completed", severity=Severity.INFO, at=START + timedelta(seconds=1)))
    await world.delivers()
    assert len(server.calls) == 1
