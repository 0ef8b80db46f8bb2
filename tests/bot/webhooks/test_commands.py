"""A pipeline's command: signed, stored, run once, under the rules, in the audit log and in chat."""

import asyncio
import json
from datetime import UTC, datetime

import pytest

from sandbox.slack.words import words
from store.retention import RetentionPolicy
from tests.bot.webhooks.pipelines import OTHER, OTHER_TOKEN, PREVIOUS, minutes
from tests.pruning import prune

CREATE = "backup create release-1 --include-namespaces shop"


def backups(pipeline) -> list[str]:
    return [item["metadata"]["name"] for item in pipeline.house.prod.all("backups")]


async def test_a_signed_command_runs(pipeline):
    taken = await pipeline.asks(CREATE)
    assert taken.status == 202
    told = await pipeline.ends(taken.json["operation"])
    assert (told["state"], told["phase"], told["errors"]) == ("succeeded", "Completed", 0)
    assert told["object"]["name"] == "release-1"
    assert backups(pipeline) == ["release-1"]
    assert taken.headers["Location"] == taken.json["status_url"]


async def test_its_structured_form_means_the_same(pipeline):
    command = {"noun": "backup", "verb": "create", "names": ["r1"], "flags": {"include-namespaces": ["shop"]}}
    taken = await pipeline.asks(command=command, reason="before “the” release")
    told = await pipeline.ends(taken.json["operation"])
    assert told["state"] == "succeeded"
    assert "--reason 'before “the” release'" in told["line"]


async def test_the_previous_secret_is_accepted_too(pipeline):
    assert (await pipeline.asks(CREATE, secret=PREVIOUS)).status == 202


async def test_the_same_id_is_the_same_operation(pipeline):
    first = await pipeline.asks(CREATE, ident="run-7")
    again = [await pipeline.asks(CREATE, ident="run-7") for _ in range(5)]
    assert {answer.json["operation"] for answer in again} == {first.json["operation"]}
    assert {answer.status for answer in again} == {202}
    await pipeline.ends(first.json["operation"])
    assert backups(pipeline) == ["release-1"]


async def test_the_same_id_years_later_is_the_same_operation_still(pipeline):
    first = await pipeline.asks(CREATE, ident="run-7")
    await pipeline.ends(first.json["operation"])
    gate = await pipeline.gate(ident="run-8")
    await pipeline.house.store.write(
        lambda tx: prune(tx, datetime.now(UTC) + minutes(10 * 365 * 24 * 60), RetentionPolicy())
    )
    assert (await pipeline.asks(CREATE, ident="run-7")).json == first.json
    assert (await pipeline.asks("backup get", ident="run-7")).status == 409
    assert (await pipeline.gate(ident="run-8")).json == gate.json
    assert (await pipeline.ends(first.json["operation"]))["done"]
    assert backups(pipeline) == ["release-1"]


async def test_many_at_once_with_one_id_are_one(pipeline):
    answers = await asyncio.gather(*(pipeline.asks(CREATE, ident="run-8") for _ in range(30)))
    assert {(answer.status, answer.json["operation"]) for answer in answers} == {(202, answers[0].json["operation"])}
    await pipeline.ends(answers[0].json["operation"])
    assert backups(pipeline) == ["release-1"]


async def test_another_body_under_a_used_id_is_a_conflict(pipeline):
    await pipeline.asks(CREATE, ident="run-7")
    other = await pipeline.asks("backup create release-2 --include-namespaces shop", ident="run-7")
    assert other.status == 409
    assert other.headers["Content-Type"].startswith("application/problem+json")
    assert "already used with a different body" in other.json["title"]


