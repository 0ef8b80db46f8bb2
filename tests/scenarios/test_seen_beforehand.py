"""People see the preview of a restore before it runs, and its warnings and next steps afterwards."""

import json

from sandbox import world as worlds

ASK = "/velero restore create r1 --from-backup b1 --include-namespaces shop --existing-resource-policy update"
NO_APPROVAL_RULES = worlds.RULES.replace(
    'effect = "approve"\nquorum = 1\napprovers = ["approvers"]', 'effect = "allow"'
)


async def create_objects(house):
    """Creates objects with different fates, PVCs, a hook and a schedule."""
    objects = house.prod.objects
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    for name in ("data", "logs"):
        objects.create("persistentvolumeclaims", "shop", {"metadata": {"name": name}, "spec": claim})
    annotations = {"post.hook.restore.velero.io/command": '["/migrate"]'}
    web = {"containers": [{"name": "web", "image": "web:1"}]}
    objects.create("pods", "shop", {"metadata": {"name": "web-1", "annotations": annotations}, "spec": web})
    await house.grace.says("/velero schedule create nightly --schedule '0 3 * * *' --include-namespaces shop")
    await house.eventually(lambda: house.prod.get("schedules", "nightly"))
    await house.backed_up("b1")
    objects.delete("configmaps", "shop", "settings-0")
    objects.delete("persistentvolumeclaims", "shop", "logs")
    objects.delete("pods", "shop", "web-1")
    objects.patch("configmaps", "shop", "settings-1", {"data": {"number": "99"}})
    await house.quiet()


SEEN = (
    "would be created",
    "would be changed",
    "exist and are identical",
    "Volume data NOT restored",
    "Hooks that run in pods",
)


def missing(message):
    shown = message.text + json.dumps(message.blocks)
    return [word for word in SEEN if word not in shown]


async def test_the_preview_is_in_the_approval_request(house):
    await create_objects(house)
    answer = await house.grace.says(f"{ASK} --safety-backup")
    told = await answer.reply("Waiting for approval")
    request = await house.sees("#approvals", "restore create r1", "Approval needed")
    card = await house.sees("#ops", "restore create r1")
    assert [missing(told), missing(request), missing(card)] == [[], [], []]


async def test_the_preview_is_in_the_status_message_without_an_approval(build):
    house = await build(rules=NO_APPROVAL_RULES)
    await house.start()
    await create_objects(house)
    await house.grace.says(ASK)
    await house.ended("restores", "r1")
    await house.sees("#ops", "restore create r1", "Completed")
    assert missing(house.card("restore create r1")) == []


async def test_the_status_message_and_its_thread_show_warnings_and_the_next_step(build):
    house = await build(rules=NO_APPROVAL_RULES)
    await house.start()
    await house.backed_up("b1")
    house.prod.objects.patch("configmaps", "shop", "settings-1", {"data": {"number": "99"}})
    await house.quiet()
    await house.grace.says(ASK.replace(" --existing-resource-policy update", ""))
    for word in ("Completed", "2 objects already existed and were left unchanged.", "velero.io/restore-name=r1"):
        await house.sees("#ops", "restore create r1", word)
        await house.sees("#ops", "Restore r1 Completed", word)
