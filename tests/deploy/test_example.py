"""The example config is one that works, and shows every table."""

from click.testing import CliRunner

from bot.cli import cli
from bot.configuration.settings import Settings
from bot.configuration.settings_file import read
from tests.deploy.rendering import DEPLOY

EXAMPLE = DEPLOY / "example.toml"


def test_the_example_passes_its_own_check():
    done = CliRunner().invoke(cli, ["config", "check", "--config", str(EXAMPLE)])
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "6 rules, 2 clusters")


def test_a_misspelt_setting_does_not(tmp_path):
    changed = tmp_path / "changed.toml"
    changed.write_text(EXAMPLE.read_text("utf-8").replace("in_cluster", "in_clusters"), "utf-8")
    done = CliRunner().invoke(cli, ["config", "check", "--config", str(changed)])
    assert done.exit_code == 1
    assert "did you mean 'in_cluster'?" in done.output


def test_every_table_is_shown():
    settings, rules = read(EXAMPLE)
    shown = settings.model_dump(exclude_unset=True)
    assert set(Settings.model_fields) - shown.keys() <= {"platform_namespaces"}
    assert rules


def test_it_holds_no_secret():
    text = EXAMPLE.read_text("utf-8")
    assert not any(mark in text for mark in ("xoxb-", "xapp-", "whsec_", "BEGIN"))
