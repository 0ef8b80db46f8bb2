"""Two pairs of eyes: from the asking to the objects in the cluster, with two people's clicks."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from sandbox import world as worlds
from sandbox.kubernetes.faults import Trouble

ASK = "/velero restore create r1 --from-backup b1 --include-namespaces shop --reason oops"


async def asked(house, line=ASK):
    if house.prod.get("backups", "b1") is None:
        await house.backed_up("b1")
        await house.quiet()
    await house.grace.says(line)
    return await house.sees("#approvals", "restore create r1", "waiting for approval")


async def test_one_asks_and_another_approves(house):
    await house.backed_up("b1")
    house.prod.objects.delete("configmaps", "shop", "settings-0")
    request = await asked(house)
    for word in ("backup b1", "oops", f"<@{house.grace.id}>", "Fingerprint", "Votes: 0 of 1"):
        assert word in request.full_text
    await house.bob.clicks("Approve", on=request)
    await house.ended("restores", "r1")
    await house.sees("#ops", "restore create r1", "Completed")
    await house.sees("#approvals", "restore create r1", "approved, Completed", "Votes: 1 of 1")
    assert house.prod.objects.find("configmaps", "shop", "settings-0") is not None
    assert house.prod.get("restores", "r1")["spec"]["backupName"] == "b1"


async def test_who_asked_cannot_approve(house):
    request = await asked(house)
    answer = await house.grace.clicks("Approve", on=request)
    await answer.reply("someone else has to approve it")
    assert house.prod.all("restores") == []


async def test_who_is_no_approver_cannot_approve(house):
    request = await asked(house)
    answer = await house.ada.clicks("Approve", on=request)
    await answer.reply("not one of those who may approve this")
    assert house.prod.all("restores") == []


async def test_a_rejection_has_a_reason_and_ends_it(house):
    request = await asked(house)
    await house.bob.clicks("Reject", on=request)
    await house.bob.submits(values={"reason": "not on a Friday"})
    await house.sees("#approvals", "restore create r1", "rejected", "not on a Friday")
    await house.sees("#ops", "was rejected by", "not on a Friday")
    answer = await house.bob.clicks("Approve", on=request, stale=True)
    await answer.reply("rejected already")
    assert house.prod.all("restores") == []


async def test_a_withdrawal_ends_it(house):
    request = await asked(house)
    await house.grace.clicks("Withdraw", on=request)
    await house.sees("#approvals", "restore create r1", "withdrawn")
    assert house.prod.all("restores") == []


async def test_details_go_to_the_approver(house):
    request = await asked(house)
    answer = await house.bob.clicks("View plan", on=request)
    await answer.reply("Plan of restore create r1")


async def test_the_request_says_what_would_change(house):
    await house.backed_up("b1")
    house.prod.objects.delete("configmaps", "shop", "settings-0")
    house.prod.objects.patch("configmaps", "shop", "settings-1", {"data": {"number": "99"}})
    request = await asked(house)
    assert "1 object would be created: 1 ConfigMap" in request.full_text
    assert "ConfigMap shop/settings-1 (data.number)" in request.full_text


async def test_a_grown_impact_is_stale_and_one_button_asks_again(house):
    request = await asked(house)
    house.prod.objects.delete("configmaps", "shop", "settings-0")
    answer = await house.bob.clicks("Approve", on=request)
    await answer.reply("Not started: the plan changed after it was approved.")
    stale = await house.sees(
        "#approvals", "restore create r1", "outdated; not started", "ConfigMap shop/settings-0 new"
    )
    assert house.prod.all("restores") == []
    await house.grace.clicks("Request again", on=stale)
    again = await house.eventually(
        lambda: [m for m in house.told("#approvals", "waiting for approval") if m.ts != request.ts]
    )
    await house.bob.clicks("Approve", on=again[0])
    await house.ended("restores", "r1")


async def test_a_plan_alone_writes_nothing(house):
    await house.backed_up("b1")
    answer = await house.grace.says("/velero restore plan r1 --from-backup b1 --include-namespaces shop")
    await answer.reply("exist and are identical")
    assert house.prod.all("restores") == []


SAFE = f"{ASK} --existing-resource-policy update --safety-backup"


async def test_a_safety_backup_comes_first_and_undo_brings_it_back(house):
    await house.backed_up("b1")
    house.prod.objects.patch("configmaps", "shop", "settings-1", {"data": {"number": "99"}})
    request = await asked(house, SAFE)
    assert "create Backup r1-safety, then wait until it is Completed" in request.full_text
    await house.bob.clicks("Approve", on=request)
    card = await house.sees("#ops", "restore create r1", "Completed", "Undo")
    assert number(house) == "1"
    assert house.prod.get("backups", "r1-safety")["spec"]["includedNamespaces"] == ["shop"]
    await house.grace.clicks("Undo", on=card)
    undo = await house.sees("#approvals", "from backup r1-safety", "waiting for approval", "Not undone")
    assert "undo restore r1" in undo.text
    assert "No reason given" not in str(undo.blocks)
    await house.bob.clicks("Approve", on=undo)
    await house.eventually(lambda: number(house) == "99")


async def test_without_its_safety_backup_the_restore_does_not_start(house):
    house.prod.velero.script("r1-safety", outcome="partial", reason="a volume was lost", kind="backup")
    request = await asked(house, SAFE)
    await house.bob.clicks("Approve", on=request)
    await house.sees("#ops", "restore create r1", "failed", "Backup r1-safety ended PartiallyFailed")
    assert house.prod.all("restores") == []


NETTED = worlds.RULES.replace("quorum = 1\n", "quorum = 1\nsafety_backup = true\n")


async def test_a_rule_may_want_a_safety_backup_of_every_restore(build):
    house = await build(rules=NETTED)
    await house.start()
    request = await asked(house)
    await house.bob.clicks("Approve", on=request)
    await house.ended("restores", "r1")
    assert house.prod.get("backups", "r1-safety") is not None


async def test_a_restart_between_the_steps_loses_nothing(house):
    house.prod.velero.script("r1-safety", items=20, seconds=1.5, kind="backup")
    request = await asked(house, SAFE)
    await house.bob.clicks("Approve", on=request)
    await house.in_phase("backups", "r1-safety", "InProgress")
    await house.restart()
    await house.ended("restores", "r1")
    await house.sees("#ops", "restore create r1", "Completed")
    assert len(house.prod.all("restores")) == 1


def number(house):
    return house.prod.objects.find("configmaps", "shop", "settings-1")["data"]["number"]


GLASS = worlds.RULES.replace("quorum = 1\n", 'quorum = 1\nbreak_glass = ["on-call"]\n')
"""As ever, and on-call may break the glass."""


async def test_a_broken_glass_runs_at_once_is_told_and_followed_up(build):
    house = await build(rules=GLASS)
    await house.start()
    await house.backed_up("b1")
    await house.quiet()
    await house.grace.says(f'{ASK} --break-glass "checkout is down"')
    await house.ended("restores", "r1")
    await house.sees("#incidents", "broke the glass", "checkout is down")
    request = await house.sees("#approvals", "restore create r1", "approved afterwards")
    answer = await house.grace.clicks("Approve", on=request)
    await answer.reply("someone else has to approve it")
    await house.bob.clicks("Approve", on=request)
    await house.sees("#approvals", "restore create r1", "approved", "Votes: 1 of 1")
    assert len(house.prod.all("restores")) == 1


HASTY = worlds.RULES.replace("quorum = 1\n", "quorum = 1\nexpires = 2\n")


async def test_it_reminds_and_then_expires(build):
    house = await build(rules=HASTY)
    await house.start()
    request = await asked(house)
    await house.sees("#approvals", "still waits: 0 of 1 vote")
    await house.sees("#approvals", "restore create r1", "expired without approval")
    answer = await house.bob.clicks("Approve", on=request, stale=True)
    await answer.reply("This request expired.")
    assert house.prod.all("restores") == []


async def test_who_may_not_restore_is_shown_no_preview(house):
    await house.backed_up("b1", includedNamespaces=["shop", "billing"])
    await house.quiet()
    answer = await house.grace.says("/velero restore plan r1 --from-backup b1 --include-namespaces billing")
    reply = await answer.reply("Nothing was changed")
    assert "settings" not in reply.full_text
    assert "exist and are identical" not in reply.full_text


NIGHTLY = "/velero schedule create nightly --schedule '0 3 * * *' --include-namespaces shop"


async def test_schedules_that_touch_it_are_held_by_one_button(house):
    await house.grace.says(NIGHTLY)
    await house.eventually(lambda: house.prod.get("schedules", "nightly"))
    request = await asked(house)
    await house.grace.clicks("Pause schedules", on=request)
    held = await house.eventually(
        lambda: (house.prod.get("schedules", "nightly").get("status") or {}).get("lastSkipped")
    )
    assert datetime.fromisoformat(held) - datetime.now(UTC) <= timedelta(minutes=20)
    assert house.prod.all("restores") == []


async def test_after_the_restore_the_button_holds_nothing_and_says_so(house):
    await house.grace.says(NIGHTLY)
    await house.eventually(lambda: house.prod.get("schedules", "nightly"))
    request = await asked(house)
    await house.bob.clicks("Approve", on=request)
    await house.ended("restores", "r1")
    await house.sees("#ops", "restore create r1", "Completed")
    answer = await house.grace.clicks("Pause schedules", on=request, stale=True)
    await answer.reply("is over: nothing is held")
    assert not (house.prod.get("schedules", "nightly").get("status") or {}).get("lastSkipped")


async def test_the_restore_holds_them_itself_from_the_approval_on(house):
    await house.grace.says(NIGHTLY)
    await house.eventually(lambda: house.prod.get("schedules", "nightly"))
    request = await asked(house, f"{ASK} --hold-schedules")
    assert "patch Schedule nightly" in request.full_text
    assert not (house.prod.get("schedules", "nightly").get("status") or {}).get("lastSkipped")
    await house.bob.clicks("Approve", on=request)
    await house.ended("restores", "r1")
    await house.sees("#ops", "restore create r1", "Completed")
    assert house.prod.get("schedules", "nightly")["status"]["lastSkipped"]


async def test_what_waits_for_approval_stands_in_status_and_in_the_home(house):
    request = await asked(house)
    answer = await house.bob.says("/velero status")
    told = await answer.reply("1 request waiting for approval.")
    assert "restore create r1" in told.full_text
    link = f"/archives/{house.slack.workspace.channel('#approvals').id}/p{request.ts.replace('.', '')}"
    assert link in told.full_text
    assert link in json.dumps((await house.bob.opens_home()).blocks)
    await house.grace.clicks("Withdraw", on=request)
    await house.sees("#approvals", "restore create r1", "withdrawn")
    after = await house.bob.says("/velero status")
    assert "waiting for approval" not in (await after.reply("CLUSTER")).full_text


@pytest.mark.parametrize("trouble", [Trouble.RESET, Trouble.HANG])
async def test_what_waits_is_listed_also_while_its_cluster_is_silent(house, trouble):
    await asked(house)
    house.prod.api.faults.on(trouble)
    answer = await house.bob.says("/velero status")
    told = await answer.reply("1 request waiting for approval.", deadline=40)
    assert "restore create r1" in told.full_text


WIDER = worlds.RULES.replace(
    'what = ["restore.create"]\nnamespaces = ["shop", "shop-*"]', 'what = ["restore.create"]\nnamespaces = ["billing"]'
)
"""As ever, and on-call restores what is no business of the developers."""


async def test_of_a_restore_of_others_a_tenant_s_status_says_nothing(build):
    house = await build(rules=WIDER)
    await house.start()
    await house.backed_up("b1", includedNamespaces=["billing"])
    await house.quiet()
    await asked(house, ASK.replace("--include-namespaces shop", "--include-namespaces billing"))
    assert "waiting for approval" in (await (await house.grace.says("/velero status")).reply("CLUSTER")).full_text
    assert "approval" not in (await (await house.ada.says("/velero status")).reply("CLUSTER")).full_text


async def test_the_second_request_for_a_namespace_is_told_of_the_first(house):
    await asked(house)
    answer = await house.grace.says(ASK.replace(" r1 ", " r2 "))
    await answer.reply("Restore r1 of the same namespaces waiting for approval already")
    second = await house.sees("#approvals", "restore create r2", "waiting for approval")
    assert "Restore r1 of the same namespaces" in json.dumps(second.blocks)


async def test_of_two_requests_the_second_does_not_run_into_the_first(house):
    house.prod.velero.script("r1", outcome="hangs", kind="restore")
    first = await asked(house)
    await house.grace.says(ASK.replace(" r1 ", " r2 "))
    second = await house.sees("#approvals", "restore create r2", "waiting for approval")
    await house.bob.clicks("Approve", on=first)
    await house.in_phase("restores", "r1", "InProgress")
    answer = await house.bob.clicks("Approve", on=second)
    await answer.reply("Nothing runs")
    assert [one["metadata"]["name"] for one in house.prod.all("restores")] == ["r1"]


async def test_the_glass_is_broken_only_so_often(build):
    house = await build(rules=GLASS)
    text = house.settings.read_text("utf-8")
    house.settings.write_text(text.replace("[approvals]\n", "[approvals]\nbreak_glass_per_day = 1\n"), "utf-8")
    await house.start()
    await house.backed_up("b1")
    await house.quiet()
    await house.grace.says(f'{ASK} --break-glass "checkout is down"')
    await house.ended("restores", "r1")
    answer = await house.grace.says(f'{ASK.replace(" r1 ", " r2 ")} --break-glass "again"')
    await answer.reply("as often as one person may within 24 hours: 1")
    assert house.prod.get("restores", "r2") is None
    house.slack.workspace.set_group_users("on-call", ["grace", "bob"])
    house.bot.identity.forget()
    house.slack.workspace.change_user("bob", email=house.grace.user.email.upper())
    answer = await house.bob.says(f'{ASK.replace(" r1 ", " r3 ")} --break-glass "with another account"')
    await answer.reply("as often as one person may within 24 hours: 1")
    assert house.prod.get("restores", "r3") is None
