"""Before a restore runs, everybody has seen what it will change; after it, what it left behind and what to look at."""

import json

from sandbox import world as worlds

ASK = "/velero restore create r1 --from-backup b1 --include-namespaces shop --existing-resource-policy update"
FREE = worlds.RULES.replace('effect = "approve"\nquorum = 1\napprovers = ["approvers"]', 'effect = "allow"')


async def lived_in(house):
    """One thing of every fate, a claim, a hook, a schedule: more than a few lines."""
    objects = house.prod.objects
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    for name in ("data", "logs"):
        objects.create("persistentvolumeclaims", "shop", {"metadata": {"name": name}, "spec": claim})
    marks = {"post.hook.restore.velero.io/command": '["/migrate"]'}
    web = {"containers": [{"name": "web", "image": "web:1"}]}
    objects.create("pods", "shop", {"metadata": {"name": "web-1", "annotations": marks}, "spec": web})
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
    "data does NOT come back",
    "Hooks that run in pods",
)


def missing(message):
    shown = message.text + json.dumps(message.blocks)
    return [word for word in SEEN if word not in shown]


async def test_with_a_request_for_approval(house):
    await lived_in(house)
    answer = await house.grace.says(f"{ASK} --safety-backup")
    told = await answer.reply("Asked for approval")
    request = await house.sees("#approvals", "restore create r1", "waiting for approval")
    card = await house.sees("#ops", "restore create r1")
    assert [missing(told), missing(request), missing(card)] == [[], [], []]


async def test_also_where_nobody_else_has_to_agree(build):
    house = await build(rules=FREE)
    await house.start()
    await lived_in(house)
    await house.grace.says(ASK)
    await house.ended("restores", "r1")
    await house.sees("#ops", "restore create r1", "Completed")
    assert missing(house.card("restore create r1")) == []


async def test_afterwards_the_card_and_its_thread_say_what_to_look_at(build):
    house = await build(rules=FREE)
    await house.start()
    await house.backed_up("b1")
    house.prod.objects.patch("configmaps", "shop", "settings-1", {"data": {"number": "99"}})
    await house.quiet()
    await house.grace.says(ASK.replace(" --existing-resource-policy update", ""))
    for word in ("Completed", "× already existed and left unchanged", "velero.io/restore-name=r1"):
        await house.sees("#ops", "restore create r1", word)
        await house.sees("#ops", "Restore r1 Completed", word)
