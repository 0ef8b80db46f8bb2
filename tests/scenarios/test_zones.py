"""A Slack profile may name a time zone that this machine doesn't know."""


async def test_times_then_use_the_zone_of_the_settings(house):
    await house.backed_up("b1")
    house.world.slack.workspace.change_user(house.grace.id, tz="Mars/Base")
    answer = await (await house.grace.says("/velero backup get")).reply("b1")
    assert "UTC" in answer.full_text
    assert "Mars" not in answer.text
    assert "Mars" not in (await (await house.grace.says("/velero whoami")).reply("Time zone")).full_text
