"""`velero-chatops audit show`: the history of one operation, a line per action."""

from click.testing import CliRunner

from bot.terminal.audit import COMMAND
from tests.operations.approving import Desk, cluster_in


def shown(directory, operation):
    return CliRunner().invoke(COMMAND, ["show", operation, "--data-dir", str(directory)])


async def test_a_restore_with_two_votes_takes_ten_lines(tmp_path):
    async with cluster_in(tmp_path) as (store, cluster, objects):
        desk = Desk(store, cluster, objects)
        await desk.ask()
        await desk.votes("bob")
        await desk.votes("eve")
        lines = shown(tmp_path, "op-r1").stdout.splitlines()
    assert len(lines) <= 10
    assert max(map(len, lines)) <= 300
    asked, bob, eve, decided, run = lines
    for word in ("UADA", "approval.requested r1", "reason=oops", "approvers=dba", f"plan={desk.plan.fingerprint[:12]}"):
        assert word in asked
    assert "preview=" in asked
    assert "UBOB  approval.approve r1: approve  groups=dba  name=Bob" in bob
    assert "UEVE" in eve
    assert "votes=UBOB,UEVE" in decided
    assert "restore.create.submitted" in run


def test_an_unknown_operation(tmp_path):
    assert "No audit log" in shown(tmp_path, "op-none").output
