"""The deploy gate over HTTP and on the terminal: decided at once or after a new backup, with a callback."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from standardwebhooks import Webhook

from tests.bot.webhooks.pipelines import OTHER_TOKEN, SECRET, TOKEN
from tests.bot.webhooks.receiver import Receiver


def event_of(call):
    """As the reference libraries read it: signature first, then the event."""
    Webhook(SECRET).verify(call.body, dict(call.headers))
    headers = {name.lower(): value for name, value in call.headers.items()}
    return from_structured_event(HTTPMessage(headers, call.body))


@pytest.fixture
async def receiver():
    made = await Receiver().start()
    yield made
    await made.stop()


async def test_a_young_backup_passes_at_once(pipeline):
    await pipeline.house.backed_up("b1")
    answer = await pipeline.gate()
    assert answer.status == 200
    assert answer.json["gate"]["passed"]
    assert answer.json["gate"]["evidence"][0]["backup"] == "b1"


async def test_none_fails_at_once_with_the_reason(pipeline):
    answer = await pipeline.gate()
    assert (answer.status, answer.json["gate"]["reason"]) == (200, "no-backup")
    assert pipeline.house.prod.all("backups") == []


async def test_without_a_backup_one_is_taken_if_requested(pipeline):
    answer = await pipeline.gate(take_if_older=True)
    assert answer.status == 202
    told = await pipeline.ends(answer.json["operation"])
    assert told["gate"]["passed"]
    assert told["gate"]["evidence"][0]["backup"].startswith("gate-")
    assert len(pipeline.house.prod.all("backups")) == 1


async def test_a_backup_that_fails_does_not_pass(pipeline):
    pipeline.house.prod.velero.script("gate-*", outcome="fails", reason="disk on fire")
    answer = await pipeline.gate(take_if_older=True)
    told = await pipeline.ends(answer.json["operation"])
    assert (told["gate"]["passed"], told["gate"]["reason"]) == (False, "backup-failed")


async def test_the_same_id_gets_the_same_verdict(pipeline):
    first = await pipeline.gate(ident="run-1")
    await pipeline.house.backed_up("b1")
    assert (await pipeline.gate(ident="run-1")).json == first.json
    assert (await pipeline.gate(ident="run-2")).json["gate"]["passed"]


async def test_trying_twice_takes_one_backup(pipeline):
    answers = await asyncio.gather(*(pipeline.gate(ident="run-1", take_if_older=True) for _ in range(10)))
    assert len({answer.json["operation"] for answer in answers}) == 1
    await pipeline.ends(answers[0].json["operation"])
    assert len(pipeline.house.prod.all("backups")) == 1


async def test_time_up_is_a_fail(pipeline):
    pipeline.house.prod.velero.script("gate-*", seconds=60)
    answer = await pipeline.gate(take_if_older=True, timeout="1s")
    told = await pipeline.ends(answer.json["operation"])
    assert (told["gate"]["passed"], told["gate"]["reason"]) == (False, "timeout")


async def test_while_a_backup_runs_there_is_no_verdict(pipeline):
    pipeline.house.prod.velero.script("gate-*", seconds=60)
    ident = (await pipeline.gate(ident="run-1", take_if_older=True)).json["operation"]
    await pipeline.house.eventually(lambda: pipeline.house.prod.all("backups"))
    await pipeline.house.quiet()
    told = (await pipeline.looks(ident)).json
    assert (told["state"], told["done"], told["gate"]["passed"]) == ("running", False, None)
    again = await pipeline.gate(ident="run-1", take_if_older=True)
    assert (again.status, again.json["operation"], again.json["gate"]["passed"]) == (202, ident, None)


async def test_while_approval_is_waited_for_there_is_no_verdict(pipeline):
    ident = (await pipeline.gate(namespaces=["billing"], take_if_older=True)).json["operation"]
    asked = await pipeline.house.sees("#approvals", "backup create gate-")
    told = (await pipeline.looks(ident)).json
    assert (told["state"], told["gate"]["passed"]) == ("awaiting", None)
    await pipeline.house.bob.clicks("Approve", on=asked)
    assert (await pipeline.ends(ident))["gate"]["passed"]


async def test_what_rules_forbid_is_not_taken(pipeline):
    answer = await pipeline.gate(namespaces=["kube-system"], take_if_older=True)
    assert answer.status == 422
    assert "kube-system" in answer.json["title"]


async def test_an_unknown_cluster_gets_the_nearest_name(pipeline):
    answer = await pipeline.gate(cluster="prd")
    assert (answer.status, answer.json["nearest"]) == (422, ["prod"])


async def test_the_end_is_called_back_signed(pipeline, receiver):
    answer = await pipeline.gate(take_if_older=True, callback=f"{receiver.url}/back")
    (call, *_) = await receiver.got()
    event = event_of(call)
    assert event.get_id() == call.headers["webhook-id"]
    assert event.get_type() == "io.velero-chatops.operation.answered.v1"
    result = event.get_data()["facts"]["result"]
    assert (result["operation"], result["gate"]["passed"]) == (answer.json["operation"], True)


async def test_a_refusal_is_called_back_too(pipeline, receiver):
    await pipeline.asks("backup create all", callback=receiver.url)
    (call, *_) = await receiver.got()
    result = event_of(call).get_data()["facts"]["result"]
    assert (result["state"], result["problem"]["status"]) == ("refused", 403)


async def test_every_verdict_is_on_record_once(pipeline):
    await pipeline.gate(ident="run-1")
    await pipeline.gate(ident="run-1")
    taken = await pipeline.gate(take_if_older=True)
    await pipeline.ends(taken.json["operation"])
    rows = await pipeline.house.store.read(lambda tx: tx.audit.latest(50))
    (passed, failed) = [row.entry for row in rows if row.entry.action == "gate"]
    assert (failed.actor, failed.outcome, failed.subject) == ("deploy", "failed", "shop")
    assert failed.detail["reason"] == "no-backup"
    assert (passed.outcome, passed.operation) == ("passed", taken.json["operation"])
    assert passed.detail["backups"]["shop"].startswith("gate-")


async def test_others_do_not_see_a_gate(pipeline):
    answer = await pipeline.gate()
    assert (await pipeline.looks(answer.json["operation"], token=OTHER_TOKEN)).status == 404


class TestTerminal:
    async def run(self, pipeline, *arguments, **environment):
        known = {
            "VELERO_CHATOPS_URL": pipeline.url,
            "VELERO_CHATOPS_SECRET": SECRET,
            "VELERO_CHATOPS_TOKEN": TOKEN,
            "PYTHONPATH": str(Path.cwd()),
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "gate", "--cluster", "prod", *arguments),
            env={**known, **environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    async def test_a_pass_is_0(self, pipeline):
        await pipeline.house.backed_up("b1")
        code, out, _ = await self.run(pipeline, "--namespace", "shop", "--max-age", "24h")
        assert (code, out.partition(" is ")[0]) == (0, "PASS Namespace shop: backup b1")

    async def test_a_fail_is_1(self, pipeline):
        code, out, _ = await self.run(pipeline, "--namespace", "shop", "--max-age", "24h", "-o", "json")
        assert (code, json.loads(out)["gate"]["reason"]) == (1, "no-backup")

    async def test_one_that_is_taken_is_waited_for(self, pipeline):
        code, out, _ = await self.run(pipeline, "--namespace", "shop", "--max-age", "24h", "--take-if-older")
        assert (code, out[:4]) == (0, "PASS")

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--max-age", "24h"),
            ("--namespace", "shop", "--max-age", "soon"),
            ("--namespace", "nowhere", "--max-age", "1h"),
        ],
    )
    async def test_a_wrong_use_is_2(self, pipeline, arguments):
        code, _, err = await self.run(pipeline, *arguments)
        assert code == 2
        assert err

    async def test_a_wrong_secret_is_3(self, pipeline):
        wrong = "whsec_d3Jvbmcgc2VjcmV0IG9mIHNvbWVib2R5"
        arguments = ("--namespace", "shop", "--max-age", "24h")
        code, _, err = await self.run(pipeline, *arguments, VELERO_CHATOPS_SECRET=wrong)
        assert code == 3
        assert "rejects the secret or token" in err

    async def test_nobody_there_is_3(self, pipeline):
        arguments = ("--namespace", "shop", "--max-age", "24h")
        code, _, err = await self.run(pipeline, *arguments, VELERO_CHATOPS_URL="http://127.0.0.1:9")
        assert (code, err) == (3, "The bot can't be reached.\n")
