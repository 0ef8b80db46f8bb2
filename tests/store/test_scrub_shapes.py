"""The shapes of credentials that people paste; each is made up here from its vendor's documented form."""

import base64
import json
import string
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from store.scrub import SCRUBBED, scrub, scrub_json

LOWER, UPPER, DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits


def text(alphabet: str, size: int) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=size, max_size=size)


WORD = LOWER + UPPER + DIGITS
HEX = DIGITS + "abcdef"
SHAPES = {
    "aws-key-id": text(UPPER + "234567", 16).map("AKIA{}".format),
    "aws-session-key-id": text(UPPER + "234567", 16).map("ASIA{}".format),
    "google-api": text(WORD, 35).map("AIza{}".format),
    "google-oauth-secret": text(WORD, 28).map("GOCSPX-{}".format),
    "google-access-token": text(WORD, 60).map("ya29.{}".format),
    "google-hmac": text(UPPER + DIGITS, 24).map("GOOG1E{}".format),
    "azure-client-secret": text(WORD, 34).map("abc8Q~{}".format),
    "azure-storage": text(WORD, 76).map("{}+AStAbCdEf==".format),
    "github-classic": text(WORD, 36).map("ghp_{}".format),
    "github-fine": text(WORD, 82).map("github_pat_{}".format),
    "github-app": text(WORD, 36).map("ghs_{}".format),
    "gitlab": text(WORD, 20).map("glpat-{}".format),
    "gitlab-routable": text(WORD, 30).map("glpat-{}.01.1a2b3c4d5".format),
    "gitlab-deploy": text(WORD, 20).map("gldt-{}".format),
    "gitlab-ci": text(WORD, 20).map("glcbt-64_{}".format),
    "gitlab-runner": text(WORD, 20).map("glrt-{}".format),
    "slack-bot": text(WORD, 24).map("xoxb-1234567890-{}".format),
    "slack-app": text(HEX, 40).map("xapp-1-A0123-{}".format),
    "npm": text(WORD, 36).map("npm_{}".format),
    "docker": text(WORD, 27).map("dckr_pat_{}".format),
    "stripe": text(WORD, 24).map("sk_live_{}".format),
    "vault": text(WORD, 24).map("hvs.{}".format),
    "digitalocean": text(HEX, 64).map("dop_v1_{}".format),
    "hugging-face": text(LOWER, 34).map("hf_{}".format),
    "sendgrid": text(WORD, 22).map("SG.{0}.{0}{0}".format),
    "grafana": text(WORD, 32).map("glsa_{}_1a2b3c4d".format),
    "openshift": text(WORD, 43).map("sha256~{}".format),
    "jwt": text(WORD, 20).map("eyJhbGciOiJ9.eyJ{0}.{0}".format),
    "slack-hook": text(WORD, 24).map("https://hooks.slack.com/services/T0/B0/{}".format),
    "discord-hook": text(WORD, 60).map("https://discord.com/api/webhooks/123456789/{}".format),
    "teams-hook": text(WORD, 32).map("https://acme.webhook.office.com/webhookb2/{}".format),
    "teams-workflow": text(WORD, 32).map("https://prod-1.westeurope.logic.azure.com:443/workflows/{}".format),
    "google-chat-hook": text(WORD, 32).map("https://chat.googleapis.com/v1/spaces/AAA/messages?key={}".format),
    "telegram": text(WORD, 35).map("123456789:AA{}".format),
}


@pytest.mark.parametrize("shape", SHAPES)
@given(st.data())
def test_a_key_is_removed_anywhere_in_a_text(shape, data):
    secret = data.draw(SHAPES[shape])
    for around in ("{}", "before {} after", "'{}'", '{{"x":"{}"}}', "x\n{}\ny", "({})"):
        said = scrub(around.format(secret))
        assert secret not in said
        assert SCRUBBED in said


