"""The equivalent velero command of a restore is one that the velero CLI takes."""

import json
import re

from click.testing import CliRunner

from bot.terminal.plan import COMMAND

BACKUP = {
    "apiVersion": "velero.io/v1",
    "kind": "Backup",
    "metadata": {"name": "shop-1", "namespace": "velero", "uid": "u1"},
    "spec": {"includedNamespaces": ["shop"]},
    "status": {"phase": "Completed", "startTimestamp": "2026-11-20T01:00:00Z"},
}


def cli(tmp_path, line):
    fixtures = tmp_path / "fixtures.json"
    fixtures.write_text(json.dumps([BACKUP]))
    done = CliRunner().invoke(COMMAND, ["--batch", "--fixtures", str(fixtures)], input=f"{line}\n")
    return json.loads(done.stdout)["cli"]


def test_flags_of_the_bot_are_omitted(tmp_path):
    said = cli(tmp_path, "restore create r1 --from-backup shop-1 --safety-backup --reason oops --dry-run")
    assert said == "velero restore create r1 --from-backup shop-1"


def test_inline_modifiers_become_their_config_map(tmp_path):
    rules = "{version: v1, resourceModifierRules: [{conditions: {groupResource: configmaps}, mergePatches: []}]}"
    said = cli(tmp_path, f"restore create r1 --from-backup shop-1 --modifier '{rules}' --dry-run")
    assert re.fullmatch(
        r"velero restore create r1 --from-backup shop-1 --resource-modifier-configmap modifier-\w+", said
    )
