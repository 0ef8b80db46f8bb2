"""`velero-chatops policy`: explains the decision about a line, and checks a table of expected decisions."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.cli import cli

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES, CASES = str(DEPLOY / "policies.example.toml"), str(DEPLOY / "policies.cases.example.toml")


def run(*words):
    return CliRunner().invoke(cli, ["policy", *words])


def test_the_example_cases_come_out_as_they_say():
    done = run("test", CASES, "--config", RULES)
    assert done.exit_code == 0, done.output
    assert "0 failed" in done.output


def test_a_case_that_comes_out_otherwise_fails_the_run(tmp_path):
    table = tmp_path / "cases.toml"
    wrong = Path(CASES).read_text().replace('expect = "deny"', 'expect = "allow"', 1)
    table.write_text(wrong)
    done = run("test", str(table), "--config", RULES)
    assert done.exit_code == 1
    assert "FAIL" in done.output
    assert "expected allow, got deny" in done.output


def test_a_case_may_be_a_command_line(tmp_path):
    table = tmp_path / "cases.toml"
    table.write_text(
        """
        [[rules]]
        name = "team"
        who = { groups = ["team"] }
        what = ["backup.create"]
        namespaces = ["shop"]
        effect = "allow"

        [[cases]]
        as = "ada"
        groups = ["team"]
        cluster = "prod"
        command = "backup create b1 --include-namespaces shop"
        expect = "allow"
        rule = "team"

        [[cases]]
        as = "ada"
        groups = ["team"]
        cluster = "prod"
        command = "backup create b1"
        expect = "deny"
        """
    )
    done = run("test", str(table))
    assert done.exit_code == 0, done.output
    assert "2 cases, 0 failed" in done.output


def test_no_cases_are_no_success(tmp_path):
    table = tmp_path / "cases.toml"
    table.write_text("")
    assert run("test", str(table), "--config", RULES).exit_code == 1


def test_errors_of_a_case_are_named(tmp_path):
    table = tmp_path / "cases.toml"
    table.write_text('[[cases]]\nas = "ada"\n')
    done = run("test", str(table), "--config", RULES)
    assert done.exit_code == 1
    assert f"{table}:1: cases[0].expect: " in done.output


def test_errors_of_a_rules_file_name_their_line(tmp_path):
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rules]]\nname = "a"\nwho = "anyone"\nwhat = ["backup.get"]\neffect = "alow"\n')
    done = run("explain", BACKUP, "--as", "ada", "--config", str(rules))
    assert done.exit_code == 1
    assert f"{rules}:5: rules[0].effect: 'alow' isn't valid. Did you mean 'allow'?" in done.output
    assert "rules.toml has 1 error." in done.output


BACKUP = "backup create b1 --include-namespaces shop"


def test_explain_says_which_rule_decides_and_why_others_do_not():
    done = run("explain", BACKUP, "--as", "ada", "--group", "shop-team", "--cluster", "prod-east", "--config", RULES)
    assert done.exit_code == 0, done.output
    decided = [line for line in done.output.splitlines() if "decides" in line]
    assert len(decided) == 1
    assert decided[0].startswith("shop-team ")


def test_a_person_without_permission_sees_the_reason():
    done = run("explain", BACKUP, "--as", "mallory", "--cluster", "prod-east", "--config", RULES)
    assert done.exit_code == 1
    assert "deny" in done.output


def test_a_reading_line_is_explained_too():
    done = run("explain", "backup get", "--as", "ada", "--config", RULES)
    assert done.exit_code == 0
    assert "backup.get only reads: allow" in done.output


@pytest.mark.parametrize("line", ["backup crate x", "nothing here"])
def test_a_line_that_does_not_parse_is_an_error(line):
    done = run("explain", line, "--as", "ada", "--config", RULES)
    assert done.exit_code == 1
    assert "Error" in done.output


def test_settings_with_errors_are_refused(tmp_path):
    bad = tmp_path / "settings.toml"
    bad.write_text("[slack]\nunknown = 1\n")
    done = run("explain", BACKUP, "--as", "ada", "--config", str(bad))
    assert done.exit_code == 1


NETS = """
[[rules]]
name = "shop-restores"
who = "anyone"
what = ["restore.create"]
namespaces = ["shop"]
effect = "allow"
safety_backup = true

[[rules]]
name = "all-restores"
who = "anyone"
what = ["restore.create"]
effect = "allow"
"""


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("--include-namespaces shop", "safety backup: yes (set by rule shop-restores)"),
        ("--include-namespaces billing", "safety backup: no (set by the settings)"),
        ("--include-namespaces shop --safety-backup=false", "safety backup: no (set by the command)"),
    ],
)
def test_who_wants_a_safety_backup_is_explained(tmp_path, more, says):
    table = tmp_path / "rules.toml"
    table.write_text(NETS)
    done = run("explain", f"restore create r1 --from-backup b1 {more}", "--as", "ada", "--config", str(table))
    assert says in done.output, done.output


def test_only_a_restore_has_a_safety_backup_line(tmp_path):
    table = tmp_path / "rules.toml"
    table.write_text(NETS)
    done = run("explain", "backup create b1 --include-namespaces shop", "--as", "ada", "--config", str(table))
    assert "safety backup" not in done.output


def test_explain_knows_the_powerful_kinds_of_the_settings(tmp_path):
    settings = tmp_path / "settings.toml"
    settings.write_text(
        '[[clusters]]\nname = "prod"\nkubeconfig = "k"\n[approvals]\npowerful_kinds = ["tenants.example.com"]\n'
        '[[rules]]\nname = "ops"\nwho = { anyone = true }\nwhat = ["*"]\neffect = "allow"\n'
    )
    line = "restore create r1 --from-backup b1 --include-resources tenants.example.com --include-namespaces shop"
    done = CliRunner().invoke(cli, ["policy", "explain", line, "--as", "ada", "--config", str(settings)])
    assert "(restores-cluster-wide)" in done.output