async def test_two_senders_may_use_the_same_id(pipeline):
    mine = await pipeline.asks(CREATE, ident="run-7")
    theirs = await pipeline.asks("backup get", ident="run-7", secret=OTHER)
    assert theirs.status == 202
    assert mine.json["operation"] != theirs.json["operation"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"secret": "whsec_d3Jvbmcgc2VjcmV0IG9mIHNvbWVib2R5"}, "forged"),
        ({"at": minutes(-6)}, "stale"),
        ({"at": minutes(6)}, "stale"),
    ],
)
async def test_a_badly_signed_request_learns_nothing(pipeline, change, words):
    if "at" in change:
        change = {"at": datetime.now(UTC) + change["at"]}
    answer = await pipeline.asks(CREATE, **change)
    assert (answer.status, answer.body) == (401, b"")
    assert pipeline.house.bot.http_server.refused[f"hook-{words}"] == 1
    assert backups(pipeline) == []


async def test_a_changed_body_is_not_what_was_signed(pipeline):
    headers = {
        "Content-Type": "application/json",
        "webhook-id": "a",
        "webhook-timestamp": str(int(datetime.now(UTC).timestamp())),
        "webhook-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    }
    answer = await pipeline.posts(json.dumps({"line": CREATE}).encode(), headers)
    assert (answer.status, answer.body) == (401, b"")


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
async def test_every_header_is_needed(pipeline, missing):
    answer = await pipeline.sends(json.dumps({"line": CREATE}), ident="a", **{missing: ""})
    assert (answer.status, answer.body) == (401, b"")


@pytest.mark.parametrize("odd", ["v1", "v1,", "v0,abc", ",,,", "v1,\u00e9", "x" * 5000])
async def test_odd_signatures_are_refused_quietly(pipeline, odd):
    answer = await pipeline.sends(json.dumps({"line": CREATE}), ident="a", **{"webhook-signature": odd})
    assert (answer.status, answer.body) == (401, b"")


async def test_five_megabytes_are_not_read(pipeline):
    answer = await pipeline.asks("backup get " + "x" * 5 * 1024 * 1024)
    assert (answer.status, answer.body) == (413, b"")


async def test_a_thousand_forgeries_execute_nothing(pipeline):
    body = json.dumps({"line": CREATE})

    async def forge(count: int) -> set[int]:
        wrong = "whsec_d3Jvbmcgc2VjcmV0IG9mIHNvbWVib2R5"
        return {(await pipeline.sends(body, ident=f"f{number}", secret=wrong)).status for number in range(count)}

    statuses = await asyncio.gather(*(forge(40) for _ in range(25)))
    assert set().union(*statuses) == {401}
    assert backups(pipeline) == []
    assert await pipeline.house.store.read(lambda tx: tx.inbox.count()) == 0
    assert (await pipeline.asks(CREATE)).status == 202


async def test_a_wrong_line_gets_the_same_error_as_in_chat(pipeline):
    answer = await pipeline.asks("backup create r1 --include-namspaces shop")
    assert answer.status == 422
    assert answer.json["nearest"][0] == "--include-namespaces"
    assert answer.json["part"] == [17, 36]


async def test_a_wrong_body_gets_the_place_of_each_error(pipeline):
    answer = await pipeline.asks(CREATE, colour="green", link="javascript:alert(1)")
    assert answer.status == 422
    told = " ".join(answer.json["faults"])
    assert "colour" in told
    assert "must be an http or https URL" in told
    assert "javascript" not in told


async def test_an_address_with_a_secret_in_it_is_not_kept(pipeline):
    answer = await pipeline.asks(CREATE, callback="https://ci.example.com/back?token=abcdefgh")
    assert answer.status == 422
    assert "Callbacks are signed instead" in answer.json["faults"][0]


async def test_other_media_are_refused(pipeline):
    answer = await pipeline.sends(json.dumps({"line": CREATE}), ident="a", **{"Content-Type": "text/plain"})
    assert answer.status == 415


async def test_rules_hold_for_pipelines(pipeline):
    taken = await pipeline.asks("backup create all")
    told = await pipeline.ends(taken.json["operation"])
    assert told["state"] == "refused"
    assert told["problem"]["status"] == 403
    assert backups(pipeline) == []


async def test_a_sender_without_a_rule_may_not_write(pipeline):
    taken = await pipeline.asks(CREATE, secret=OTHER)
    told = (await pipeline.looks(taken.json["operation"], wait=5, token=OTHER_TOKEN)).json
    assert told["problem"]["type"].endswith(":refused")
    assert backups(pipeline) == []


async def test_a_read_is_answered_as_values(pipeline):
    await pipeline.house.backed_up("b1")
    await pipeline.house.quiet()
    taken = await pipeline.asks("backup get --cluster prod")
    told = await pipeline.ends(taken.json["operation"])
    table = next(part for part in told["answer"]["parts"] if part["kind"] == "table")
    assert table["rows"][0][0] == "b1"


async def test_an_unknown_cluster_gets_near_names(pipeline):
    taken = await pipeline.asks("backup create r1 --include-namespaces shop", cluster="prd")
    told = await pipeline.ends(taken.json["operation"])
    assert told["problem"]["nearest"] == ["prod"]


async def test_no_one_sees_the_operations_of_others(pipeline):
    taken = await pipeline.asks(CREATE)
    ident = taken.json["operation"]
    assert (await pipeline.looks(ident, token=OTHER_TOKEN)).status == 404
    wrong = await pipeline.looks(ident, token="guess")
    assert (wrong.status, wrong.body) == (401, b"")


@pytest.mark.parametrize("wait", ["61", "-1", "soon", "1e3"])
async def test_wait_is_bounded(pipeline, wait):
    assert (await pipeline.looks("op-x", wait=wait)).status == 422


async def test_waiting_returns_when_it_is_over(pipeline):
    pipeline.house.prod.velero.script("release-1", items=10, seconds=1)
    taken = await pipeline.asks(CREATE)
    told = (await pipeline.looks(taken.json["operation"], wait=20)).json
    assert told["done"]
    assert told["evidence"]["done"] == 10


async def test_waiting_ends_with_the_bot(pipeline):
    pipeline.house.prod.velero.script("release-1", seconds=60)
    taken = await pipeline.asks(CREATE)
    waiting = asyncio.create_task(pipeline.looks(taken.json["operation"], wait=60))
    await pipeline.house.in_phase("backups", "release-1", "InProgress")
    async with asyncio.timeout(10):
        await pipeline.house.stop()
        assert not (await waiting).json["done"]


class TestRate:
    @pytest.fixture
    def per_minute(self) -> int:
        return 3

    async def test_more_than_allowed_is_told_when_to_come_back(self, pipeline):
        answers = [await pipeline.asks("backup get") for _ in range(4)]
        assert [answer.status for answer in answers] == [202, 202, 202, 429]
        assert 1 <= int(answers[3].headers["Retry-After"]) <= 21

    async def test_other_senders_are_not_held_up(self, pipeline):
        for _ in range(4):
            await pipeline.asks("backup get")
        assert (await pipeline.asks("backup get", secret=OTHER)).status == 202


async def test_the_card_links_the_pipeline_that_requested_it(pipeline):
    await pipeline.asks(CREATE, link="https://ci.example.com/runs/7")
    card = await pipeline.house.sees("#ops", "backup create release-1", "Completed")
    assert "https://ci.example.com/runs/7|deploy" in json.dumps(card.blocks)
    assert "deploy" in " ".join(words(card.blocks))


async def test_approval_works_as_for_a_person(pipeline):
    taken = await pipeline.asks("backup create b1 --include-namespaces billing", reason="release")
    ident = taken.json["operation"]
    asked = await pipeline.house.sees("#approvals", "backup create b1")
    assert (await pipeline.looks(ident)).json["state"] == "awaiting"
    await pipeline.house.bob.clicks("Approve", on=asked)
    assert (await pipeline.ends(ident))["state"] == "succeeded"


async def test_a_restart_between_acknowledgement_and_work_loses_nothing(pipeline):
    pipeline.house.bot.worker.stopping = True
    taken = await pipeline.asks(CREATE)
    await pipeline.house.restart()
    assert (await pipeline.ends(taken.json["operation"]))["state"] == "succeeded"
