"""A card whose post was unconfirmed, or whose thread is gone, still shows the result."""

from sandbox.slack.faults import Fault

CREATE = "backup create b1 --include-namespaces shop"


async def test_a_card_found_in_history_is_brought_up_to_date(house):
    house.faults.add(Fault.COMMIT_THEN_RESET, "chat.postMessage", times=1)
    await house.grace.says(f"/velero {CREATE}")
    card = await house.sees("#ops", "backup create b1", "Completed")
    await house.quiet()
    assert [one.ts for one in house.messages("#ops") if "backup create b1" in one.full_text] == [card.ts]


async def test_a_mention_that_was_deleted_has_its_card_in_the_channel(house):
    house.faults.refuse("thread_not_found", "chat.postMessage", times=1)
    await house.grace.mentions(f"@velero {CREATE}")
    card = await house.sees("#ops", "backup create b1", "Completed")
    assert card.thread_ts in {None, "", card.ts}
