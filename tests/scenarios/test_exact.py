"""Commands are executed exactly; stored and shown texts are scrubbed; commands with secrets are refused."""

import json

import pytest

from bot.slack.payloads import Received
from store.connection import DATABASE_FILE
from store.scrub import SCRUBBED, scrub

SECRET = "hunter22-and-more"
"""In a selector's value: not a secret by its place, and like one by its look."""
LINE = f"backup create b1 --include-namespaces shop --selector app-password={SECRET}"
MODIFIER = (
    "version: v1\nresourceModifierRules:\n- conditions: {groupResource: %s}\n"
    "  mergePatches:\n  - patchData: |\n      %s\n"
)


def received(kind: str, house) -> dict:
    grace, ops = house.grace.user.id, house.world.channel("ops")
    carried = {"action": "line:1", "value": json.dumps({"line": LINE})} if kind == "action" else {"line": LINE}
    team = house.slack.workspace.team_id
    return Received(kind=kind, key=f"{kind}:1", user=grace, team=team, channel=ops, **carried).stored()


@pytest.mark.parametrize("kind", ["command", "mention", "action", "form"])
async def test_every_kind_of_request_is_executed_exactly(house, kind, caplog):
    caplog.set_level(0)
    assert scrub(LINE) != LINE
    sent = []
    house.prod.objects.on_change(lambda _, resource, old, new: sent.append((resource, old, json.dumps(new))))
    await house.bot.intake.accept(f"{kind}:1", kind, received(kind, house))
    await house.until(lambda: house.prod.all("backups"))
    await house.quiet()
    (operation,) = await house.store.read(lambda tx: tx.operations.latest(5))
    planned = (await house.store.read(lambda tx: tx.operations.load_plan(operation.id))).steps[0].manifest
    first = next(json.loads(new) for resource, old, new in sent if resource == "backups" and old is None)
    assert first["spec"]["labelSelector"] == {"matchLabels": {"app-password": SECRET}}
    assert json.dumps(first["spec"], sort_keys=True) == json.dumps(planned["spec"], sort_keys=True)
    record = await house.store.read(lambda tx: tx.audit.latest(50))
    told = [repr(row.entry) for row in record] + [repr(each) for each in house.slack.calls]
    assert any(SCRUBBED in each for each in told)
    assert not [each for each in [*told, caplog.text] if SECRET in each]


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("secrets", '{"data": {"key": "b3BlbiBzZXNhbWU="}}'),
        ("secrets", '{"stringData": {"key": "open sesame"}}'),
        ("Secret", "stringData: {key: open sesame}"),
        ("deployments.apps", '{"spec": {"env": [{"name": "X", "value": "xoxb-1234567890-open-sesame"}]}}'),
    ],
)
async def test_the_value_of_a_secret_is_refused_before_it_is_stored(house, kind, patch, caplog):
    caplog.set_level(0)
    await house.backed_up("b1")
    document = MODIFIER % (kind, patch)
    ack = await house.grace.says(f"/velero restore create r1 --from-backup b1 --modifier '{document}'")
    assert "contains the value of a secret" in json.dumps(ack.body)
    assert "Restore the Secret unchanged" in json.dumps(ack.body)
    await house.quiet()
    assert house.prod.all("restores") == []
    files = b"".join(path.read_bytes() for path in house.bot.settings.data_dir.glob(f"{DATABASE_FILE}*"))
    assert not [each for each in (b"b3BlbiBzZXNhbWU", b"open sesame", b"open-sesame") if each in files]
    assert "sesame" not in caplog.text


async def test_so_is_one_in_a_configmap_that_would_be_copied(house):
    await house.backed_up("b1")
    data = {"m.yaml": MODIFIER % ("secrets", '{"stringData": {"key": "open sesame"}}')}
    house.prod.objects.create("configmaps", "velero", {"metadata": {"name": "mods"}, "data": data})
    await house.grace.says("/velero restore create r1 --from-backup b1 --resource-modifier-configmap mods")
    await house.eventually(lambda: house.grace.was_told("contains the value of a secret"))
    assert [each["metadata"]["name"] for each in house.prod.all("configmaps")] == ["mods"]


async def test_a_finished_command_leaves_nothing_behind_in_the_inbox(house):
    await house.grace.says(f"/velero {LINE}")
    await house.quiet()
    rows = await house.store.read(lambda tx: tx.connection.execute("SELECT state, payload FROM inbox").fetchall())
    assert set(rows) == {("done", "{}")}
