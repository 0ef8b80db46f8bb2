"""The same request by a click and by hand is one request while the first is open."""

RULES = """
[[rules]]
name = "four-eyes"
who = "anyone"
what = ["*"]
effect = "approve"
approvers = ["on-call"]
"""


async def test_the_second_asking_opens_no_second_approval(build):
    house = await build(rules=RULES)
    await house.start()
    await house.ada.says("/velero backup create b1 --include-namespaces shop")
    line = "/velero backup create b1 --include-namespaces shop --reason 'once more'"
    answer = await house.ada.says(line)
    assert "Already requested" in (await answer.reply("Already requested")).full_text
    waiting = await house.store.read(lambda tx: tx.operations.open())
    assert [each.subject for each in waiting] == ["b1"]


async def test_another_scope_under_that_name_is_another_request(build):
    house = await build(rules=RULES)
    await house.start()
    for scope in ("shop", "billing"):
        await (await house.ada.says(f"/velero backup create b1 --include-namespaces {scope}")).reply(
            "Waiting for approval"
        )
    waiting = await house.store.read(lambda tx: tx.operations.open())
    assert [each.subject for each in waiting] == ["b1", "b1"]
