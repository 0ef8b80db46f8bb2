"""What a refusal or a card offers for copying can be pasted as it is."""

import json

from click.testing import CliRunner

from bot.terminal.plan import COMMAND

FIXTURES = [
    {
        "apiVersion": "velero.io/v1",
        "kind": "Schedule",
        "metadata": {"name": "nightly", "namespace": "velero"},
        "spec": {"schedule": "0 1 * * *", "template": {"includedNamespaces": ["shop"]}},
    },
]


def planned(tmp_path, line):
    fixtures = tmp_path / "fixtures.json"
    fixtures.write_text(json.dumps(FIXTURES))
    done = CliRunner().invoke(COMMAND, ["--batch", "--fixtures", str(fixtures)], input=f"{line}\n")
    return json.loads(done.stdout)


def test_a_scheduled_backup_now_is_a_backup_for_the_velero_cli(tmp_path):
    said = planned(tmp_path, "schedule run nightly --name before-upgrade")
    assert said["cli"] == "velero backup create before-upgrade --from-schedule nightly"
    assert planned(tmp_path, said["cli"])["steps"] == said["steps"]


def test_an_expression_copied_from_a_message_of_ours_is_read(tmp_path):
    """Before a `*` our messages have a sign without width, so that Slack makes no bold of it."""
    said = planned(tmp_path, 'schedule create x --schedule "0 1 \u200b* \u200b* \u200b*"')
    assert said["steps"][0]["manifest"]["spec"]["schedule"] == "0 1 * * *"
    assert [guard for guard in said["guards"] if guard["level"] == "refuse"] == []
