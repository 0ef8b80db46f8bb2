"""Secrets are removed, and nothing else."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from store.scrub import SCRUBBED, scrub, scrub_json


@pytest.mark.parametrize(
    "secret",
    [
        "xoxb-1234567890-1234567890-AbCdEf",
        "xoxe.xoxp-1-Mi0yLTEyMzQ1Njc4OTA",
        "xapp-1-A0123-456-abcdef",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "https://hooks.slack.com/commands/T01/123/abcDEF",
        "https://hooks.slack-gov.com/services/T01/B01/abcDEF",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQ\n-----END PRIVATE KEY-----",
    ],
)
def test_a_secret_is_removed_anywhere_in_a_text(secret):
    assert scrub(f"before {secret} after") == f"before {SCRUBBED} after"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Authorization: Bearer abc.def-ghi", f"Authorization: Bearer {SCRUBBED}"),
        ("authorization: basic dXNlcjpwYXNz", f"authorization: basic {SCRUBBED}"),
        ("signing_secret = 8f742231b10e8888abcd99yyyzzz85a5", f"signing_secret = {SCRUBBED}"),
        ('"client_secret":"abcd1234"', f'"client_secret":"{SCRUBBED}"'),
        ("password=hunter22 x", f"password={SCRUBBED} x"),
        ("https://s3/b/k?X-Amz-Date=1&X-Amz-Signature=ab12&x=1", f"https://s3/b/k?X-Amz-Date=1&X-Amz-Signature={SCRUBBED}&x=1"),
        ("https://blob/x?sv=1&sig=a%2Fb", f"https://blob/x?sv=1&sig={SCRUBBED}"),
        ("https://ada:geheim@git.example/x", f"https://ada:{SCRUBBED}@git.example/x"),
    ],
)  # fmt: skip
def test_text_around_a_secret_stays(text, left):
    assert scrub(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "backup create shop-1 --include-namespaces shop --ttl 720h",
        "https://velero.io/docs/main/basics?page=2#tokens",
        "the token bucket is empty; keys: a, b",
        "signature of the digest 9f86d081884c7d659a2feaa0c55ad015",
        "secrets are included",
        "",
    ],
)
def test_plain_words_stay(text):
    assert scrub(text) == text


def test_a_field_s_name_is_enough():
    told = {"Token": "short", "password": ["a"], "signing_secret": 7, "note": "plain", "secret": {"name": "shop"}}
    assert scrub_json(told) == {
        "Token": SCRUBBED, "password": SCRUBBED, "signing_secret": SCRUBBED, "note": "plain", "secret": {"name": "shop"}
    }  # fmt: skip


def test_empty_fields_stay_empty():
    assert scrub_json({"token": "", "response_url": None}) == {"token": "", "response_url": None}


NAMES = [
    "PGPASSWORD", "MYSQL_PWD", "DB_PASS", "AWS_SECRET_ACCESS_KEY", "aws_secret_access_key", "AWS_SESSION_TOKEN", "password",
    "dbPassword", "SLACK_BOT_TOKEN", "clientSecret", "client_secret", "accessToken", "X-Auth-Token", "X-Api-Key", "api_key",
    "apiKey", "RESTIC_PASSWORD", "spring.datasource.password", "VELERO_CHATOPS_WEBHOOK_SECRET", "AZURE_STORAGE_ACCOUNT_ACCESS_KEY",
    "private_key", "GITHUB_TOKEN", "passphrase",
]  # fmt: skip
SECRET = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%()*+,-./:;=?@[]^_{|}~", min_size=4, max_size=60
)
"""Whatever a generator of passwords makes that needs no quotes."""
SAFE = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%+", min_size=8, max_size=60)
"""What stands in addresses and headers as it is."""
ANY = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn", "Co")), min_size=4, max_size=60)
"""With blanks, quotes and backslashes: kept apart by JSON's quoting."""


def survives(secret: str, said: str) -> bool:
    """A secret that is one of the words around it anyway tells nothing."""
    return secret in said.replace(SCRUBBED, "")


@pytest.mark.parametrize(
    "shape", ["{}={}", "{}: {}", "export {}={}", "env {}={} pg_dump shop", "{} = {}", '"{}": "{}"', "{}='{}'", "-e {}={}",
              'level=error msg="exec {}={}" hook=pre', "a\n  {}: {}\nb", "--{}={}"],
)  # fmt: skip
@given(st.sampled_from(NAMES), SECRET)
def test_no_value_of_a_name_that_says_secret_survives(shape, name, secret):
    assert not survives(secret, scrub(shape.format(name, secret)).replace(name, ""))


