"""A pipeline as its own program would be: it signs with the reference library and speaks HTTP."""

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from standardwebhooks import Webhook

from domain.json_types import Json
from tests.scenarios.product import House

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PREVIOUS = "whsec_b2xkIHNlY3JldCBvZiB0aGUgcGlwZWxpbmU="
OTHER = "whsec_YW5vdGhlciBwaXBlbGluZSdzIHNlY3JldA=="
TOKEN, OTHER_TOKEN = "read-what-i-asked", "read-what-others-asked"

SENDERS = """
[[senders]]
name = "deploy"
secret_file = "{secrets}/deploy"
secret_previous_file = "{secrets}/deploy-previous"
token_file = "{secrets}/deploy-token"
groups = ["releases"]
channel = "{channel}"
per_minute = {per_minute}
callback_addresses = ["127.0.0.0/8"]

[[senders]]
name = "other"
secret_file = "{secrets}/other"
token_file = "{secrets}/other-token"
channel = "{channel}"
"""

RULES = """
[[rules]]
name = "releases-back-up-the-shop"
who = { pipelines = ["deploy"] }
what = ["backup.create"]
clusters = ["prod"]
namespaces = ["shop", "shop-*"]
effect = "allow"

[[rules]]
name = "releases-ask-before-billing"
who = { pipelines = ["deploy"] }
what = ["backup.create"]
namespaces = ["billing"]
effect = "approve"
quorum = 1
approvers = ["approvers"]
"""


def senders(house: House, per_minute: int = 600) -> str:
    secrets = house.world.directory / "secrets"
    values = {
        "deploy": SECRET,
        "deploy-previous": PREVIOUS,
        "deploy-token": TOKEN,
        "other": OTHER,
        "other-token": OTHER_TOKEN,
    }
    secrets.mkdir(exist_ok=True)
    for name, value in values.items():
        (secrets / name).write_text(value)
    return SENDERS.format(secrets=secrets, channel=house.world.channel("ops"), per_minute=per_minute)


class Answer:
    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Json:
        return json.loads(self.body)


class Pipeline:
    """`house` is the world it works in."""

    def __init__(self, house: House, session: aiohttp.ClientSession) -> None:
        self.house = house
        self._session = session
        self._count = 0

    @property
    def url(self) -> str:
        return self.house.url

    def new_id(self) -> str:
        self._count += 1
        return f"msg_{self._count}"

    async def asks(
        self,
        line: str | None = None,
        *,
        ident: str | None = None,
        secret: str = SECRET,
        at: datetime | None = None,
        path: str = "/hooks/v1/commands",
        **body: Any,
    ) -> Answer:
        told = {**({"line": line} if line is not None else {}), **body}
        return await self.sends(json.dumps(told), ident=ident or self.new_id(), secret=secret, at=at, path=path)

    async def gate(self, **body: Any) -> Answer:
        asked = {"cluster": "prod", "namespaces": ["shop"], "max_age": "24h", **body}
        ident = asked.pop("ident", None)
        return await self.asks(path="/hooks/v1/gate", ident=ident, **asked)

    async def sends(
        self,
        text: str,
        *,
        ident: str,
        secret: str = SECRET,
        at: datetime | None = None,
        path: str = "/hooks/v1/commands",
        **headers: str,
    ) -> Answer:
        when = at or datetime.now(UTC)
        signed = {
            "Content-Type": "application/json",
            "webhook-id": ident,
            "webhook-timestamp": str(int(when.timestamp())),
            "webhook-signature": Webhook(secret).sign(ident, when, text),
        }
        return await self.posts(text.encode(), {**signed, **headers}, path)

    async def posts(self, body: bytes, headers: Json, path: str = "/hooks/v1/commands") -> Answer:
        async with self._session.post(self.url + path, data=io.BytesIO(body), headers=headers) as response:
            return Answer(response.status, response.headers, await response.read())

    async def looks(self, operation: str, *, wait: int | str = 0, token: str = TOKEN) -> Answer:
        url = f"{self.url}/hooks/v1/operations/{operation}?wait={wait}"
        async with self._session.get(url, headers={"Authorization": f"Bearer {token}"}) as response:
            return Answer(response.status, response.headers, await response.read())

    async def ends(self, operation: str) -> Json:
        """How it ended; asked again as a pipeline would."""
        for _ in range(20):
            told = (await self.looks(operation, wait=2)).json
            if told["done"]:
                return told
        raise AssertionError(told)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)
