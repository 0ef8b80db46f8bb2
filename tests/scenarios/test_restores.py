"""Restores with an approval, from the request of one person and the vote of another to the objects in the cluster."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from sandbox import world as worlds
from sandbox.kubernetes.faults import Trouble

ASK = "/velero restore create r1 --from-backup b1 --include-namespaces shop --reason oops"


async def requested(house, line=ASK):
    if house.prod.get("backups", "b1") is None:
        await house.backed_up("b1")
        await house.quiet()
    await house.grace.says(line)
    return await house.sees("#approvals", "restore create r1", "Approval needed")


async def test_a_restore_runs_after_someone_else_approves(house):
    await house.backed_up("b1")
    house.prod.objects.delete("configmaps", "shop", "settings-0")
    request = await requested(house)
    for word in ("backup b1", "oops", f"<@{house.grace.id}>", "· plan ", "Approvals: 0 of 1"):
        assert word in request.full_text
    await house.bob.clicks("Approve", on=request)
    await house.ended("restores", "r1")
    await house.sees("#ops", "restore create r1", "Completed")
    await house.sees("#approvals", "restore create r1", "Approved by", "is Completed", "Approvals: 1 of 1")
    assert house.prod.objects.find("configmaps", "shop", "settings-0") is not None
    assert house.prod.get("restores", "r1")["spec"]["backupName"] == "b1"


async def test_the_requester_cannot_approve(house):
    request = await requested(house)
    answer = await house.grace.clicks("Approve", on=request)
    await answer.reply("someone else has to approve it")
    assert house.prod.all("restores") == []


async def test_only_approvers_can_approve(house):
    request = await requested(house)
    answer = await house.ada.clicks("Approve", on=request)
    await answer.reply("You don't have permission to approve this request.")
    assert house.prod.all("restores") == []


async def test_a_rejection_with_a_reason_ends_the_request(house):
    request = await requested(house)
    await house.bob.clicks("Reject", on=request)
    await house.bob.submits(values={"reason": "not on a Friday"})
    await house.sees("#approvals", "restore create r1", "Rejected by", "not on a Friday")
    await house.sees("#ops", "was rejected by", "not on a Friday")
    answer = await house.bob.clicks("Approve", on=request, stale=True)
    await answer.reply("Already rejected by Bob.")
    assert house.prod.all("restores") == []


async def test_a_withdrawal_ends_the_request(house):
    request = await requested(house)
    await house.grace.clicks("Withdraw request", on=request)
    await house.sees("#approvals", "restore create r1", "Withdrawn")
    assert house.prod.all("restores") == []


async def test_approvers_can_view_the_plan(house):
    request = await requested(house)
    answer = await house.bob.clicks("View plan", on=request)
    await answer.reply("Plan of restore create r1")


async def test_the_request_shows_the_preview(house):
    await house.backed_up("b1")
    house.prod.objects.delete("configmaps", "shop", "settings-0")
    house.prod.objects.patch("configmaps", "shop", "settings-1", {"data": {"number": "99"}})
    request = await requested(house)
    assert "1 object would be created: ConfigMap shop/settings-0." in request.full_text
    assert "ConfigMap shop/settings-1 (data.number)" in request.full_text


async def test_a_larger_impact_makes_the_request_outdated_and_a_button_requests_again(house):
    request = await requested(house)
    house.prod.objects.delete("configmaps", "shop", "settings-0")
    answer = await house.bob.clicks("Approve", on=request)
    await answer.reply("Not started: the plan changed after it was approved.")
    stale = await house.sees(
        "#approvals", "restore create r1", "Outdated; not started", "ConfigMap shop/settings-0 new"
    )
    assert house.prod.all("restores") == []
    await house.grace.clicks("Request again", on=stale)
    again = await house.eventually(
        lambda: [m for m in house.told("#approvals", "Approval needed") if m.ts != request.ts]
    )
    await house.bob.clicks("Approve", on=again[0])
    await house.ended("restores", "r1")


async def test_restore_plan_writes_nothing(house):
    await house.backed_up("b1")
    answer = await house.grace.says("/velero restore plan r1 --from-backup b1 --include-namespaces shop")
    await answer.reply("exist and are identical")
    assert house.prod.all("restores") == []


SAFE = f"{ASK} --existing-resource-policy update --safety-backup"


async def test_a_safety_backup_is_created_first_and_undo_restores_it(house):
    await house.backed_up("b1")
    house.prod.objects.patch("configmaps", "shop", "settings-1", {"data": {"number": "99"}})
    request = await requested(house, SAFE)
    assert "Create safety backup `r1-safety` and wait until it is Completed." in request.full_text
    await house.bob.clicks("Approve", on=request)
    card = await house.sees("#ops", "restore create r1", "Completed", "Undo restore")
    assert number(house) == "1"
    assert house.prod.get("backups", "r1-safety")["spec"]["includedNamespaces"] == ["shop"]
    await house.grace.clicks("Undo restore", on=card)
    undo = await house.sees("#approvals", "from backup `r1-safety`", "Approval needed", "Not undone")
    assert "undo restore r1" in undo.full_text
    assert "No reason given" not in str(undo.blocks)
    await house.bob.clicks("Approve", on=undo)
    await house.eventually(lambda: number(house) == "99")


async def test_without_its_safety_backup_the_restore_does_not_start(house):
    house.prod.velero.script("r1-safety", outcome="partial", reason="a volume was lost", kind="backup")
    request = await requested(house, SAFE)
    await house.bob.clicks("Approve", on=request)
    await house.sees("#ops", "restore create r1", "failed", "Backup r1-safety ended with PartiallyFailed")
    assert house.prod.all("restores") == []


SAFETY_RULES = worlds.RULES.replace("quorum = 1\n", "quorum = 1\nsafety_backup = true\n")


async def test_a_rule_can_require_a_safety_backup(build):
    house = await build(rules=SAFETY_RULES)
    await house.start()
    request = await requested(house)
    await house.bob.clicks("Approve", on=request)
    await house.ended("restores", "r1")
    assert house.prod.get("backups", "r1-safety") is not None


async def test_a_restart_between_the_steps_continues_the_restore(house):
    house.prod.velero.script("r1-safety", items=20, seconds=1.5, kind="backup")
    request = await requested(house, SAFE)
    await house.bob.clicks("Approve", on=request)
    await house.in_phase("backups", "r1-safety", "InProgress")
    await house.restart()
    await house.ended("restores", "r1")
    await house.sees("#ops", "restore create r1", "Completed")
    assert len(house.prod.all("restores")) == 1


def number(house):
    return house.prod.objects.find("configmaps", "shop", "settings-1")["data"]["number"]


BREAK_GLASS_RULES = worlds.RULES.replace("quorum = 1\n", 'quorum = 1\nbreak_glass = ["on-call"]\n')
"""The usual rules, and on-call may use break-glass."""


async def test_break_glass_runs_at_once_notifies_and_needs_a_review(build):
    house = await build(rules=BREAK_GLASS_RULES)
    await house.start()
    await house.backed_up("b1")
    await house.quiet()
    await house.grace.says(f'{ASK} --break-glass "checkout is down"')
    await house.ended("restores", "r1")
    await house.sees("#incidents", "used break-glass", "checkout is down")
    request = await house.sees("#approvals", "restore create r1", "Review needed")
    answer = await house.grace.clicks("Approve", on=request)
    await answer.reply("someone else has to approve it")
    await house.bob.clicks("Approve", on=request)
    await house.sees("#approvals", "restore create r1", "Approved by", "Approvals: 1 of 1")
    assert len(house.prod.all("restores")) == 1


SHORT_RULES = worlds.RULES.replace("quorum = 1\n", "quorum = 1\nexpires = 2\n")


async def test_a_request_is_reminded_of_and_expires(build):
    house = await build(rules=SHORT_RULES)
    await house.start()
    request = await requested(house)
    await house.sees("#approvals", "is still waiting for approval: 0 of 1 approval")
    await house.sees("#approvals", "restore create r1", "Expired without approval")
    answer = await house.bob.clicks("Approve", on=request, stale=True)
    await answer.reply("This request expired.")
    assert house.prod.all("restores") == []


async def test_without_permission_there_is_no_preview(house):
    await house.backed_up("b1", includedNamespaces=["shop", "billing"])
    await house.quiet()
    answer = await house.grace.says("/velero restore plan r1 --from-backup b1 --include-namespaces billing")
    reply = await answer.reply("Nothing was changed")
    assert "settings" not in reply.full_text
    assert "exist and are identical" not in reply.full_text


NIGHTLY = "/velero schedule create nightly --schedule '0 3 * * *' --include-namespaces shop"


async def test_a_button_pauses_the_schedules(house):
    await house.grace.says(NIGHTLY)
    await house.eventually(lambda: house.prod.get("schedules", "nightly"))
    request = await requested(house)
    await house.grace.clicks("Pause schedules", on=request)
    held = await house.eventually(
        lambda: (house.prod.get("schedules", "nightly").get("status") or {}).get("lastSkipped")
    )
    assert datetime.fromisoformat(held) - datetime.now(UTC) <= timedelta(minutes=20)
    assert house.prod.all("restores") == []


async def test_after_the_restore_the_button_pauses_nothing_and_says_so(house):
    await house.grace.says(NIGHTLY)
    await house.eventually(lambda: house.prod.get("schedules", "nightly"))
    request = await requested(house)
    await house.bob.clicks("Approve", on=request)
    await house.ended("restores", "r1")
    await house.sees("#ops", "restore create r1", "Completed")
    answer = await house.grace.clicks("Pause schedules", on=request, stale=True)
    await answer.reply("The restore has already finished, so the schedules weren't paused.")
    assert not (house.prod.get("schedules", "nightly").get("status") or {}).get("lastSkipped")


async def test_hold_schedules_pauses_them_after_the_approval(house):
    await house.grace.says(NIGHTLY)
    await house.eventually(lambda: house.prod.get("schedules", "nightly"))
    request = await requested(house, f"{ASK} --hold-schedules")
    assert "Change schedule `nightly`" in request.full_text
    assert not (house.prod.get("schedules", "nightly").get("status") or {}).get("lastSkipped")
    await house.bob.clicks("Approve", on=request)
    await house.ended("restores", "r1")
    await house.sees("#ops", "restore create r1", "Completed")
    assert house.prod.get("schedules", "nightly")["status"]["lastSkipped"]


async def test_open_requests_are_in_status_and_in_the_home(house):
    request = await requested(house)
    answer = await house.bob.says("/velero status")
    told = await answer.reply("1 request waiting for approval.")
    assert "restore create r1" in told.full_text
    link = f"/archives/{house.slack.workspace.channel('#approvals').id}/p{request.ts.replace('.', '')}"
    assert link in told.full_text
    assert link in json.dumps((await house.bob.opens_home()).blocks)
    await house.grace.clicks("Withdraw request", on=request)
    await house.sees("#approvals", "restore create r1", "Withdrawn")
    after = await house.bob.says("/velero status")
    assert "waiting for approval" not in (await after.reply("CLUSTER")).full_text


@pytest.mark.parametrize("trouble", [Trouble.RESET, Trouble.HANG])
async def test_open_requests_are_listed_while_the_cluster_does_not_respond(house, trouble):
    await requested(house)
    house.prod.api.faults.on(trouble)
    answer = await house.bob.says("/velero status")
    told = await answer.reply("1 request waiting for approval.", deadline=40)
    assert "restore create r1" in told.full_text


WIDER = worlds.RULES.replace(
    'what = ["restore.create"]\nnamespaces = ["shop", "shop-*"]', 'what = ["restore.create"]\nnamespaces = ["billing"]'
)
"""The usual rules, and on-call restores a namespace that developers can't access."""


