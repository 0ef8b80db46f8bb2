"""Everyday questions and small changes, from Slack to Velero and back."""


async def test_describe_check_and_the_rest_answer(house):
    await house.backed_up("b1")
    for line, said in (
        ("backup describe b1", "b1: Completed"),
        ("backup get -o wide", "b1"),
        ("check shop", "shop"),
        ("backup-location get", "default"),
        ("repo get", "repositor"),
        ("plugin get", "plugins"),
        ("version", "velero-chatops"),
        ("doctor", "checks"),
        ("whoami", "You are"),
    ):
        answer = await house.grace.says(f"/velero {line}")
        await answer.reply(said)


async def test_a_subscription_is_kept_and_listed_and_ends(house):
    await (await house.grace.says("/velero subscribe namespace shop")).reply("You are notified about failures")
    await (await house.grace.says("/velero subscribe")).reply("1 subscription")
    await (await house.grace.says("/velero unsubscribe namespace shop")).reply("You no longer get")
    await (await house.grace.says("/velero subscribe")).reply("No subscriptions.")


async def test_an_inline_policy_is_made_before_the_backup(house):
    policy = "{version: v1, volumePolicies: [{conditions: {nfs: {}}, action: {type: skip}}]}"
    await house.grace.says(f"/velero backup create b1 --include-namespaces shop --resource-policy '{policy}'")
    await house.sees("#ops", "Backup b1 in prod: Completed")
    name = house.prod.get("backups", "b1")["spec"]["resourcePolicy"]["name"]
    assert house.prod.get("configmaps", name)["immutable"] is True


async def test_a_wrong_word_is_underlined_and_corrected(house):
    answer = await house.grace.says("/velero backup create b1 --inclde-namespaces shop")
    reply = await answer.reply("has no flag --inclde-namespaces")
    assert "^^^^" in reply.full_text
    assert "backup create b1 --include-namespaces shop" in reply.full_text


async def test_a_location_is_deleted_only_after_its_name_is_typed(house):
    await house.grace.says("/velero backup-location create second --provider aws --bucket other --config region=eu")
    await house.eventually(lambda: house.prod.get("backupstoragelocations", "second") is not None)
    answer = await house.grace.says("/velero backup-location delete second")
    reply = await answer.reply("Delete storage location second")
    assert house.prod.get("backupstoragelocations", "second") is not None
    await house.grace.clicks("Delete…", on=reply)
    await house.grace.submits(values={"word": "second"})
    await house.eventually(lambda: house.prod.get("backupstoragelocations", "second") is None)
