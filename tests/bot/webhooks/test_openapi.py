"""The OpenAPI document matches the committed file and the real answers."""

import json
from pathlib import Path

import aiohttp
import pytest
from pydantic import ValidationError

from bot.configuration.settings import Route
from bot.webhooks.bodies import Accepted, GateVerdict, OperationStatus, Problem


async def test_it_is_served_as_it_is_committed(pipeline):
    async with aiohttp.ClientSession() as session, session.get(pipeline.url + "/hooks/v1/openapi.json") as answer:
        assert await answer.json() == json.loads(Path("docs/openapi.json").read_text())


def test_every_reference_leads_somewhere():
    text = Path("docs/openapi.json").read_text()
    known = json.loads(text)["components"]["schemas"]
    named = {part.partition('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert named <= set(known)


@pytest.mark.parametrize("line", ["backup create b1 --include-namespaces shop", "backup get", "backup create all"])
async def test_answers_are_as_described(pipeline, line):
    taken = await pipeline.asks(line)
    Accepted.model_validate(taken.json, extra="forbid")
    OperationStatus.model_validate(await pipeline.ends(taken.json["operation"]), extra="forbid")


async def test_problems_and_verdicts_are_as_described(pipeline):
    Problem.model_validate((await pipeline.asks("backup creat")).json, extra="forbid")
    GateVerdict.model_validate((await pipeline.gate()).json["gate"], extra="forbid")


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "webhook", "url": "https://hooks.example.com"},
        {"kind": "webhook", "name": "ops"},
        {"kind": "alertmanager", "name": "ops", "url": "ftp://x"},
        {"kind": "webhook", "name": "ops", "url": "https://x", "allow_addresses": ["10.0.0.0/99"]},
    ],
)
def test_a_route_that_cannot_work_is_a_settings_error(wrong):
    with pytest.raises(ValidationError):
        Route(**wrong)