async def test_status_hides_requests_of_other_tenants(build):
    house = await build(rules=WIDER)
    await house.start()
    await house.backed_up("b1", includedNamespaces=["billing"])
    await house.quiet()
    await requested(house, ASK.replace("--include-namespaces shop", "--include-namespaces billing"))
    assert "waiting for approval" in (await (await house.grace.says("/velero status")).reply("CLUSTER")).full_text
    assert "approval" not in (await (await house.ada.says("/velero status")).reply("CLUSTER")).full_text


async def test_the_second_request_for_a_namespace_shows_a_warning(house):
    await requested(house)
    answer = await house.grace.says(ASK.replace(" r1 ", " r2 "))
    await answer.reply("in the same namespaces is waiting for approval")
    await house.sees(
        "#approvals", "restore create r2", "Approval needed", "in the same namespaces is waiting for approval"
    )


async def test_the_second_approved_restore_does_not_start_during_the_first(house):
    house.prod.velero.script("r1", outcome="hangs", kind="restore")
    first = await requested(house)
    await house.grace.says(ASK.replace(" r1 ", " r2 "))
    second = await house.sees("#approvals", "restore create r2", "Approval needed")
    await house.bob.clicks("Approve", on=first)
    await house.in_phase("restores", "r1", "InProgress")
    answer = await house.bob.clicks("Approve", on=second)
    await answer.reply("Not started")
    assert [one["metadata"]["name"] for one in house.prod.all("restores")] == ["r1"]


async def test_break_glass_is_limited_per_person(build):
    house = await build(rules=BREAK_GLASS_RULES)
    text = house.settings.read_text("utf-8")
    house.settings.write_text(text.replace("[approvals]\n", "[approvals]\nbreak_glass_per_day = 1\n"), "utf-8")
    await house.start()
    await house.backed_up("b1")
    await house.quiet()
    await house.grace.says(f'{ASK} --break-glass "checkout is down"')
    await house.ended("restores", "r1")
    answer = await house.grace.says(f'{ASK.replace(" r1 ", " r2 ")} --break-glass "again"')
    await answer.reply("You reached the break-glass limit: 1 in 24 hours.")
    assert house.prod.get("restores", "r2") is None
    house.slack.workspace.set_group_users("on-call", ["grace", "bob"])
    house.bot.identity.forget()
    house.slack.workspace.change_user("bob", email=house.grace.user.email.upper())
    answer = await house.bob.says(f'{ASK.replace(" r1 ", " r3 ")} --break-glass "with another account"')
    await answer.reply("You reached the break-glass limit: 1 in 24 hours.")
    assert house.prod.get("restores", "r3") is None
