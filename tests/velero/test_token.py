"""Sources of the Authorization header, and when it is read again."""

import asyncio
import json
import sys
from datetime import UTC, datetime

import pytest

from domain.errors import Unauthenticated
from velero.token import Reading, Token, fixed_token, token_from_exec, token_from_file


class Source:
    """Gives out numbered tokens, fails when told to, on a clock that the test moves."""

    def __init__(self, ends: float | None = None) -> None:
        self.now = 1000.0
        self.reads = 0
        self.broken = False
        self.ends = ends

    async def read(self) -> Reading:
        await asyncio.sleep(0)
        if self.broken:
            raise Unauthenticated("prod", "no token")
        self.reads += 1
        ends = datetime.fromtimestamp(self.now + self.ends, UTC) if self.ends else None
        return Reading(f"Bearer {self.reads}", ends)

    def token(self) -> Token:
        return Token(self.read, monotonic=lambda: self.now, wall=lambda: self.now)


async def test_one_reading_serves_concurrent_requests():
    source = Source()
    token = source.token()
    assert set(await asyncio.gather(*(token.header() for _ in range(50)))) == {"Bearer 1"}
    assert source.reads == 1


async def test_it_is_kept_for_a_minute():
    source = Source()
    token = source.token()
    await token.header()
    source.now += 59
    assert await token.header() == "Bearer 1"
    source.now += 2
    assert await token.header() == "Bearer 2"


async def test_a_token_that_ends_sooner_is_kept_less():
    source = Source(ends=30)
    token = source.token()
    await token.header()
    source.now += 21
    assert await token.header() == "Bearer 2"


async def test_after_a_401_it_is_read_at_once_and_once():
    source = Source()
    token = source.token()
    rejected = await token.header()
    assert set(await asyncio.gather(*(token.renew(rejected) for _ in range(50)))) == {"Bearer 2"}
    assert source.reads == 2


async def test_a_failed_reading_keeps_a_valid_token():
    source = Source(ends=300)
    token = source.token()
    await token.header()
    source.broken, source.now = True, source.now + 120
    assert await token.header() == "Bearer 1"


async def test_a_failed_reading_does_not_keep_an_expired_token():
    source = Source(ends=300)
    token = source.token()
    await token.header()
    source.broken, source.now = True, source.now + 301
    with pytest.raises(Unauthenticated):
        await token.header()


async def test_a_failed_reading_does_not_keep_a_rejected_token():
    source = Source(ends=300)
    token = source.token()
    rejected = await token.header()
    source.broken = True
    with pytest.raises(Unauthenticated):
        await token.renew(rejected)


async def test_a_rotated_file_is_read_again(tmp_path):
    (tmp_path / "token").write_text("one\n")
    now = [0.0]
    token = token_from_file("prod", tmp_path / "token", monotonic=lambda: now[0])
    assert await token.header() == "Bearer one"
    (tmp_path / "token").write_text("two\n")
    now[0] = 61.0
    assert await token.header() == "Bearer two"


@pytest.mark.parametrize("content", [None, "", " \n"])
async def test_a_file_without_a_token(tmp_path, content):
    if content is not None:
        (tmp_path / "token").write_text(content)
    with pytest.raises(Unauthenticated) as caught:
        await token_from_file("prod", tmp_path / "token").header()
    assert "token file" in caught.value.why


def plugin(code: str, **more) -> dict:
    version = "client.authentication.k8s.io/v1"
    return {"command": sys.executable, "args": ["-c", code], "apiVersion": version, **more}


def prints(status: dict) -> str:
    return f"print({json.dumps(json.dumps({'kind': 'ExecCredential', 'status': status}))})"


async def test_a_plugin_returns_the_token():
    token = token_from_exec("prod", plugin(prints({"token": "from-plugin"})), {})
    assert await token.header() == "Bearer from-plugin"


async def test_a_plugin_gets_the_exec_info_and_its_environment():
    code = (
        "import os, json; info = json.loads(os.environ['KUBERNETES_EXEC_INFO']);"
        "assert info['kind'] == 'ExecCredential' and info['spec'] == {'interactive': False};"
        "print(json.dumps({'status': {'token': os.environ['PROFILE'] + os.environ['HOME']}}))"
    )
    token = token_from_exec("prod", plugin(code, env=[{"name": "PROFILE", "value": "ops"}]), {"HOME": "/h"})
    assert await token.header() == "Bearer ops/h"


async def test_a_talkative_plugin_does_not_deadlock():
    code = "import sys; sys.stderr.write('x' * 1_000_000); sys.stderr.flush();" + prints({"token": "t"})
    assert await token_from_exec("prod", plugin(code), {}).header() == "Bearer t"


FAULTY = {
    "hangs": ("import time; time.sleep(60)", "didn't respond within"),
    "fails": ("import sys; print('hush', file=sys.stderr); sys.exit(3)", "exited with code 3"),
    "prints garbage": ("print('hush')", "isn't an ExecCredential"),
    "prints a list": ("print('[]')", "returned no token"),
    "gives half a pair": (prints({"clientCertificateData": "hush"}), "a certificate or a key, not both"),
}


@pytest.mark.parametrize(("code", "why"), FAULTY.values(), ids=FAULTY.keys())
async def test_a_failing_plugin_is_named_and_its_output_is_hidden(code, why):
    limit = 0.3 if why.startswith("did not") else 15.0
    with pytest.raises(Unauthenticated) as caught:
        await token_from_exec("prod", plugin(code), {}, timeout=limit).header()
    assert why in caught.value.why
    assert "hush" not in caught.value.why


async def test_a_plugins_token_is_kept_until_it_expires(tmp_path):
    """As in client-go: a plugin can take seconds and call a cloud's API."""
    count = f"import pathlib; p = pathlib.Path({str(tmp_path / 'runs')!r}); p.write_text((p.read_text() if p.exists() else '') + 'x');"
    token = token_from_exec("prod", plugin(count + prints({"token": "t"})), {})
    await token.header()
    token._monotonic = lambda: 1e12
    await token.header()
    assert (tmp_path / "runs").read_text() == "x"
    await token.renew("Bearer t")
    assert (tmp_path / "runs").read_text() == "xx"


async def test_a_missing_plugin():
    with pytest.raises(Unauthenticated) as caught:
        await token_from_exec("prod", {"command": "/nowhere/aws-iam"}, {}).header()
    assert "aws-iam can't be started" in caught.value.why


async def test_a_fixed_token():
    assert await fixed_token("Bearer x").header() == "Bearer x"
