"""A channel's scope and a subscriber's view limit every notification and thread text."""

import json

import pytest

from store.tables.subscriptions import Subscription

OTHERS = "billing"


@pytest.fixture
async def bounded(build):
    """The team's channel has a route for everything, and ada follows the whole cluster."""
    house = await build()
    channel = house.slack.workspace.channel("#shop-team").id
    route = f'\n[[routes]]\nname = "shop"\nchannels = ["{channel}"]\nroutine = true\n'
    house.settings.write_text(house.settings.read_text() + route)
    await house.start()
    follows = Subscription(house.ada.id, "prod", "", "", house.ada.id, house.slack.now())
    await house.store.write(lambda tx: tx.subscriptions.add(follows))
    return house


def all_of(house, channel):
    return json.dumps([[message.text, message.blocks] for message in house.messages(channel)])


@pytest.mark.parametrize("channel", ["#shop-team", "@ada"])
async def test_failures_of_others_reach_neither_the_channel_nor_a_subscriber(bounded, channel):
    bounded.prod.velero.script("*", outcome="fails", reason=f"{OTHERS}/db is full")
    bounded.backup("b-theirs", includedNamespaces=[OTHERS])
    bounded.backup("b-both", includedNamespaces=["shop", OTHERS])
    bounded.backup("b-ours", includedNamespaces=["shop"])
    await bounded.sees(channel, "Backup b-ours Failed", f"{OTHERS}/db is full")
    await bounded.sees(channel, "Backup b-both Failed", "shop, (others)")
    await bounded.sees("#incidents", "Backup b-theirs Failed", f"{OTHERS}/db is full")
    await bounded.quiet()
    assert not bounded.told(channel, "b-theirs")
    (both,) = bounded.told(channel, "b-both")
    assert OTHERS not in json.dumps([both.text, both.blocks])
    assert await bounded.store.read(lambda tx: tx.notices.dead_letters()) == ()


async def test_an_event_of_unknown_reach_goes_only_to_unlimited_channels(bounded):
    status = {"status": {"phase": "Unavailable", "message": OTHERS}}
    bounded.prod.objects.patch("backupstoragelocations", "velero", "default", status)
    await bounded.sees("#incidents", "Storage location default is Unavailable")
    await bounded.quiet()
    assert not bounded.told("#shop-team", "Storage location")
    assert not bounded.told("@ada", "Storage location")


async def test_a_card_shows_what_the_channels_scope_covers(bounded):
    bounded.prod.velero.script("*", outcome="fails", reason=f"{OTHERS}/db is full")
    await bounded.grace.says(
        f"/velero backup create b1 --include-namespaces shop,{OTHERS} --cluster prod", "#shop-team"
    )
    await bounded.sees("#shop-team", "Backup *b1* is *Failed*")
    await bounded.sees("#shop-team", "Backup b1 Failed", f"<@{bounded.grace.id}>")
    await bounded.quiet()
    assert OTHERS not in all_of(bounded, "#shop-team")