PASSWORD = st.text(WORD + "!#%+_.", min_size=5, max_size=20).map("Pw{}".format)
COMMANDS = [
    "mysql -h db -u root -p{} shop",
    "mysqldump --single-transaction -uroot -p{} shop > /backup/x.sql",
    "/usr/bin/mariadb-dump -u root -p'{}' shop",
    "mongodump --host db -u root -p {} --gzip",
    "mongosh -u root -p '{}' admin",
    "curl -u ada:{} https://git.example/x",
    "curl -sSfu ada:{} https://git.example/x",
    "curl --user 'ada:{}' https://git.example/x",
    "curl -s https://x.example/a?b=c --proxy-user ada:{} -o y",
    "docker login -u ada -p {} registry.example",
    "helm registry login registry.example -u ada -p {}",
    "sshpass -p {} ssh ada@db",
    "sshpass -p{} ssh ada@db",
    "redis-cli -h cache -a {} ping",
    "ldapsearch -x -D cn=admin -w {} uid=ada",
    "openssl enc -d -pass pass:{} -in x",
    "sqlcmd -S db -U sa -P {} -Q 'select 1'",
    "pg_dump --password {} shop",
    "tool --db-password={} --x",
    "tool --password '{}'",
    "PGPASSWORD={} pg_dump shop",
    "postgres://shop:{}@db:5432/shop",
    "amqp://shop:{}@mq",
    "redis://:{}@cache:6379/0",
    "mongodb+srv://shop:{}@cluster0.example/db",
    "wget --password={} https://x",
]


@pytest.mark.parametrize("line", COMMANDS)
@given(PASSWORD)
def test_a_password_on_a_command_line(line, secret):
    assert secret not in scrub(line.format(secret))


@pytest.mark.parametrize(
    "line",
    [
        "docker run -p 8080:80 nginx",
        "docker run -u 1000:1000 nginx",
        "helm upgrade shop ./chart -n shop --set replicas=2",
        "mysql -h db -P 3306 shop",
        "mysqldump --all-databases -p",
        "kubectl -n shop logs deploy/mysql -p",
        "curl -o /tmp/x https://velero.io/docs",
        "backup create b1 --include-resources secrets --selector app=mysql",
        "restore create r1 --from-backup b1 --namespace-mappings docker:docker-2",
        "kind: Secretary\ndata:\n  a: b",
        "kind: ConfigMap\ndata:\n  a: YWJjZA==",
        "the digest is sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "sk-controller-manager-and-something-longer-7d9f",
    ],
)
def test_ordinary_words_stay(line):
    assert scrub(line) == line


BODY = base64.b64encode(bytes(range(120))).decode()
PEMS = [
    f"-----BEGIN {kind}PRIVATE KEY-----\n{head}{BODY}\n-----END {kind}PRIVATE KEY-----"
    for kind in ("", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED ")
    for head in ("", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0A-1B-2C\n\n")
]


@pytest.mark.parametrize("pem", PEMS)
def test_a_private_key_goes_with_the_dashes_inside_it(pem):
    assert scrub(f"a\n{pem}\nb") == f"a\n{SCRUBBED}\nb"
    assert BODY not in scrub(json.dumps({"key": pem}))
    assert json.loads(scrub(json.dumps({"x": pem, "after": 1})))["after"] == 1
    cut = pem[: pem.index(BODY) + 60]
    assert BODY[:40] not in scrub(cut)


VALUES = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9.-]{0,10}", fullmatch=True), st.binary(min_size=6, max_size=40), min_size=1, max_size=4
)


@given(VALUES, st.sampled_from(["data", "stringData"]))
def test_the_data_of_a_secret_goes_in_yaml_json_and_json_in_a_text(values, field):
    data = {key: base64.b64encode(value).decode() for key, value in values.items()}
    thing = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, field: data, "type": "Opaque"}
    for said in (
        scrub(yaml.safe_dump(thing, sort_keys=False)),
        scrub(yaml.safe_dump({"items": [thing]}, sort_keys=False)),
        scrub(json.dumps(thing)),
        scrub(json.dumps(thing, indent=2)),
        scrub(json.dumps({"last-applied": json.dumps(thing)})),
        json.dumps(scrub_json(thing)),
        json.dumps(scrub_json({"deep": [thing]})),
    ):
        assert not [value for value in data.values() if value in said]
        assert "Opaque" in said


@pytest.mark.parametrize(
    "piece",
    [
        "mysql ", "docker x ", "curl -u ", "curl a ", "-----BEGIN RSA PRIVATE KEY-----\na-", "https://a.", "kind: Secret\ndata:\n a: b\n",
        '"kind":"Secret","data":{', "a+", "sk-aaaa", "eyJa.eyJa", "data:\n", "kind: Secret\n data:\n", "ldapsearch -w", "AKIA", "8Q~",
    ],
)  # fmt: skip
def test_a_hostile_text_takes_no_long_time(piece):
    began = time.process_time()
    scrub(piece * (100_000 // len(piece)))
    assert time.process_time() - began < 3