@given(st.sampled_from(NAMES), ANY)
def test_nor_one_inside_json_and_json_inside_json(name, secret):
    plain = json.dumps({"before": 1, name: secret, "after": 2})
    twice = json.dumps({"msg": json.dumps({name: secret.replace("\\", "/").replace('"', "'")})})
    assert not survives(json.dumps(secret)[1:-1], scrub(plain))
    assert json.loads(scrub(plain)) == {"before": 1, name: SCRUBBED, "after": 2}
    assert SCRUBBED in scrub(twice)


@given(st.sampled_from(NAMES), ANY)
def test_nor_one_in_fields(name, secret):
    env = [{"name": name, "value": secret}, {"name": "ZONE", "value": "eu"}]
    told = scrub_json({"deep": [{name: secret}], "env": env})
    assert told == {
        "deep": [{name: SCRUBBED}],
        "env": [{"name": name, "value": SCRUBBED}, {"name": "ZONE", "value": "eu"}],
    }


@pytest.mark.parametrize(
    "shape",
    [
        "Authorization: Bearer {}",
        "curl -H 'Authorization: Bearer {}' https://x",
        "https://ada:{}@git.example/x",
        "postgres://shop:{}@db:5432/shop?sslmode=disable",
        "https://s3.example/b/k?X-Amz-Date=1&X-Amz-Signature={}&x=1",
        "https://s3.example/b/k?X-Amz-Date=1&amp;X-Amz-Signature={}",
        r"Get \"https://s3.example/b/k?x=1\u0026X-Amz-Credential={}\u0026y=2\": EOF",
        "redirect=https%3A%2F%2Fs3%2Fk%3Fx%3D1%26X-Amz-Security-Token%3D{}",
        "https://storage.googleapis.com/b/k?X-Goog-Signature={}",
        "https://blob.example/x?sv=1&sig={}",
        "Cookie: session={}; theme=dark",
        "tool --password {} --host x",
        "https://ghp{}aaaaaaaaaaaaaaaa@github.com/x",
    ],
)
@given(SAFE)
def test_no_token_in_a_header_or_an_address_survives(shape, secret):
    assume(not secret.startswith("-"))
    assert not survives(secret, scrub(shape.format(secret)))


@pytest.mark.parametrize(
    "line",
    [
        "backup-location create eu --provider aws --bucket b --credential=app-secret=cloud",
        "backup-location set eu --credential client-secret=cloud",
        "backup create b1 --include-resources secrets,configmaps --labels team=shop,key=a",
        "restore create r1 --from-backup b1 --exclude-resources secrets --namespace-mappings a:b",
        "backup create b1 --selector 'app in (token-service, password-reset)'",
        "backup create b1 --labels app.kubernetes.io/part-of=token,tier=pass",
        "imagePullSecrets: regcred, secretName: web-tls, keys: 3, tokens left: 4, bypass: yes",
    ],
)
def test_references_and_ordinary_lines_stay(line):
    assert scrub(line) == line


TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(
        st.sampled_from([*NAMES, "=", ": ", " ", '"', "'", "\\", "Bearer ", "://", "@", ":", "?sig=", "&", "[scrubbed]", "abcdefgh12", "--", "\n"]),
        max_size=12,
    ).map("".join),
)  # fmt: skip


@given(TEXTS)
def test_scrubbing_again_changes_nothing(text):
    assert scrub(scrub(text)) == scrub(text)


@pytest.mark.parametrize(
    "piece",
    [
        "://a",
        "password = ",
        "-----BEGIN PRIVATE KEY-----",
        "Bearer ",
        "eyJaaaaaaaaa.",
        "?sig=",
        "xoxb-",
        'PGPASSWORD=\\"',
        "a_",
        "a-token",
        "x-",
        "--token ",
        'password="',
        "cookie:",
        "https://aaaaaaaaaaaaaaaaaaaa",
        "&amp;sig=",
        "_",
    ],
)
def test_a_hostile_text_takes_no_long_time(piece):
    began = time.process_time()
    scrub(piece * (100_000 // len(piece)))
    assert time.process_time() - began < 2
