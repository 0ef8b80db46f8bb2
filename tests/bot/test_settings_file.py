"""Faults of the settings as somebody reads them on the terminal: place, reason, what would do; by line."""

import ast
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bot.cli import cli
from bot.configuration.settings import Settings
from bot.configuration.settings_file import parse
from bot.terminal.docs import PAGES
from domain.errors import ConfigError

ROOT = Path(__file__).parents[2]
PLACED = re.compile(r"s\.toml:(\d+): [\w.\[\]/-]+: \S.*")
PYTHONS = (
    "<class",
    "Input should",
    "valid dictionary",
    "instance of",
    "pydantic",
    "NoneType",
    "tuple",
    "String should",
)


def faults(text: str) -> list[str]:
    try:
        parse(text, "s.toml")
    except ConfigError as error:
        return list(error.faults)
    return []


def fault(text: str) -> str:
    (found,) = faults(text)
    return found


def printed(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "s.toml"
    file.write_text(text)
    done = CliRunner().invoke(cli, ["config", "check", "--config", str(file)])
    assert done.exit_code == 1
    return [line.removeprefix(f"{tmp_path}/") for line in done.output.splitlines()]


MANY = """\
data_dir = 5
log_level = "loud"
[[rules]]
name = "a"
who = { groups = ["x"] }
what = ["backup.crate"]
effect = "allow"
[slack]
api_url = "ftp://x"
[[clusters]]
name = "Prod"
[[rules]]
name = "b"
who = "anyone"
what = ["backup.get"]
effect = "alow"
during = [{ days = ["friday"] }]
[nothing]
"""


def test_every_fault_has_its_line_and_they_come_in_that_order(tmp_path):
    *lines, last = printed(tmp_path, MANY)
    assert last == f"Error: {tmp_path}/s.toml has 8 faults."
    assert [int(PLACED.fullmatch(line)[1]) for line in lines] == [1, 2, 6, 9, 11, 16, 17, 18]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[slack]\napi_url = "ftp://x"', "s.toml:2: slack.api_url: 'ftp://x' isn't valid; allowed: https://"),
        ('[slack]\napi_url = "http://slack.example.com/"', "allowed: https://… (http only for this machine)"),
        ('[slack]\napi_url = "https://"', "slack.api_url"),
        ('[slack]\napi_url = "https://x:99999/"', "slack.api_url"),
        ('[slack]\npublic_url = "chatops.example.com"', "allowed: the https:// URL at which Slack reaches the bot"),
        ('[slack]\ntransport = "htpp"', "did you mean 'http'? allowed: http, socket"),
        ('[slack.aliases]\n"backup" = "backup"', "s.toml:2: slack.aliases.backup: 'backup' isn't valid; allowed: /"),
        ('[slack.aliases]\n"/b" = "bakcup"', "did you mean 'backup'? allowed: backup, restore, schedule"),
        ("data_dir = 5", 'must be a path, in quotes: "/…"'),
        ('listen = "here"', "allowed: address:port, such as 127.0.0.1:8080"),
        ('listen = "0.0.0.0:70000"', "allowed: address:port"),
        ('status_listen = "[::]:80"\nlisten = "[::]:80"', "s.toml:1: status_listen: '[::]:80' is taken by listen"),
        ("[approvals]\nremind_after = 2", "s.toml:2: approvals.remind_after: 2 isn't valid; allowed: less than 1"),
        ('[approvals]\nwindow = "soon"', "'soon' isn't a duration; allowed: a number with a unit: 90m"),
        ("[approvals]\nwindow = [1]", "this is a duration; allowed: a number with a unit"),
        ("[approvals]\nwindow = inf", "a duration must be greater than zero and finite"),
        ('[approvals]\nbreak_glass_groups = ["on-call"]', "unknown setting; did you mean 'break_glass_per_day'?"),
        ('[[clusters]]\nname = "prod"\nobject_store_ca_file = "/x"', "did you mean 'object_store_hosts'?"),
        ('[[clusters]]\nname = "a"\n[[clusters]]\nname = "a"', "s.toml:4: clusters[1].name: there is another"),
        ('[[clusters]]\nname = "a"\nurl = "tcp://x"', "allowed: https://host or https://host:port"),
        ('[[clusters]]\nname = "a"\n[[channels]]\nid = "C1"\ncluster = "b"', "there is no cluster 'b'; allowed: a"),
        ('[[routes]]\nkind = "slack"', "s.toml:1: routes[0]: a route of kind slack needs channels"),
        ('[[routes]]\nchannels = ["C1"]\nurl = "https://x"', "url has no effect in a route of kind slack"),
        ('[[routes]]\nname = "x"\nkind = "webhook"\nurl = "https://x"\nmention = ["here"]', "mention: without effect"),
        ('[[routes]]\nchannels = "C1"', 'must be a list: ["…", "…"]'),
        ('[[senders]]\nname = "ci"\ncallback_addresses = ["10.0.0.0/99"]', "is no network; allowed: an address or CIDR"),
        ('timezone = "Mars/Base"', "allowed: names like UTC or Europe/Berlin"),
        ("rules = 5", 'must be a list: ["…", "…"]'),
        ("rules = [5]", "s.toml:1: rules[0]: Each rule must be a table."),
    ],
)  # fmt: skip
def test_a_fault_says_where_why_and_what_would_do(text, says):
    found = fault(text)
    assert PLACED.fullmatch(found)
    assert says in found, found


