"""Errors of the settings file as the terminal shows them: place, reason and fix, ordered by line."""

import ast
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bot.cli import cli
from bot.configuration.renamed_settings import RENAMED_SETTINGS
from bot.configuration.settings import Settings
from bot.configuration.settings_file import parse, read_warnings
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


def errors(text: str) -> list[str]:
    try:
        parse(text, "s.toml")
    except ConfigError as raised:
        return list(raised.faults)
    return []


def error(text: str) -> str:
    (found,) = errors(text)
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


def test_every_error_has_its_line_and_errors_are_ordered_by_line(tmp_path):
    *lines, last = printed(tmp_path, MANY)
    assert last == f"Error: {tmp_path}/s.toml has 8 errors."
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
        ('listen = "here"', "use address:port, for example 127.0.0.1:8080"),
        ('listen = "0.0.0.0:70000"', "use address:port"),
        ('status_listen = "[::]:80"\nlisten = "[::]:80"', "s.toml:1: status_listen: '[::]:80' is already used by listen"),
        ("[approvals]\nremind_after = 2", "s.toml:2: approvals.remind_after: 2 isn't valid; allowed: less than 1"),
        ('[approvals]\nvalid_for = "soon"', "'soon' isn't a duration; allowed: a number with a unit, for example 90m"),
        ("[approvals]\nvalid_for = [1]", "must be a duration: a number with a unit"),
        ("[approvals]\nvalid_for = inf", "a duration must be greater than zero and finite"),
        ('[approvals]\nbreak_glass_groups = ["on-call"]', "unknown setting; did you mean 'break_glass_per_day'?"),
        ('[[clusters]]\nname = "prod"\nobject_store_ca_file = "/x"', "did you mean 'object_store_hosts'?"),
        ('[[clusters]]\nname = "a"\n[[clusters]]\nname = "a"', "s.toml:4: clusters[1].name: duplicate name 'a'"),
        ('[[clusters]]\nname = "a"\nurl = "tcp://x"', "allowed: https://host or https://host:port"),
        ('[[clusters]]\nname = "a"\n[[channels]]\nid = "C1"\ncluster = "b"', "cluster 'b' doesn't exist; allowed: a"),
        ('[[routes]]\nkind = "slack"', "s.toml:1: routes[0]: a route of kind slack needs channels"),
        ('[[routes]]\nchannels = ["C1"]\nurl = "https://x"', "url has no effect in a route of kind slack"),
        ('[[routes]]\nname = "x"\nkind = "webhook"\nurl = "https://x"\nmention = ["here"]', "mention has no effect in a route of kind webhook"),
        ('[[routes]]\nchannels = "C1"', 'must be a list: ["…", "…"]'),
        ('[[senders]]\nname = "ci"\ncallback_addresses = ["10.0.0.0/99"]', "isn't a network; use an address or CIDR"),
        ('timezone = "Mars/Base"', "isn't a time zone; use a name such as UTC or Europe/Berlin"),
        ("rules = 5", 'must be a list: ["…", "…"]'),
        ("rules = [5]", "s.toml:1: rules[0]: Each rule must be a table."),
    ],
)  # fmt: skip
def test_an_error_names_place_reason_and_fix(text, says):
    found = error(text)
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
def test_an_error_in_a_rule_names_its_line(change, says):
    assert says in error(RULE.replace(change[1], change[2]))


def test_a_rule_for_an_unknown_cluster_is_an_error():
    clusters = '[[clusters]]\nname = "prod"\n'
    found = error(clusters + RULE + 'clusters = ["prdo"]\n')
    assert found.startswith("s.toml:8: rules[0].clusters: 'prdo' matches no cluster. Did you mean 'prod'?")
    assert errors(clusters + RULE + 'clusters = ["pr*"]\n') == []


def test_invalid_toml_has_its_line_too():
    assert error("a = 1\nb = = 2\n") == "s.toml:2: invalid value, column 5"
    assert error("a = 1\nb = ").startswith("s.toml:2: ")


def test_a_password_in_a_url_is_not_printed():
    assert "geheim" not in error('[slack]\napi_url = "ftp://ada:geheim@x/?token=geheim"')


VALUES = st.sampled_from(
    ["5", "-1", '""', '"x y"', "true", "[]", "[5]", "{}", "{ a = 1 }", "2026-01-01", "nan", "1e999"]
)
NAMES = st.sampled_from(
    [f"{table}.{name}" for table, field in Settings.model_fields.items()
     for name in getattr(field.annotation, "model_fields", {"": 0})]
)  # fmt: skip


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=6))
def test_any_invalid_value_is_described_in_toml_terms_by_line(values):
    text = "\n".join(f"{name.rstrip('.')} = {value}" for name, value in values.items())
    found = errors(text)
    assert all(PLACED.fullmatch(each) for each in found), found
    assert not [each for each in found if any(word in each for word in PYTHONS)]
    assert [int(PLACED.fullmatch(each)[1]) for each in found] == sorted(
        int(PLACED.fullmatch(each)[1]) for each in found
    )


def test_every_setting_is_read_somewhere():
    """A setting that no code reads would be accepted and have no effect."""
    read = {
        node.attr
        for path in (ROOT / "bot").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
    }
    listed = set(re.findall(r"^\| `(\w+)` \|", PAGES["docs/settings.md"](), re.MULTILINE))
    assert len(listed) > 80
    assert listed - read == set()


def test_approvals_expires_is_the_default_of_a_rule():
    asked = RULE.replace('"allow"', '"approve"').replace("backup.get", "restore.create") + 'approvers = ["dba"]\n'
    _, rules = parse('[approvals]\nexpires = "20m"\n' + asked, "s.toml")
    assert rules[0].approvals.expires == 1200
    _, rules = parse('[approvals]\nexpires = "20m"\n' + asked + 'expires = "5m"\n', "s.toml")
    assert rules[0].approvals.expires == 300


FORMER = [(table, former, name) for table, names in RENAMED_SETTINGS.items() for former, name in names.items()]


@pytest.mark.parametrize(("table", "former", "name"), FORMER)
def test_a_former_name_still_works_with_a_warning_at_its_line(tmp_path, table, former, name):
    file = tmp_path / "s.toml"
    file.write_text(f"[{table}]\n{former} = 4711\n")
    settings, _ = parse(file.read_text(), "s.toml")
    assert getattr(getattr(settings, table), name) == 4711
    expected = f"{file}:2: {table}.{former}: the setting is now called {name!r}; {former!r} still works"
    assert read_warnings(file) == (expected,)
    done = CliRunner().invoke(cli, ["config", "check", "--strict", "--config", str(file)])
    assert expected in done.output


def test_an_error_under_a_former_name_is_at_the_line_of_the_file():
    found = error("[store]\nballast = -1\n")
    assert found == "s.toml:2: store.ballast: -1 isn't valid; allowed: at least 0"


def test_a_setting_cannot_have_both_names():
    found = error("[store]\nreserve_bytes = 1\nballast = 1\n")
    assert found == "s.toml:3: store.ballast: set only 'reserve_bytes': 'ballast' is its former name"


def test_current_names_give_no_warning(tmp_path):
    file = tmp_path / "s.toml"
    file.write_text("[store]\nreserve_bytes = 1\n")
    assert read_warnings(file) == ()