RULE = '[[rules]]\nname = "r"\nwho = "anyone"\nwhat = ["backup.get"]\neffect = "allow"\n'


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("effect", "allow", "permit"), "s.toml:5: rules[0].effect: 'permit' isn't valid."),
        (("backup.get", "backup.get", "backup.got"), "s.toml:4: rules[0].what: 'backup.got' matches no command."),
        (
            ("backup.get", "backup.get", "schedule.unpause"),
            "Use 'schedule.resume' instead of 'schedule.unpause' in rules.",
        ),
    ],
)
def test_a_fault_of_a_rule_names_its_line(change, says):
    assert says in fault(RULE.replace(change[1], change[2]))


def test_a_rule_for_a_cluster_that_is_not_listed_holds_nothing_and_is_refused():
    clusters = '[[clusters]]\nname = "prod"\n'
    found = fault(clusters + RULE + 'clusters = ["prdo"]\n')
    assert found.startswith("s.toml:8: rules[0].clusters: 'prdo' matches no cluster. Did you mean 'prod'?")
    assert faults(clusters + RULE + 'clusters = ["pr*"]\n') == []


def test_no_toml_has_its_line_too():
    assert fault("a = 1\nb = = 2\n") == "s.toml:2: invalid value, column 5"
    assert fault("a = 1\nb = ").startswith("s.toml:2: ")


def test_a_password_in_an_address_is_not_printed():
    assert "geheim" not in fault('[slack]\napi_url = "ftp://ada:geheim@x/?token=geheim"')


VALUES = st.sampled_from(
    ["5", "-1", '""', '"x y"', "true", "[]", "[5]", "{}", "{ a = 1 }", "2026-01-01", "nan", "1e999"]
)
NAMES = st.sampled_from(
    [f"{table}.{name}" for table, field in Settings.model_fields.items()
     for name in getattr(field.annotation, "model_fields", {"": 0})]
)  # fmt: skip


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=6))
def test_whatever_is_wrong_is_told_in_words_by_line(values):
    text = "\n".join(f"{name.rstrip('.')} = {value}" for name, value in values.items())
    found = faults(text)
    assert all(PLACED.fullmatch(each) for each in found), found
    assert not [each for each in found if any(word in each for word in PYTHONS)]
    assert [int(PLACED.fullmatch(each)[1]) for each in found] == sorted(
        int(PLACED.fullmatch(each)[1]) for each in found
    )


def test_every_setting_is_read_somewhere():
    """One that nobody reads would be accepted and do nothing."""
    read = {
        node.attr
        for path in (ROOT / "bot").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
    }
    listed = set(re.findall(r"^\| `(\w+)` \|", PAGES["docs/settings.md"](), re.MULTILINE))
    assert len(listed) > 80
    assert listed - read == set()


def test_how_long_an_approval_is_asked_where_its_rule_does_not_say():
    asked = RULE.replace('"allow"', '"approve"').replace("backup.get", "restore.create") + 'approvers = ["dba"]\n'
    _, rules = parse('[approvals]\nexpires = "20m"\n' + asked, "s.toml")
    assert rules[0].approvals.expires == 1200
    _, rules = parse('[approvals]\nexpires = "20m"\n' + asked + 'expires = "5m"\n', "s.toml")
    assert rules[0].approvals.expires == 300
